#![no_main]
//! The SQL checker: what it lets pass, SQLite reads as one statement that does no more than the checker says it does,
//! on the plugin's own tables (`capability/sql/soundness.rs` asks SQLite itself).
//!
//! The text is checked as it is. When it begins with a backquote, each byte behind that is one word of [`WORDS`]: so most
//! inputs come further than the first syntax error.

use libfuzzer_sys::fuzz_target;
use tenon::capability::sql::{Purpose, check, soundness};
use tenon_fuzz::words::WORDS;

/// How long a refusal may be, whatever it refuses.
const ERROR_BYTES_MAX: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    let sql = match bytes.split_first() {
        Some((b'`', words)) => {
            words.iter().map(|byte| WORDS[usize::from(*byte) % WORDS.len()]).collect::<Vec<_>>().join(" ")
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    if let Err(why) = soundness(&sql) {
        panic!("{why}");
    }
    match check(&sql, Purpose::Plugin) {
        Ok(checked) => {
            assert!(checked.sql().len() <= 1024 + 64 * sql.len(), "{} bytes of {}", checked.sql().len(), sql.len());
        }
        Err(error) => {
            let length = error.to_string().len();
            assert!((1..=ERROR_BYTES_MAX).contains(&length), "{length} bytes of error: {error}");
        }
    }
});
