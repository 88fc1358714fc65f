//! One half of a ring of required dependencies, which the host refuses: neither could be there first.

#![cfg(target_family = "wasm")]

use demo::ring_b::ring_b;
use exports::demo::ring_a::ring_a::{Error, Guest};

wit_bindgen::generate!({
    inline: "
        package ring-a:plugin;

        world plugin {
            import demo:ring-b/ring-b@1.0.0;
            export demo:ring-a/ring-a@1.0.0;
        }
    ",
    path: ["../wit/demo-ring-a", "../wit/demo-ring-b"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Half;

impl Guest for Half {
    fn turn(left: u32) -> Result<u32, Error> {
        let Some(next) = left.checked_sub(1) else { return Ok(0) };
        match ring_b::turn(next) {
            Ok(_) => Ok(next),
            Err(ring_b::Error::Denied(why)) => Err(Error::Denied(why)),
            Err(ring_b::Error::Unavailable(why)) => Err(Error::Unavailable(why)),
        }
    }
}

export!(Half);
