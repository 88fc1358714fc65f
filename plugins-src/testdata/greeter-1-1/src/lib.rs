//! The greeter at version 1.1.0: compatible with 1.0.0, with one function more. Its greetings tell it from the older.

#![cfg(target_family = "wasm")]

use exports::demo::greeter::greeter::{Error, Greeting, Guest};

wit_bindgen::generate!({
    inline: "
        package greeter:plugin;

        world plugin {
            export demo:greeter/greeter@1.1.0;
        }
    ",
    path: "../wit/demo-greeter-1.1.0",
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Greeter;

impl Guest for Greeter {
    fn greet(name: String) -> Result<Greeting, Error> {
        Ok(Greeting { text: format!("1.1.0 greets {name}"), email: "greeter@example.com".to_owned() })
    }

    fn farewell(name: String) -> Result<String, Error> {
        Ok(format!("1.1.0 says goodbye to {name}"))
    }
}

export!(Greeter);
