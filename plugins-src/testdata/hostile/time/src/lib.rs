//! Takes all the time it can get. Every function goes on for as long as the host lets it; those that end do so because
//! the probe, through which they take time, was stopped, and say what they were told.

#![cfg(target_family = "wasm")]

use demo::probe::probe;
use demo::probe::probe_deferred::{SleepCall, SpinCall};
use exports::hostile::time::time::{Error, Guest};
use wasi::io::poll::poll;
use wasip2::clocks::monotonic_clock;

wit_bindgen::generate!({
    inline: "
        package hostile:time@1.0.0;

        interface time {
            variant error {
                denied(string),
                unavailable(string),
            }

            spin: func() -> result<_, error>;
            spin-between-calls: func() -> result<_, error>;
            spin-through: func() -> result<_, error>;
            spin-through-and-on: func() -> result<_, error>;
            call-without-end: func() -> result<_, error>;
            wait: func() -> result<_, error>;
            wait-again-and-again: func() -> result<_, error>;
            wait-through: func() -> result<_, error>;
            wait-through-and-on: func() -> result<_, error>;
            wait-deferred: func() -> result<_, error>;
        }

        world plugin {
            import demo:probe/probe@1.0.0;
            import demo:probe/probe-deferred@1.0.0;
            export time;
        }
    ",
    path: ["../../../../wit/wasi-io", "../../wit/demo-probe"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

/// Longer than any test waits.
const FOR_EVER_MS: u64 = 24 * 60 * 60 * 1000;

struct Time;

impl Guest for Time {
    fn spin() -> Result<(), Error> {
        spin()
    }

    fn spin_between_calls() -> Result<(), Error> {
        loop {
            std::hint::black_box(monotonic_clock::now());
            std::hint::black_box(tenon_plugin::context::remaining());
            // So long that time runs out before the host calls do.
            for step in 0..100_000 {
                std::hint::black_box(step);
            }
        }
    }

    fn spin_through() -> Result<(), Error> {
        Ok(probe::spin()?)
    }

    fn spin_through_and_on() -> Result<(), Error> {
        let _ = probe::spin();
        spin()
    }

    fn call_without_end() -> Result<(), Error> {
        loop {
            // None of them computes long enough to be asked for the time it takes.
            let _ = probe::sleep(0);
        }
    }

    fn wait() -> Result<(), Error> {
        sleep(FOR_EVER_MS);
        Ok(())
    }

    fn wait_again_and_again() -> Result<(), Error> {
        loop {
            sleep(50);
        }
    }

    fn wait_through() -> Result<(), Error> {
        Ok(probe::sleep(FOR_EVER_MS)?)
    }

    fn wait_through_and_on() -> Result<(), Error> {
        let _ = probe::sleep(FOR_EVER_MS);
        sleep(FOR_EVER_MS);
        Ok(())
    }

    fn wait_deferred() -> Result<(), Error> {
        let (asleep, spinning) = (SleepCall::start(FOR_EVER_MS), SpinCall::start());
        spinning.get().expect_err("computing without end came to an end");
        let over = asleep.subscribe();
        poll(&[&over]);
        drop(over);
        Ok(asleep.get()?)
    }
}

fn spin() -> Result<(), Error> {
    loop {
        std::hint::spin_loop();
    }
}

fn sleep(milliseconds: u64) {
    monotonic_clock::subscribe_duration(milliseconds * 1_000_000).block();
}

impl From<probe::Error> for Error {
    fn from(error: probe::Error) -> Self {
        match error {
            probe::Error::Denied(why) => Self::Denied(why),
            probe::Error::Unavailable(why) => Self::Unavailable(why),
            probe::Error::Sql(_) | probe::Error::Http(_) => unreachable!("only waiting and computing is asked for"),
        }
    }
}

export!(Time);
