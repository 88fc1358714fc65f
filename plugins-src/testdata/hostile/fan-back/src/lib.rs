//! The way back to the fan: a plugin cannot call itself, so its tree of calls goes through this one.

#![cfg(target_family = "wasm")]

use exports::hostile::fan_back::fan_back::{Error, Guest};
use hostile::fan::fan;

wit_bindgen::generate!({
    inline: "
        package fan-back:plugin;

        world plugin {
            import hostile:fan/fan@1.0.0;
            export hostile:fan-back/fan-back@1.0.0;
        }
    ",
    path: ["../../../../wit/wasi-io", "../../wit/hostile-fan", "../../wit/hostile-fan-back"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct FanBack;

impl Guest for FanBack {
    fn spread(width: u32) -> Result<u64, Error> {
        match fan::spread(width) {
            Ok(calls) => Ok(calls + 1),
            Err(fan::Error::Denied(why)) => Err(Error::Denied(why)),
            Err(fan::Error::Unavailable(why)) => Err(Error::Unavailable(why)),
        }
    }

    fn keep(mebibytes: u32) -> Result<(), Error> {
        let memory = vec![1_u8; (mebibytes as usize) << 20];
        std::hint::black_box(&memory);
        wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX).block();
        Ok(())
    }
}

export!(FanBack);
