//! `tenon completions`, and what the shell's scripts ask.
//!
//! The scripts know nothing: at each press of the key they start this program with [`VARIABLE`], which reads its own
//! commands and asks the running host for what only that one knows. A host that does not answer in [`PATIENCE`] adds
//! nothing, and nobody is told: completing is no place for errors.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use clap::{Arg, Args, Command, FromArgMatches};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Zsh};
use serde_json::Value;

use super::client::Connection;
use super::output;

/// Set by the scripts; its value is the shell.
const VARIABLE: &str = "TENON_COMPLETE";

const PATIENCE: Duration = Duration::from_secs(1);

/// Print the script with which a shell completes this command.
///
/// It completes commands, options and their values, and asks the running host for the plugins, versions and tenants
/// that it has. It is found as other commands find it, by --url, TENON_URL, --data and TENON_DATA.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon completions bash\n  \
    source <(tenon completions bash)             in this shell alone\n\n\
    In every new shell, by one line in the shell's own file, and a new shell:\n  \
    echo 'source <(tenon completions bash)' >> ~/.bashrc\n  \
    exec bash\n\n  \
    echo 'source <(tenon completions zsh)' >> ~/.zshrc                    below the line with compinit\n  \
    exec zsh\n\n  \
    echo 'tenon completions fish | source' >> ~/.config/fish/config.fish\n  \
    exec fish\n\n\
    The script goes with this version of tenon. Made anew for each shell, as here, it always fits.")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let shell: &dyn EnvCompleter = match self.shell {
            Shell::Bash => &Bash,
            Shell::Zsh => &Zsh,
            Shell::Fish => &Fish,
        };
        let mut script = Vec::new();
        shell.write_registration(VARIABLE, "tenon", "tenon", "tenon", &mut script)?;
        output::print(String::from_utf8(script)?.trim())
    }
}

/// Answers a shell's script, where one has started the process. True when that was all.
///
/// # Errors
///
/// When the shell is not known, or standard output takes nothing.
pub(super) fn answered(command: fn() -> Command) -> clap::error::Result<bool> {
    let current = std::env::current_dir().ok();
    let completing = CompleteEnv::with_factory(|| with_values(command())).var(VARIABLE);
    completing.try_complete(std::env::args_os(), current.as_deref())
}

/// Lets every argument that names a plugin, a version or a tenant be completed from the host.
fn with_values(command: Command) -> Command {
    command.mut_args(with_value).mut_subcommands(with_values)
}

fn with_value(arg: Arg) -> Arg {
    if !arg.get_action().takes_values() {
        return arg;
    }
    match arg.get_id().as_str() {
        "plugin" => arg.add(ArgValueCandidates::new(plugins)),
        "version" | "versions" => arg.add(ArgValueCandidates::new(versions)),
        "tenant" | "tenants" => arg.add(ArgValueCandidates::new(tenants)),
        _ => arg,
    }
}

fn plugins() -> Vec<CompletionCandidate> {
    candidates(ask("/api/v1/plugins").iter().filter_map(|plugin| plugin["id"].as_str()))
}

/// Of the plugins that are named in the line, or else of all.
fn versions() -> Vec<CompletionCandidate> {
    let (known, words) = (ask("/api/v1/plugins"), words());
    let is_named = |plugin: &Value| words.iter().any(|word| word.to_str() == plugin["id"].as_str());
    let any = known.iter().any(is_named);
    candidates(known.iter().filter(|plugin| !any || is_named(plugin)).filter_map(|plugin| plugin["version"].as_str()))
}

fn tenants() -> Vec<CompletionCandidate> {
    candidates(ask("/api/v1/tenants?limit=200").iter().filter_map(|tenant| tenant["id"].as_str()))
}

fn candidates<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<CompletionCandidate> {
    texts.collect::<BTreeSet<_>>().into_iter().map(CompletionCandidate::new).collect()
}

/// A list of the host; an empty one where there is none to be had.
fn ask(path: &str) -> Vec<Value> {
    let Some(connection) = connection(&words()) else { return Vec::new() };
    let asked = async { tokio::time::timeout(PATIENCE, connection.get::<Vec<Value>>(path)).await? };
    super::block_on(asked).unwrap_or_default()
}

/// The line that is being completed.
fn words() -> Vec<OsString> {
    std::env::args_os().skip_while(|word| word != "--").skip(1).collect()
}

/// The host that the line means. Of an unfinished line only these options can be read.
fn connection(words: &[OsString]) -> Option<Connection> {
    let mut line = vec![OsString::from("tenon")];
    for (place, word) in words.iter().enumerate() {
        let Some(text) = word.to_str() else { continue };
        let option = ["--url", "--key", "--data"].into_iter().find(|option| text.starts_with(option));
        match option.and_then(|option| text.strip_prefix(option)) {
            Some("") => line.extend([word.clone(), words.get(place + 1)?.clone()]),
            Some(value) if value.starts_with('=') => line.push(word.clone()),
            _ => {}
        }
    }
    let matches = Connection::augment_args(Command::new("tenon")).try_get_matches_from(line).ok()?;
    Connection::from_arg_matches(&matches).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_one_that_the_unfinished_line_names() {
        let read = |line: &str| connection(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        let place = |line| read(line).map(|connection| connection.place());
        assert_eq!(place("tenon grant --url http://h:1 --all ").as_deref(), Some("http://h:1"));
        assert_eq!(place("tenon grant --url=http://h:2 --urls x --nonsense").as_deref(), Some("http://h:2"));
        assert!(read("tenon grant --url").is_none());
    }
}
