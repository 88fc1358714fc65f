//! Board: notices that every plugin may read, and the deal that the CRM changed last. The example of the guide to shared
//! data.

#![cfg(target_family = "wasm")]

use std::time::Duration;

use exports::board::notices::notices::{Error, Guest, Notice};
use serde::Deserialize;
use tenon_plugin::events::Unhandled;
use tenon_plugin::shared_data::{self, Changed, Namespace};
use tenon_plugin::{Event, EventHandler};

wit_bindgen::generate!({
    inline: "
        package board:plugin;
        world board { export board:notices/notices@1.0.0; }
    ",
    path: ["wit"],
    additional_derives: [serde::Serialize, serde::Deserialize],
});

tenon_plugin::embed! { manifest: "../plugin.json" }

tenon_plugin::service_types! {
    crate::exports::board::notices::notices: Error;
}

const NOTICES: Namespace = shared_data::namespace("board.notices");
const COUNTS: Namespace = shared_data::namespace("board.counts");
const CRM: Namespace = shared_data::namespace("crm.events");

/// What the CRM says of the deal that was changed last, as far as it is wanted here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DealUpdate {
    deal_id: String,
}

struct Board;

/// Adds one to a number, whoever else does at the same time.
fn count(key: &str) -> shared_data::Result<u64> {
    let counted = COUNTS.update(key, |so_far| (number(so_far) + 1).to_string().into_bytes())?;
    Ok(number(Some(counted)))
}

fn number(text: Option<Vec<u8>>) -> u64 {
    text.and_then(|text| String::from_utf8(text).ok()?.parse().ok()).unwrap_or(0)
}

impl Guest for Board {
    fn pin(name: String, notice: Notice, seconds: u32) -> Result<(), Error> {
        NOTICES.lasting(Duration::from_secs(seconds.into())).set_json(&name, &notice)?;
        Ok(())
    }

    fn get(name: String) -> Result<Notice, Error> {
        NOTICES.json(&name)?.ok_or_else(|| Error::NotFound(format!("there is no notice {name:?}")))
    }

    fn list() -> Result<Vec<String>, Error> {
        Ok(NOTICES.keys()?)
    }

    fn remove(name: String) -> Result<(), Error> {
        NOTICES.delete(&name)?;
        Ok(())
    }

    fn seen() -> Result<u64, Error> {
        Ok(count("seen")?)
    }

    fn last_deal() -> Result<Option<String>, Error> {
        let update: Option<DealUpdate> = CRM.json("last-deal-update")?;
        Ok(update.map(|update| update.deal_id))
    }

    fn changes() -> Result<u64, Error> {
        Ok(number(COUNTS.get("deals-changed")?))
    }
}

impl EventHandler for Board {
    fn handle(event: Event) -> Result<(), Unhandled> {
        let changed = Changed::of(&event)?;
        if changed.key == "last-deal-update" {
            count("deals-changed")?;
        }
        Ok(())
    }
}

tenon_plugin::event_handler!(Board);

export!(Board);
