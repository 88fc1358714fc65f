//! Exports a resource. It lives in one store and calls do not share stores, so the host has to refuse it by name.

#![cfg(target_family = "wasm")]

use std::cell::Cell;

use exports::demo::counter::counter::{Guest, GuestCounter};

wit_bindgen::generate!({
    inline: "
        package raw-resource:plugin;

        world plugin {
            export demo:counter/counter@1.0.0;
        }
    ",
    path: "../wit/demo-counter",
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Plugin;

impl Guest for Plugin {
    type Counter = Counter;
}

struct Counter(Cell<u32>);

impl GuestCounter for Counter {
    fn new() -> Self {
        Self(Cell::new(0))
    }

    fn next(&self) -> u32 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

export!(Plugin);
