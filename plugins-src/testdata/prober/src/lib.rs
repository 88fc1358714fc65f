//! Calls the probe in every way a plugin can call another: plainly, several at once, and by calls it lets go of. What
//! happens to the probe is told as a value, so that a test sees whether a failure stays one.

#![cfg(target_family = "wasm")]

use demo::probe::probe;
use demo::probe::probe_deferred::SleepCall;
use demo::silent::silent;
use exports::demo::prober::prober::{Action, Error, Guest};
use wasi::io::poll::poll;

wit_bindgen::generate!({
    inline: "
        package prober:plugin;

        world plugin {
            import demo:probe/probe@1.0.0;
            import demo:probe/probe-deferred@1.0.0;
            import demo:silent/silent@1.0.0;
            export demo:prober/prober@1.0.0;
        }
    ",
    path: ["../../../wit/wasi-io", "../wit/demo-silent", "../wit/demo-probe", "../wit/demo-prober"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Prober;

impl Guest for Prober {
    fn through(action: Action, amount: u64) -> Result<String, Error> {
        let told = match action {
            Action::Trap => probe::trap().map(|()| "it did not trap".to_owned()),
            Action::Sleep => probe::sleep(amount).map(|()| format!("slept {amount} ms")),
            Action::Spin => probe::spin().map(|()| "it did not spin".to_owned()),
            Action::Big => {
                probe::big(amount.try_into().unwrap_or(u32::MAX)).map(|text| format!("{} bytes", text.len()))
            }
            Action::Context => probe::context().map(|seen| {
                let caller = seen.calling_plugin.as_deref().unwrap_or("-");
                let correlation = seen.correlation_id;
                format!("callingPlugin={caller} tenant={} depth={} correlation={correlation}", seen.tenant, seen.depth)
            }),
            Action::Silent => Ok(silent::fail().unwrap_or_else(|why| format!("failed: {why}"))),
        };
        Ok(told.unwrap_or_else(in_words))
    }

    fn overlap(milliseconds: u64, calls: u32) -> Result<u32, Error> {
        let calls: Vec<SleepCall> = (0..calls).map(|_| SleepCall::start(milliseconds)).collect();
        Ok(calls.iter().filter(|call| call.get().is_ok()).count() as u32)
    }

    fn abandon(milliseconds: u64) -> Result<(), Error> {
        drop(SleepCall::start(milliseconds));
        Ok(())
    }

    fn select(slow_ms: u64, fast_ms: u64) -> Result<String, Error> {
        let (slow, fast) = (SleepCall::start(slow_ms), SleepCall::start(fast_ms));
        // Pollables are children of their calls and are dropped before them, being declared after them.
        let (slow_over, fast_over) = (slow.subscribe(), fast.subscribe());
        let first = match poll(&[&slow_over, &fast_over]).as_slice() {
            [0] => "slow",
            [1] => "fast",
            _ => "both",
        };
        Ok(first.to_owned())
    }
}

fn in_words(error: probe::Error) -> String {
    match error {
        probe::Error::Denied(why) => format!("denied: {why}"),
        probe::Error::Unavailable(why) => format!("unavailable: {why}"),
        probe::Error::Sql(failure) => format!("sql: {}: {}", failure.kind, failure.message),
        probe::Error::Http(why) => format!("http: {why}"),
    }
}

export!(Prober);
