//! Examples stand once, with a group of commands; each command of the group shows its own.

use clap::Command;

/// Gives every command that has none of its own those examples of its group that begin with its name.
pub(super) fn handed_down(command: Command) -> Command {
    let name = command.get_name().to_owned();
    below(command, &name)
}

fn below(command: Command, name: &str) -> Command {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.mut_subcommands(|command| {
        let name = format!("{name} {}", command.get_name());
        let own: Vec<&str> = examples.lines().filter(|line| begins_with(line.trim_start(), &name)).collect();
        let command = match (command.get_after_help(), own.as_slice()) {
            (Some(_), _) | (None, []) => command,
            (None, [one]) => command.after_help(format!("Example:\n{one}")),
            (None, several) => command.after_help(format!("Examples:\n{}", several.join("\n"))),
        };
        below(command, &name)
    })
}

/// `tenon plugin pin` does not begin `tenon plugin pins`.
fn begins_with(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}
