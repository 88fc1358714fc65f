//! Notes, and what becomes of them when a quota is used up: the example of the guide to quotas.

#![cfg(target_family = "wasm")]

use exports::notebook::notes::notes::{Error, Guest, Kept};
use serde::Serialize;
use tenon_plugin::{events, keyvalue};

wit_bindgen::generate!({
    inline: "
        package notebook:plugin;
        world notebook { export notebook:notes/notes@1.0.0; }
    ",
    path: ["wit"],
});

tenon_plugin::embed! { manifest: "../plugin.json" }

tenon_plugin::service_types! {
    crate::exports::notebook::notes::notes: Error;
}

#[derive(Serialize)]
struct NoteKept<'a> {
    name: &'a str,
}

struct Notebook;

impl Guest for Notebook {
    fn keep(name: String, text: String) -> Result<Kept, Error> {
        match keyvalue::open("notes")?.set(&name, &text) {
            // Nothing to wait for, so not `unavailable`: somebody has to make room.
            Err(keyvalue::Error::Quota(why)) => return Err(Error::Conflict(format!("the notebook is full: {why}"))),
            kept => kept?,
        }
        // The note matters more than the news of it.
        let told = match events::publish("note.kept", &NoteKept { name: &name }) {
            Err(events::Error::Host(events::HostError::Quota(_))) => false,
            told => told.map(|_| true)?,
        };
        Ok(Kept { name, told })
    }

    fn list() -> Result<Vec<String>, Error> {
        Ok(keyvalue::open("notes")?.keys().collect::<keyvalue::Result<_>>()?)
    }
}

export!(Notebook);
