//! Reads the file and turns what the TOML reader says into file, key, found, expected and fix.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::Value;

use super::Config;

/// Why the configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file named by `--config` or `TENON_CONFIG` cannot be read.
    #[error("cannot read the configuration {}; correct the path given with --config, or leave it out to run on the defaults", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}, line {line}: {problem}; correct the line: settings read `key = value`, texts stand in double quotes", file.display())]
    Syntax { file: PathBuf, line: usize, problem: String },
    /// A line of the file does not fit.
    #[error("{}, line {line}: {misfit}", file.display())]
    Misfit { file: PathBuf, line: usize, misfit: Box<Broken> },
    /// A setting breaks a rule, wherever it was set.
    #[error("{}: {broken}", place(file.as_deref()))]
    Broken { file: Option<PathBuf>, broken: Box<Broken> },
}

/// A setting that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// As `limits.memory_bytes`.
    pub key: String,
    pub found: String,
    pub expected: String,
    pub fix: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, found, expected, fix } = self;
        write!(f, "`{key}` is {found}, expected {expected}; {fix}")
    }
}

fn place(file: Option<&Path>) -> String {
    match file {
        Some(file) => format!("configuration from {}, variables and flags", file.display()),
        None => "configuration from variables and flags".to_owned(),
    }
}

/// Reads the text of `file`.
pub(super) fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
    let reader = toml::Deserializer::parse(text).map_err(|error| syntax(file, text, &error))?;
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let path = error.path().to_string();
        misfit(file, text, &path, error.inner())
    })
}

/// The most problems of one file that are told.
const PROBLEMS_MAX: usize = 50;

/// Reads the text of `file` with each line left out that does not fit, and says what that was.
pub(super) fn survey(file: &Path, text: &str) -> (Config, Vec<ConfigError>) {
    let (mut text, mut problems) = (text.to_owned(), Vec::new());
    while problems.len() < PROBLEMS_MAX {
        let error = match parse(file, &text) {
            Ok(config) => return (config, problems),
            Err(error) => error,
        };
        // What is left out may leave the rest of a value behind.
        let is_ours = matches!(error, ConfigError::Syntax { .. }) && !problems.is_empty();
        let line = match &error {
            ConfigError::Misfit { line, .. } => Some(*line),
            _ => None,
        };
        if !is_ours {
            problems.push(error);
        }
        let Some(without) = line.and_then(|line| without(&text, line)) else { break };
        text = without;
    }
    (Config::default(), problems)
}

/// The text with this line empty; a section with all its lines, if that is what begins there.
fn without(text: &str, line: usize) -> Option<String> {
    let is_section = |line: &str| line.trim_start().starts_with('[');
    let first = text.lines().nth(line.checked_sub(1)?).filter(|line| !line.trim().is_empty())?;
    let rest = text.lines().skip(line);
    let after = if is_section(first) { rest.take_while(|line| !is_section(line)).count() } else { 0 };
    let kept =
        text.lines().enumerate().map(|(at, kept)| if (line - 1..=line - 1 + after).contains(&at) { "" } else { kept });
    Some(kept.collect::<Vec<_>>().join("\n"))
}

fn syntax(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let problem = error.message().replace('\n', ", ");
    ConfigError::Syntax { file: file.to_owned(), line: line_of(text, error), problem }
}

/// The reader's message is `invalid type: string "x", expected u64`, ``unknown field `x`, expected one of
/// …`` or a type's own complaint; the value's text lies at the error's span.
fn misfit(file: &Path, text: &str, path: &str, error: &toml::de::Error) -> ConfigError {
    let message = error.message();
    let (what, expected) = match message.split_once(", expected ") {
        Some((what, expected)) => (what, expected.to_owned()),
        None => ("", message.to_owned()),
    };
    let misfit = match what.strip_prefix("unknown field ") {
        Some(name) => Broken {
            key: beside(path, name.trim_matches('`')),
            found: "not a setting".to_owned(),
            expected,
            fix: "correct its name or take it out; docs/configuration.md lists all settings".to_owned(),
        },
        None => Broken {
            key: path.to_owned(),
            found: error.span().and_then(|span| text.get(span)).unwrap_or(what).to_owned(),
            expected,
            fix: match default_of(path) {
                Some(default) => format!("write for instance `{} = {default}`, its default", last(path)),
                None => "correct it, or leave it out for the defaults".to_owned(),
            },
        },
    };
    ConfigError::Misfit { file: file.to_owned(), line: line_of(text, error), misfit: Box::new(misfit) }
}

fn line_of(text: &str, error: &toml::de::Error) -> usize {
    let start = error.span().map_or(0, |span| span.start);
    text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1
}

/// The key of this name in the section that `path` is, or is in.
fn beside(path: &str, name: &str) -> String {
    let is_section = |path: &&str| default_of(path).is_some_and(|value| value.is_table());
    let mut ancestors = std::iter::successors(Some(path), |path| path.rsplit_once('.').map(|(parent, _)| parent));
    match ancestors.find(is_section) {
        Some(section) => format!("{section}.{name}"),
        None => name.to_owned(),
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn default_of(path: &str) -> Option<Value> {
    let defaults = Value::try_from(Config::default()).ok()?;
    path.split('.').try_fold(defaults, |value, key| value.get(key).cloned())
}
