//! The reference page of all commands, made from what their own help is made of.

use clap::{Arg, Command};

use super::output;

/// Print the page of the documentation that lists every command.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  tenon help-page > docs/cli.md")]
pub(super) struct HelpPage;

impl HelpPage {
    pub(super) fn run(self) -> anyhow::Result<()> {
        output::print(page(super::command()).trim_end())
    }
}

const HEAD: &str = "\
<!-- Written by `tenon help-page` from the commands' own help; `cargo just generate` writes it again. -->

# The command line

`tenon COMMAND --help` says the same as this page. How commands find the host, and what they need to ask it, is told in
[operators](operators/README.md#commands-and-the-hosts-own-socket).

## What all commands have in common

They end with 0 when what was asked for is done, with 1 when it failed or was refused, with 2 when the command line
itself is wrong, and with 3 when it is decided and has not come to every tenant that it is for: `rollout` and `rollback`
say whom they did not move, and why. What went wrong stands on standard error, in one message that begins with `tenon:`.
Standard output has the answer alone. If it is closed before the end, as by `head`, that is no error. Work that takes
longer than a second is told on standard error while it lasts, if that is a terminal. No command but `serve` uses
colours, other than `--help`; the variable `NO_COLOR` turns them off.

Commands that ask a running host take these options besides their own:

";

/// The options of [`super::client::Connection`] and [`super::output::Output`].
const COMMON: [&str; 5] = ["url", "key", "data", "tenant", "json"];

fn page(mut command: Command) -> String {
    command.build();
    let mut page = HEAD.to_owned();
    let common: Vec<&Arg> = match command.find_subcommand("audit") {
        Some(model) => model.get_arguments().filter(|arg| COMMON.contains(&arg.get_id().as_str())).collect(),
        None => Vec::new(),
    };
    page.push_str(&table(&common));
    for command in visible(&command) {
        describe(&mut page, command, "##");
    }
    page
}

/// The commands below this one that people are to know of.
pub(super) fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

/// As `tenon plugin pin`.
pub(super) fn full_name(command: &Command) -> String {
    command.get_bin_name().unwrap_or(command.get_name()).to_owned()
}

fn describe(page: &mut String, command: &Command, heading: &str) {
    page.push_str(&format!("\n{heading} {}\n\n", full_name(command)));
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        page.push_str(&format!("{}\n\n", about.to_string().trim_end()));
    }
    let usage = command.clone().render_usage().to_string();
    page.push_str(&format!("```text\n{}\n```\n", usage.trim().trim_start_matches("Usage: ")));
    let asks = command.get_arguments().any(|arg| arg.get_id() == "tenant")
        && command.get_arguments().any(|arg| arg.get_id() == "key");
    let is_own = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        !arg.is_hide_set() && id != "help" && !(asks && COMMON.contains(&id))
    };
    let own: Vec<&Arg> = command.get_arguments().filter(is_own).collect();
    if !own.is_empty() {
        page.push_str(&format!("\n{}", table(&own)));
    }
    if asks {
        page.push_str("\nIt asks a running host and takes the [common options](#what-all-commands-have-in-common).\n");
    }
    if let Some(examples) = command.get_after_help() {
        page.push_str(&format!("\n```text\n{}\n```\n", examples.to_string().trim_end()));
    }
    for below in visible(command) {
        describe(page, below, "###");
    }
}

fn table(args: &[&Arg]) -> String {
    let rows = args.iter().map(|arg| format!("| `{}` | {} |\n", cell(&name(arg)), cell(&meaning(arg))));
    format!("| argument | meaning |\n|---|---|\n{}", rows.collect::<String>())
}

fn name(arg: &Arg) -> String {
    let mut shown = arg.to_string();
    if let (Some(short), Some(_)) = (arg.get_short(), arg.get_long()) {
        shown = format!("-{short}, {shown}");
    }
    shown
}

fn meaning(arg: &Arg) -> String {
    let mut told = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let values = arg.get_possible_values();
    // A flag's values are not typed.
    if arg.get_action().takes_values() {
        let names: Vec<_> = values.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name()).collect();
        if !names.is_empty() && !names.contains(&"true") {
            told.push_str(&format!(" [one of: {}]", names.join(", ")));
        }
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !defaults.is_empty() {
            told.push_str(&format!(" [default: {}]", defaults.join(", ")));
        }
    }
    if let Some(variable) = arg.get_env() {
        told.push_str(&format!(" [variable: {}]", variable.to_string_lossy()));
    }
    told
}

/// Text in a table stays in its cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
