//! CRM: the people a business deals with, and what it hopes to sell them.
//!
//! Two services, `crm:contacts` and `crm:deals`. What they promise is written in their WIT under `wit/`; the
//! endpoints over HTTP are named in `plugin.json` and go to the same functions.

// The exports exist for WebAssembly alone: without them a native check would call the whole plugin unused.
#![cfg_attr(not(target_family = "wasm"), allow(dead_code, unused_macros))]

mod contacts;
mod deals;
mod news;
mod pipeline;

use exports::tenon::plugin::health;
use tenon_plugin::sql;

wit_bindgen::generate!({
    inline: "
        package crm:plugin;

        world crm {
            export crm:contacts/contacts@1.0.0;
            export crm:deals/deals@1.0.0;
            export tenon:plugin/health@1.0.0;
        }
    ",
    path: ["../../wit/wasi-io", "../../wit/tenon-plugin", "../../wit/crm-contacts", "../../wit/crm-deals"],
});

tenon_plugin::embed! {
    manifest: "../plugin.json",
    migrations: [
        "0001_contacts" => "../migrations/0001_contacts.sql",
        "0002_deals" => "../migrations/0002_deals.sql",
    ],
    demo: "../demo.sql",
}

tenon_plugin::service_types! {
    crate::exports::crm::contacts::contacts: Error, NotFound, FieldError, Timestamp;
    crate::exports::crm::deals::deals: Error, NotFound, FieldError, Timestamp, Decimal;
}

struct Crm;

impl health::Guest for Crm {
    /// The CRM can do its work when its tables can be read.
    fn check() -> health::Report {
        match sql::query("SELECT id FROM contact LIMIT 1", &[]) {
            Ok(_) => health::Report { status: health::Status::Healthy, reason: None },
            Err(error) => health::Report { status: health::Status::Unavailable, reason: Some(error.for_caller()) },
        }
    }
}

// The names of a component's exports are none that a linker for another target takes.
#[cfg(target_family = "wasm")]
export!(Crm);
