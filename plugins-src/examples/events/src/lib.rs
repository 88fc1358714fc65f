//! Hears of deals that were won, and tells of every tenth: the example of the guide to events.

// The exports exist for WebAssembly alone.
#![cfg(target_family = "wasm")]

use exports::bonus::score::score::{Error, Guest};
use serde::{Deserialize, Serialize};
use tenon_plugin::events::Unhandled;
use tenon_plugin::notifications::{Notification, To};
use tenon_plugin::sql::{self, Executor, params};
use tenon_plugin::{Event, EventHandler};

wit_bindgen::generate!({
    inline: "
        package bonus:plugin;

        world plugin {
            export bonus:score/score@1.0.0;
        }
    ",
    path: ["wit"],
});

tenon_plugin::embed! {
    manifest: "../plugin.json",
    migrations: ["0001_won" => "../score.sql"],
}

tenon_plugin::service_types! {
    crate::exports::bonus::score::score: Error;
}

struct Bonus;

/// What the CRM says of a deal, as far as it is wanted here.
#[derive(Deserialize)]
struct Won {
    id: String,
}

#[derive(Serialize)]
struct Earned {
    round: u64,
}

impl EventHandler for Bonus {
    fn handle(event: Event) -> Result<(), Unhandled> {
        let deal: Won = event.data()?;
        sql::transaction(|tx| {
            // The same event can come again; what it did is there then.
            if !event.once(tx)? {
                return Ok(());
            }
            tx.execute("INSERT INTO won (deal) VALUES ($1) ON CONFLICT DO NOTHING", params![&deal.id])?;
            let won: u64 = tx.query_one("SELECT count(*) FROM won", &[])?;
            if won.is_multiple_of(10) {
                tx.publish("bonus.earned", &Earned { round: won / 10 })?;
                let title = format!("{won} deals were won");
                tx.notify(To::Everyone, Notification::new("earned", title).link("/plugins/bonus/score"))?;
            }
            Ok(())
        })
    }
}

tenon_plugin::event_handler!(Bonus);

impl Guest for Bonus {
    fn get() -> Result<u64, Error> {
        Ok(sql::query_one("SELECT count(*) FROM won", &[])?)
    }
}

export!(Bonus);
