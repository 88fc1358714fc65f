//! The other half of the ring that `ring-a` describes.

#![cfg(target_family = "wasm")]

use demo::ring_a::ring_a;
use exports::demo::ring_b::ring_b::{Error, Guest};

wit_bindgen::generate!({
    inline: "
        package ring-b:plugin;

        world plugin {
            import demo:ring-a/ring-a@1.0.0;
            export demo:ring-b/ring-b@1.0.0;
        }
    ",
    path: ["../wit/demo-ring-b", "../wit/demo-ring-a"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Half;

impl Guest for Half {
    fn turn(left: u32) -> Result<u32, Error> {
        let Some(next) = left.checked_sub(1) else { return Ok(0) };
        match ring_a::turn(next) {
            Ok(_) => Ok(next),
            Err(ring_a::Error::Denied(why)) => Err(Error::Denied(why)),
            Err(ring_a::Error::Unavailable(why)) => Err(Error::Unavailable(why)),
        }
    }
}

export!(Half);
