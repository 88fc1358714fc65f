//! One end of a chain of calls that goes back and forth as often as it is told: how deep the host lets it, shows in the
//! error that comes back.

#![cfg(target_family = "wasm")]

use demo::pong::pong;
use exports::demo::ping::ping::{Error, Guest};

wit_bindgen::generate!({
    inline: "
        package ping:plugin;

        world plugin {
            import demo:pong/pong@1.0.0;
            export demo:ping/ping@1.0.0;
        }
    ",
    path: ["../wit/demo-ping", "../wit/demo-pong"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Ping;

impl Guest for Ping {
    fn ping(n: u32) -> Result<u32, Error> {
        let Some(left) = n.checked_sub(1) else { return Ok(0) };
        match pong::pong(left) {
            Ok(calls) => Ok(calls + 1),
            Err(pong::Error::Denied(why)) => Err(Error::Denied(why)),
            Err(pong::Error::Unavailable(why)) => Err(Error::Unavailable(why)),
        }
    }
}

export!(Ping);
