//! Programs that tests need and a machine may lack.

use std::io::Write;
use std::process::Command;

/// Whether it is there. Where tests decide what is released (`CI=true`) a missing one is a failure; elsewhere the test
/// says that it was passed over.
#[track_caller]
pub fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    let is_needed = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(found || !is_needed, "{program} is not installed, and CI=true: install it with apt");
    if !found {
        // Past the test runner, which keeps what a test prints that passes.
        _ = writeln!(std::io::stderr(), "passed over: {program} is not installed");
    }
    found
}
