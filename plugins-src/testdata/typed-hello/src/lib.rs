//! The least a typed service can do, without storage: what is left when it is measured is the host.

#![cfg(target_family = "wasm")]

use exports::demo::hello::hello::{Error, Greeting, Guest};

wit_bindgen::generate!({
    inline: "
        package typed-hello:plugin;

        world plugin {
            export demo:hello/hello@1.0.0;
        }
    ",
    path: "../wit/demo-hello",
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Hello;

impl Guest for Hello {
    fn greet(name: String) -> Result<Greeting, Error> {
        let text = format!("Hello, {name}");
        Ok(Greeting { length: text.len() as u32, text })
    }
}

export!(Hello);
