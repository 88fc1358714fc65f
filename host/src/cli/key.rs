//! `tenon key`.

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::{SpanRelativeTo, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use super::address::{Paging, segment, with_query};
use super::client::Connection;
use super::output::Output;

/// Make API keys, see when they were used, and end them.
///
/// With --tenant it is about the keys of that tenant. Without, it is about those of all of them, and a key that is made
/// is an operator's.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    tenon key create --tenant acme --role member --name crm-sync --expires-in 90d\n  \
    tenon key create --role operator --name ops\n  \
    tenon key list --tenant acme\n  \
    tenon key expire 0a1b2c3d4e5f6071 --expires-in 1h\n  \
    tenon key revoke 0a1b2c3d4e5f6071")]
pub(super) struct Key {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a key; it is shown this once
    Create(Create),
    /// List keys, the newest first, with their last use to the minute
    List {
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        output: Output,
    },
    /// Revoke a key, at once and for good
    Revoke {
        /// The part between the two _ of the key
        id: String,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        output: Output,
    },
    /// Let a key end at a time, or now; the end never moves away
    Expire {
        /// The part between the two _ of the key
        id: String,
        #[command(flatten)]
        end: End,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Args)]
struct Create {
    /// What it may do: a role of the section [roles]; without a tenant `operator`
    #[arg(long)]
    role: String,
    /// What it is for, for those who read the list
    #[arg(long, default_value = "")]
    name: String,
    /// A permission of a plugin beyond those of the role, as `plugin.crm.deals.*`; can be given several times
    #[arg(long = "plugin-permission", value_name = "PATTERN")]
    permissions: Vec<String>,
    #[command(flatten)]
    end: End,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
#[group(multiple = false)]
struct End {
    /// How long it lasts from now on, as `90d` or `12h`
    #[arg(long, value_name = "TIME")]
    expires_in: Option<String>,
    /// When it ends, as `2027-01-01T00:00:00Z`
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
}

impl End {
    fn at(&self) -> anyhow::Result<Option<Timestamp>> {
        if let Some(at) = &self.expires_at {
            let wrong = || format!("--expires-at is {at:?}, expected a time as 2027-01-01T00:00:00Z");
            return at.parse().map(Some).with_context(wrong);
        }
        let Some(long) = &self.expires_in else { return Ok(None) };
        let wrong = || format!("--expires-in is {long:?}, expected a time as `90d`, `12h` or `1w`");
        let span: jiff::Span = long.parse().with_context(wrong)?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).with_context(wrong)?;
        Timestamp::now().checked_add(duration).map(Some).with_context(wrong)
    }
}

impl Key {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::Create(create) => create.run(),
            Action::List { paging, connection, output } => list(paging, &connection, &output),
            Action::Revoke { id, connection, output } => {
                let answer = super::block_on(connection.ask(Method::DELETE, &path(&id), None, &[]))?;
                output.told(&answer.body.data, &format!("key {id} is revoked"))
            }
            Action::Expire { id, end, connection, output } => {
                let body = json!({ "expiresAt": end.at()?.map(|at| at.to_string()) });
                let answer =
                    super::block_on(connection.ask(Method::PUT, &format!("{}/end", path(&id)), Some(body), &[]))?;
                let at = answer.body.data["expiresAt"].as_str().unwrap_or_default();
                output.told(&answer.body.data, &format!("key {id} ends at {at}"))
            }
        }
    }
}

impl Create {
    fn run(self) -> anyhow::Result<()> {
        let end = self.end.at()?;
        let Self { role, name, permissions, connection, output, .. } = self;
        let mut body = json!({ "role": role, "name": name, "permissions": permissions });
        if let Some(end) = end {
            body["expiresAt"] = Value::from(end.to_string());
        }
        let answer = super::block_on(connection.ask(Method::POST, "/api/v1/keys", Some(body), &[]))?;
        let made = &answer.body.data;
        let text = |field: &str| made[field].as_str().unwrap_or_default().to_owned();
        let whose = made["tenant"].as_str().map_or_else(|| "operators".to_owned(), |tenant| format!("tenant {tenant}"));
        let until = made["expiresAt"].as_str().map(|end| format!(", until {end}")).unwrap_or_default();
        // The key stands alone on the last line, for `tail -1`.
        let told = format!(
            "key {} for {whose} with the role {}{until}. It is shown this once:\n{}",
            text("id"),
            text("role"),
            text("key")
        );
        output.told(made, &told)
    }
}

fn list(paging: Paging, connection: &Connection, output: &Output) -> anyhow::Result<()> {
    let path = with_query("/api/v1/keys", paging.values());
    let answer = super::block_on(connection.ask(Method::GET, &path, None, &[]))?;
    let columns = [
        ("KEY", "id"),
        ("TENANT", "tenant"),
        ("NAME", "name"),
        ("ROLE", "role"),
        ("BEYOND IT", "permissions"),
        ("STATE", "state"),
        ("EXPIRES", "expiresAt"),
        ("LAST USED", "lastUsedAt"),
        ("MADE BY", "createdBy"),
    ];
    output.list(&answer.body.data, &columns, "there are no keys: tenon key create makes one")?;
    output.more(answer.body.next_cursor.as_deref(), "--cursor")
}

fn path(id: &str) -> String {
    format!("/api/v1/keys/{}", segment(id))
}
