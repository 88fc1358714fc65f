//! Spreads: each call makes as many deferred calls as it is told, and each of those comes back here. No single call
//! computes for longer than a moment; together they would never end.

#![cfg(target_family = "wasm")]

use exports::hostile::fan::fan::{Error, Guest};
use hostile::fan_back::fan_back_deferred::{KeepCall, SpreadCall};

wit_bindgen::generate!({
    inline: "
        package fan:plugin;

        world plugin {
            import hostile:fan-back/fan-back@1.0.0;
            import hostile:fan-back/fan-back-deferred@1.0.0;
            export hostile:fan/fan@1.0.0;
        }
    ",
    path: ["../../../../wit/wasi-io", "../../wit/hostile-fan", "../../wit/hostile-fan-back"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Fan;

impl Guest for Fan {
    fn spread(width: u32) -> Result<u64, Error> {
        let calls: Vec<SpreadCall> = (0..width).map(|_| SpreadCall::start(width)).collect();
        Ok(calls.iter().filter_map(|call| call.get().ok()).sum())
    }

    fn keep(calls: u32, mebibytes: u32) -> Result<u32, Error> {
        let calls: Vec<KeepCall> = (0..calls).map(|_| KeepCall::start(mebibytes)).collect();
        Ok(calls.iter().filter(|call| call.get().is_ok()).count() as u32)
    }
}

export!(Fan);
