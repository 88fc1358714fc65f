//! The greeter at version 1.0.0: the older of two versions of one plugin, loaded side by side.

#![cfg(target_family = "wasm")]

use exports::demo::greeter::greeter::{Error, Greeting, Guest};

wit_bindgen::generate!({
    inline: "
        package greeter:plugin;

        world plugin {
            export demo:greeter/greeter@1.0.0;
        }
    ",
    path: "../wit/demo-greeter-1.0.0",
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Greeter;

impl Guest for Greeter {
    fn greet(name: String) -> Result<Greeting, Error> {
        Ok(Greeting { text: format!("1.0.0 greets {name}"), email: "greeter@example.com".to_owned() })
    }
}

export!(Greeter);
