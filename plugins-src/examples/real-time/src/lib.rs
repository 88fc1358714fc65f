//! Tickets, and a word to whoever is to look after them: the example of the guide to real time.

// The exports exist for WebAssembly alone.
#![cfg(target_family = "wasm")]

use exports::desk::tickets::tickets::{Error, Guest, Ticket};
use serde::Serialize;
use tenon_plugin::fields::Invalid;
use tenon_plugin::notifications::{self, HostError, Notification, To};
use tenon_plugin::sql::{self, Executor, params};

wit_bindgen::generate!({
    inline: "
        package desk:plugin;

        world plugin {
            export desk:tickets/tickets@1.0.0;
        }
    ",
    path: ["wit"],
});

tenon_plugin::embed! {
    manifest: "../plugin.json",
    migrations: ["0001_ticket" => "../ticket.sql"],
}

tenon_plugin::service_types! {
    crate::exports::desk::tickets::tickets: Error, FieldError;
}

/// The most that the title of a notification may have by default, in bytes.
const TITLE_BYTES: usize = 200;

struct Desk;

#[derive(Serialize)]
struct Opened<'a> {
    id: &'a str,
    title: &'a str,
}

impl Guest for Desk {
    fn open(title: String, assignee: Option<String>) -> Result<Ticket, Error> {
        if title.trim().is_empty() || title.len() > TITLE_BYTES || title.chars().any(char::is_control) {
            return Err(Invalid::field("title", format!("must be one line of 1 to {TITLE_BYTES} bytes")).into());
        }
        sql::transaction(|tx| {
            let number: u64 =
                tx.query_one("INSERT INTO ticket (title) VALUES ($1) RETURNING number", params![&title])?;
            let id = format!("ticket-{number}");
            tx.publish("ticket.opened", &Opened { id: &id, title: &title })?;
            let (to, kind) = match &assignee {
                Some(user) => (To::User(user), "assigned"),
                None => (To::Role("admin"), "unassigned"),
            };
            tx.notify(to, Notification::new(kind, &title).link("/plugins/desk/tickets")).map_err(refused)?;
            Ok(Ticket { id, title })
        })
    }

    fn list() -> Result<Vec<Ticket>, Error> {
        let rows = sql::query("SELECT number, title FROM ticket ORDER BY number", &[])?;
        let read = |mut row: sql::Row| {
            let number: u64 = row.get("number")?;
            Ok(Ticket { id: format!("ticket-{number}"), title: row.get("title")? })
        };
        rows.map(read).collect()
    }
}

/// What is wrong with words of the client's is for the client to mend; everything else is not the client's fault.
fn refused(error: notifications::Error) -> Error {
    match error {
        notifications::Error::Host(HostError::TooLarge(_)) => Invalid::field("title", error.to_string()).into(),
        notifications::Error::Host(HostError::Invalid(why)) => Invalid::field("assignee", why).into(),
        other => other.into(),
    }
}

export!(Desk);
