//! What `--help` and a wrong command line say.

use crate::common::{Scratch, output};

#[tokio::test]
async fn the_help_of_every_command_has_examples_that_begin_with_the_command() {
    let scratch = Scratch::with_plugins(&[]);
    let overview = output(scratch.tenon(&["--help"])).await.success();
    let commands = overview.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for known in ["serve", "explain", "check", "sign", "trust", "deferred", "schema"] {
        assert!(commands.contains(&known), "{known} is missing: {commands:?}");
    }
    assert!(overview.contains("Example"), "{overview}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        for flag in ["--help", "-h"] {
            let help = output(scratch.tenon(&[command, flag])).await.success();
            let examples = help.split("Example").nth(1).unwrap_or_default();
            assert!(examples.contains(&format!("\n  tenon {command}")), "tenon {command} {flag}:\n{help}");
        }
    }
}

#[tokio::test]
async fn the_help_of_serve_names_the_variable_of_each_option() {
    let scratch = Scratch::with_plugins(&[]);
    let help = output(scratch.tenon(&["serve", "--help"])).await.success();
    for (option, variable) in [
        ("--dev", "TENON_DEV"),
        ("--listen", "TENON_LISTEN"),
        ("--plugins", "TENON_PLUGINS"),
        ("--data", "TENON_DATA"),
        ("--allow-downgrade", "TENON_ALLOW_DOWNGRADE"),
        ("--config", "TENON_CONFIG"),
    ] {
        assert!(help.contains(option) && help.contains(variable), "{option}, {variable}:\n{help}");
    }
}

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    let scratch = Scratch::with_plugins(&[]);
    let version = output(scratch.tenon(&["--version"])).await.success();
    assert_eq!(version, format!("tenon {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_command_or_option_that_does_not_exist_is_refused_and_named() {
    let scratch = Scratch::with_plugins(&[]);
    for args in [&["sevre"][..], &["serve", "--port=1"], &["serve", "--listen=here"], &["explain"], &["deferred"]] {
        let said = output(scratch.tenon(args)).await;
        assert_eq!(said.status, Some(2), "{said:#?}");
        let told = said.failure();
        let wrong = args.last().unwrap().split('=').next().unwrap();
        assert!(told.contains(wrong) && told.contains("--help"), "{args:?}: {told}");
    }
}

#[tokio::test]
async fn a_command_of_a_group_shows_the_examples_that_are_its_own() {
    let scratch = Scratch::with_plugins(&[]);
    let help = output(scratch.tenon(&["plugin", "pin", "--help"])).await.success();
    let examples = help.split("Example").nth(1).unwrap();
    assert!(examples.contains("tenon plugin pin crm") && !examples.contains("plugin unpin"), "{help}");
}
