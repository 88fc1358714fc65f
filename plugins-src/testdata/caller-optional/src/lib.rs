//! Asks a greeter, and has an answer of its own where there is none: an optional dependency that is missing is a value
//! like any other.

#![cfg(target_family = "wasm")]

use demo::greeter::greeter;
use exports::demo::caller::caller::{Error, Guest};

wit_bindgen::generate!({
    inline: "
        package caller:plugin;

        world plugin {
            import demo:greeter/greeter@1.0.0;
            export demo:caller/caller@1.0.0;
        }
    ",
    path: ["../wit/demo-greeter-1.0.0", "../wit/demo-caller"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Caller;

impl Guest for Caller {
    fn ask(name: String) -> Result<String, Error> {
        match greeter::greet(&name) {
            Ok(greeting) => Ok(greeting.text),
            Err(greeter::Error::Denied(why)) => Err(Error::Denied(why)),
            Err(greeter::Error::Unavailable(why)) => Ok(format!("nobody to ask: {why}")),
        }
    }
}

export!(Caller);
