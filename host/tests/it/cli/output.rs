//! How commands end, and where they print.

use std::io;
use std::process::Stdio;

use crate::common::{Host, Scratch, output};

#[tokio::test]
async fn output_that_nobody_reads_is_no_error() {
    let host = Host::with_plugins(&["crm"]).await;
    for args in [
        &["schema"][..],
        &["help-page"],
        &["--help"],
        &["completions", "bash"],
        &["plugin", "list", "--url", host.address()],
        &["status", "--url", host.address()],
        &["doctor", "--url", host.address()],
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = host.scratch().tenon(args);
        let said = command.stdin(Stdio::null()).stdout(writer).output().unwrap();
        let told = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success() && told.is_empty(), "{args:?}: {}: {told}", said.status);
    }
}

#[tokio::test]
async fn a_command_line_that_says_too_little_ends_with_2() {
    let scratch = Scratch::with_plugins(&[]);
    for args in [&["revoke", "crm"][..], &["rollout", "crm", "1.0.0"], &["rollout", "crm"], &["completions", "tcsh"]] {
        let said = output(scratch.tenon(args)).await;
        assert_eq!(said.status, Some(2), "{said:#?}");
        assert!(said.failure().contains(if args[0] == "completions" { "bash" } else { "--" }), "{args:?}");
    }
}
