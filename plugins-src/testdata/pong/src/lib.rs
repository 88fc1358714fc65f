//! The other end of the chain of calls that `ping` begins.

#![cfg(target_family = "wasm")]

use demo::ping::ping;
use exports::demo::pong::pong::{Error, Guest};

wit_bindgen::generate!({
    inline: "
        package pong:plugin;

        world plugin {
            import demo:ping/ping@1.0.0;
            export demo:pong/pong@1.0.0;
        }
    ",
    path: ["../wit/demo-pong", "../wit/demo-ping"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Pong;

impl Guest for Pong {
    fn pong(n: u32) -> Result<u32, Error> {
        let Some(left) = n.checked_sub(1) else { return Ok(0) };
        match ping::ping(left) {
            Ok(calls) => Ok(calls + 1),
            Err(ping::Error::Denied(why)) => Err(Error::Denied(why)),
            Err(ping::Error::Unavailable(why)) => Err(Error::Unavailable(why)),
        }
    }
}

export!(Pong);
