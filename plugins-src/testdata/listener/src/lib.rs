//! Hears what the host tells of itself, and notes each event once.

#![cfg(target_family = "wasm")]

use exports::demo::listener::listener::{Guest, One};
use tenon_plugin::events::Unhandled;
use tenon_plugin::sql::{self, Executor, params};
use tenon_plugin::{Event, EventHandler};

wit_bindgen::generate!({
    inline: "
        package demo:listener@1.0.0;

        interface listener {
            record one {
                topic: string,
                source: string,
                subject: option<string>,
                /// JSON.
                data: string,
            }

            /// What it has heard, in the order in which that came.
            heard: func() -> result<list<one>, string>;
        }

        world plugin {
            export listener;
        }
    ",
});

tenon_plugin::embed! {
    manifest: "../plugin.json",
    migrations: ["0001_heard" => "../migrations/0001_heard.sql"],
}

tenon_plugin::event_handler!(Listener);

struct Listener;

impl EventHandler for Listener {
    fn handle(event: Event) -> Result<(), Unhandled> {
        sql::transaction(|tx| {
            if event.once(tx)? {
                tx.execute(
                    "INSERT INTO heard (topic, source, subject, data) VALUES ($1, $2, $3, $4)",
                    params![&event.topic, &event.source, &event.subject, &event.json],
                )?;
            }
            Ok::<_, Unhandled>(())
        })
    }
}

impl Guest for Listener {
    fn heard() -> Result<Vec<One>, String> {
        let rows = sql::query("SELECT topic, source, subject, data FROM heard ORDER BY number", &[]);
        let read = |mut row: sql::Row| {
            Ok::<_, sql::Error>(One {
                topic: row.get("topic")?,
                source: row.get("source")?,
                subject: row.get("subject")?,
                data: row.get("data")?,
            })
        };
        rows.and_then(|rows| rows.map(read).collect()).map_err(|error| error.to_string())
    }
}

export!(Listener);
