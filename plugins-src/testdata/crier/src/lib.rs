//! Publishes and hears whatever a test says. What its handler does stands in the data of the event, as `{"do": "trap"}`;
//! without a word it notes the event, once. A test makes a second plugin of a copy by writing `crier-b` for `crier-a`.

#![cfg(target_family = "wasm")]

use exports::demo::crier::crier::{Error, Guest, One};
use tenon_plugin::events::{self, Draft, HostError, Unhandled};
use tenon_plugin::sql::{self, Executor, params};
use tenon_plugin::{Event, EventHandler};
use wasip2::clocks::monotonic_clock;

wit_bindgen::generate!({
    inline: "
        package crier:plugin;

        world plugin {
            export demo:crier/crier@1.0.0;
        }
    ",
    path: ["../wit/demo-crier"],
});

tenon_plugin::embed! {
    manifest: "../plugin.json",
    migrations: ["0001_handled" => "../migrations/0001_handled.sql"],
}

tenon_plugin::event_handler!(Crier);

/// What it publishes when it hears an echo.
const ECHO: &str = "echo.crier-a";

struct Crier;

impl EventHandler for Crier {
    fn handle(event: Event) -> Result<(), Unhandled> {
        let data: serde_json::Value = event.data()?;
        match data["do"].as_str().unwrap_or_default() {
            "trap" => panic!("the crier was asked to trap"),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "sleep" => monotonic_clock::subscribe_duration(3_600_000_000_000).block(),
            "retry" => return Err(Unhandled::Retry("the crier was asked for it".to_owned())),
            "reject" => return Err(Unhandled::Reject("the crier was asked for it".to_owned())),
            "fail-first" if u64::from(event.attempt) <= data["times"].as_u64().unwrap_or(1) => {
                return Err(Unhandled::Retry(format!("attempt {}", event.attempt)));
            }
            _ => {}
        }
        sql::transaction(|tx| {
            if !event.once(tx)? {
                return Ok(());
            }
            tx.execute(
                "INSERT INTO handled (event, topic, key, source, data, hops, attempt) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                params![&event.id, &event.topic, &event.key, &event.source, &event.json, event.hops, event.attempt],
            )?;
            if event.topic.starts_with("echo.") {
                tx.publish(ECHO, &serde_json::json!({}))?;
            }
            Ok::<_, Unhandled>(())
        })?;
        // After its effect is there.
        if data["do"] == "trap-after" && event.attempt < 3 {
            panic!("the crier was asked to trap when it is done");
        }
        Ok(())
    }
}

impl Guest for Crier {
    fn publish(topic: String, key: Option<String>, data: String, count: Option<u32>) -> Result<String, Error> {
        let mut last = String::new();
        for number in 0..count.unwrap_or(1) {
            last = draft(&topic, &key, &data, number)?.publish()?;
        }
        Ok(last)
    }

    fn transact(
        topic: String,
        key: Option<String>,
        data: String,
        count: Option<u32>,
        commit: bool,
    ) -> Result<String, Error> {
        let done = sql::transaction(|tx| {
            let mut last = String::new();
            for number in 0..count.unwrap_or(1) {
                last = draft(&topic, &key, &data, number)?.publish_in(tx)?;
            }
            tx.execute("INSERT INTO note (text) VALUES ($1)", params![&data])?;
            if commit { Ok(last) } else { Err(Undone::Asked(last)) }
        });
        match done {
            Ok(last) | Err(Undone::Asked(last)) => Ok(last),
            Err(Undone::Failed(error)) => Err(error),
        }
    }

    fn giant(bytes: u32) -> Result<String, Error> {
        let text = "x".repeat(bytes as usize);
        Ok(events::publish("news.plain", &text)?)
    }

    fn handled() -> Result<Vec<One>, String> {
        let rows = sql::query(
            "SELECT event, topic, key, source, data, hops, attempt, (SELECT count(*) FROM handled AS other WHERE other.event = handled.event) AS times FROM handled ORDER BY number",
            &[],
        );
        let read = |mut row: sql::Row| {
            Ok::<_, sql::Error>(One {
                id: row.get("event")?,
                topic: row.get("topic")?,
                key: row.get("key")?,
                source: row.get("source")?,
                data: row.get("data")?,
                hops: row.get("hops")?,
                attempt: row.get("attempt")?,
                times: row.get("times")?,
            })
        };
        rows.and_then(|rows| rows.map(read).collect()).map_err(|error| error.to_string())
    }

    fn effects() -> Result<u64, String> {
        sql::query_one("SELECT count(*) FROM handled", &[]).map_err(|error| error.to_string())
    }

    fn notes() -> Result<Vec<String>, String> {
        sql::query_as("SELECT text FROM note ORDER BY number", &[]).map_err(|error| error.to_string())
    }
}

/// Why a transaction was rolled back.
enum Undone {
    Asked(String),
    Failed(Error),
}

impl From<sql::Error> for Undone {
    fn from(error: sql::Error) -> Self {
        Self::Failed(Error::Unavailable(error.to_string()))
    }
}

impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<events::Error> for Undone {
    fn from(error: events::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<events::Error> for Error {
    fn from(error: events::Error) -> Self {
        match error {
            events::Error::Host(HostError::Denied(why)) => Self::Denied(why),
            events::Error::Host(HostError::Invalid(why)) => Self::Invalid(why),
            events::Error::Host(HostError::Quota(why)) => Self::Quota(why),
            events::Error::Host(HostError::Hops(most)) => Self::Hops(most),
            events::Error::Host(HostError::Unavailable(why)) => Self::Unavailable(why),
            events::Error::Data(error) => Self::Invalid(error.to_string()),
        }
    }
}

/// The data are JSON, or else become a JSON text.
fn draft(topic: &str, key: &Option<String>, data: &str, number: u32) -> Result<Draft, Error> {
    let data = data.replace("{n}", &number.to_string());
    let data = serde_json::from_str(&data).unwrap_or(serde_json::Value::String(data));
    let draft = Draft::new(topic, &data)?;
    Ok(match key {
        Some(key) => draft.key(key),
        None => draft,
    })
}

export!(Crier);
