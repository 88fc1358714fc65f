//! What holds for every command, whoever writes it.

use clap::{Arg, Command};

use super::command;
use super::reference::{full_name, visible};

/// Every command that people can run, built.
fn commands() -> Vec<Command> {
    fn collect(command: &Command, into: &mut Vec<Command>) {
        for below in visible(command) {
            match visible(below).next() {
                Some(_) => collect(below, into),
                None => into.push(below.clone()),
            }
        }
    }
    let mut root = command();
    root.build();
    let mut all = Vec::new();
    collect(&root, &mut all);
    all
}

fn has(command: &Command, id: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_id() == id)
}

#[track_caller]
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_parser_finds_no_contradiction() {
    command().debug_assert();
}

#[test]
fn every_command_says_what_it_does_and_shows_it() {
    let commands = commands();
    assert!(commands.len() >= 12, "{}", commands.len());
    let mut wrong = Vec::new();
    for command in &commands {
        let name = full_name(command);
        if command.get_about().is_none_or(|about| about.to_string().is_empty()) {
            wrong.push(format!("`{name}` has no sentence that says what it does: write a doc comment"));
        }
        let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        if !examples.starts_with("Example") || !examples.contains(&name) {
            wrong.push(format!(
                "`{name}` has no example: write one into `after_help` of it or of its group, a line beginning with `{name}`"
            ));
        }
    }
    none(wrong);
}

#[test]
fn every_argument_says_what_it_means() {
    let unclear = |arg: &&Arg| arg.get_help().is_none_or(|help| help.to_string().is_empty());
    let told = |command: &Command| {
        let args = command.get_arguments().filter(unclear);
        args.map(|arg| format!("`{}` does not say what {arg} means", full_name(command))).collect::<Vec<_>>()
    };
    none(commands().iter().flat_map(told).collect());
}

#[test]
fn every_command_that_asks_a_host_can_print_json() {
    let mute = |command: &&Command| has(command, "url") && !has(command, "json");
    none(commands().iter().filter(mute).map(|command| format!("`{}` has no --json", full_name(command))).collect());
}

#[test]
fn secrets_in_variables_are_not_shown_in_help() {
    let shown = |arg: &&Arg| arg.get_env().is_some_and(|name| name == "TENON_KEY") && !arg.is_hide_env_values_set();
    let commands = commands();
    none(commands.iter().filter(|command| command.get_arguments().any(|arg| shown(&arg))).map(full_name).collect());
}
