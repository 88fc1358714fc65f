//! A greeter whose version says that it is compatible with the others, and whose types say that it is not: its email
//! may be missing. The host has to pass it over for what was built against theirs.

#![cfg(target_family = "wasm")]

use exports::demo::greeter::greeter::{Error, Greeting, Guest};

wit_bindgen::generate!({
    inline: "
        package greeter:plugin;

        world plugin {
            export demo:greeter/greeter@1.2.0;
        }
    ",
    path: "../wit/demo-greeter-1.2.0",
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Greeter;

impl Guest for Greeter {
    fn greet(name: String) -> Result<Greeting, Error> {
        Ok(Greeting { text: format!("1.2.0 greets {name}"), email: None })
    }

    fn farewell(name: String) -> Result<String, Error> {
        Ok(format!("1.2.0 says goodbye to {name}"))
    }
}

export!(Greeter);
