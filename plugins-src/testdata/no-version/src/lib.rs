//! Exports an interface of a package without a version. Nobody could tell what is compatible with it, so the host has
//! to refuse it.

#![cfg(target_family = "wasm")]

use exports::demo::unversioned::clock::Guest;

wit_bindgen::generate!({
    inline: "
        package no-version:plugin;

        world plugin {
            export demo:unversioned/clock;
        }
    ",
    path: "../wit/demo-unversioned",
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Clock;

impl Guest for Clock {
    fn now() -> u64 {
        0
    }
}

export!(Clock);
