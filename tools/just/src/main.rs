//! `cargo just RECIPE`: the command runner of the justfile, pinned, for people who have not installed it.

use std::process::ExitCode;

fn main() -> ExitCode {
    match just::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
    }
}
