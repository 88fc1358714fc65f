use std::process::ExitCode;

fn main() -> ExitCode {
    tenon::cli::main()
}
