//! Writes to the log in every way a plugin has: by printing, and by having calls fail.

#![cfg(target_family = "wasm")]

use demo::probe::probe;
use exports::hostile::console::console::{Error, Guest};
use wasip2::cli::{stderr, stdout};

wit_bindgen::generate!({
    inline: "
        package hostile:console@1.0.0;

        interface console {
            variant error {
                denied(string),
                unavailable(string),
            }

            /// Prints that many bytes in one line, and says how many were taken.
            flood: func(bytes: u64) -> result<u64, error>;
            /// Prints that many short lines.
            lines: func(count: u64) -> result<u64, error>;
            /// Prints these bytes as they are, half of them to each stream.
            print: func(bytes: list<u8>) -> result<_, error>;
            /// Has that many calls of another plugin fail.
            fail: func(times: u64) -> result<u64, error>;
        }

        world plugin {
            import demo:probe/probe@1.0.0;
            export console;
        }
    ",
    path: ["../../../../wit/wasi-io", "../../wit/demo-probe"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

/// The most that a stream takes at once.
const CHUNK: usize = 4096;

struct Console;

impl Guest for Console {
    fn flood(bytes: u64) -> Result<u64, Error> {
        let (stream, chunk) = (stdout::get_stdout(), [b'x'; CHUNK]);
        let mut taken = 0;
        while taken < bytes && stream.blocking_write_and_flush(&chunk).is_ok() {
            taken += CHUNK as u64;
        }
        Ok(taken)
    }

    fn lines(count: u64) -> Result<u64, Error> {
        let stream = stdout::get_stdout();
        let some = b"y\n".repeat(CHUNK / 2);
        for _ in 0..count.div_ceil(CHUNK as u64 / 2) {
            stream.blocking_write_and_flush(&some).map_err(|error| Error::Denied(error.to_string()))?;
        }
        Ok(count)
    }

    fn print(bytes: Vec<u8>) -> Result<(), Error> {
        let (one, other) = bytes.split_at(bytes.len() / 2);
        let (out, err) = (stdout::get_stdout(), stderr::get_stderr());
        for (stream, bytes) in [(out, one), (err, other)] {
            for chunk in bytes.chunks(CHUNK) {
                stream.blocking_write_and_flush(chunk).map_err(|error| Error::Denied(error.to_string()))?;
            }
        }
        Ok(())
    }

    fn fail(times: u64) -> Result<u64, Error> {
        Ok((0..times).filter(|_| probe::trap().is_err()).count() as u64)
    }
}

export!(Console);
