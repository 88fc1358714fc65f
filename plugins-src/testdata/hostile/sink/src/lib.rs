//! The other end of an attack with values: a provider, and an endpoint, that takes and gives whatever it is asked to.

#![cfg(target_family = "wasm")]

use std::arch::wasm32;

use exports::hostile::sink::sink::{Error, Guest, Named};
use wasip2::clocks::monotonic_clock;

wit_bindgen::generate!({
    inline: "
        package hostile:sink-plugin;

        world plugin {
            export hostile:sink/sink@1.0.0;
        }
    ",
    path: ["../../../../wit/wasi-io", "../../wit/hostile-sink"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

const PAGE: usize = 64 << 10;

struct Sink;

impl Guest for Sink {
    fn take_text(text: String) -> Result<u64, Error> {
        Ok(text.len() as u64)
    }

    fn take_bytes(bytes: Vec<u8>) -> Result<u64, Error> {
        Ok(bytes.len() as u64)
    }

    fn take_numbers(numbers: Vec<u32>) -> Result<u64, Error> {
        Ok(numbers.len() as u64)
    }

    fn take_nested(nested: Vec<Vec<Option<Named>>>) -> Result<u64, Error> {
        Ok(nested.len() as u64)
    }

    fn give_untouched_text(bytes: u64) -> Result<String, Error> {
        let (start, length) = untouched(bytes as usize);
        // The allocator knows nothing of it: only the host's refusal keeps it from being given back.
        Ok(unsafe { String::from_raw_parts(start, length, length) })
    }

    fn give_text(bytes: u64) -> Result<String, Error> {
        Ok("\0".repeat(bytes as usize))
    }

    fn give_bytes(count: u64) -> Result<Vec<u8>, Error> {
        let (start, length) = untouched(count as usize);
        Ok(unsafe { Vec::from_raw_parts(start, length, length) })
    }

    fn give_numbers(count: u64) -> Result<Vec<u32>, Error> {
        let (start, _) = untouched(count as usize * 4);
        Ok(unsafe { Vec::from_raw_parts(start.cast(), count as usize, count as usize) })
    }

    fn give_named(count: u64) -> Result<Vec<Named>, Error> {
        let (start, length) = untouched(count as usize);
        Ok(unsafe { Vec::from_raw_parts(start.cast(), length, length) })
    }

    fn give_error(bytes: u64) -> Result<(), Error> {
        Err(Error::Denied("x".repeat(bytes as usize)))
    }

    fn keep_text(text: String, milliseconds: u64) -> Result<u64, Error> {
        monotonic_clock::subscribe_duration(milliseconds * 1_000_000).block();
        Ok(text.len() as u64)
    }

    fn call_host(times: u64) -> Result<u64, Error> {
        for _ in 0..times {
            std::hint::black_box(monotonic_clock::now());
        }
        Ok(times)
    }

    fn hold_pollables(count: u64) -> Result<u64, Error> {
        let held: Vec<_> = (0..count).map(monotonic_clock::subscribe_duration).collect();
        Ok(held.len() as u64)
    }
}

/// Fresh memory that nobody has written to, so that it is there without having cost anything.
fn untouched(bytes: usize) -> (*mut u8, usize) {
    let page = wasm32::memory_grow(0, bytes.div_ceil(PAGE));
    assert!(page != usize::MAX, "there is no more memory");
    ((page * PAGE) as *mut u8, bytes)
}

export!(Sink);
