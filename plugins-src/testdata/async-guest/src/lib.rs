//! Exports an async function of the component model, which the host's engine does not run: it has to refuse the file
//! and say why.

#![cfg(target_family = "wasm")]

use exports::demo::async_greeter::async_greeter::Guest;

wit_bindgen::generate!({
    inline: "
        package async-guest:plugin;

        world plugin {
            export demo:async-greeter/async-greeter@1.0.0;
        }
    ",
    path: "../wit/demo-async-greeter",
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Greeter;

impl Guest for Greeter {
    async fn greet(name: String) -> String {
        format!("greetings, {name}")
    }
}

export!(Greeter);
