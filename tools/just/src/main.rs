//! `cargo just RECIPE`: the command runner of the justfile, pinned, for people who have not installed it.

fn main() {
    if let Err(code) = just::run(std::env::args_os()) {
        std::process::exit(code);
    }
}
