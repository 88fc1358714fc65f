//! What plugins say: a line of theirs in the host's log, and the same line kept for those who ask for it.
//!
//! Invariant: every line of a plugin's comes through [`TenantLog::say`] or [`TenantLog::keep`], so each carries plugin,
//! version, tenant and correlation id, counts against its tenant's rate, and has the plugin's text in a field.

use std::fmt;
use std::sync::Arc;

use semver::Version;

use super::{TenantLog, written_bytes};
use crate::id::{CorrelationId, PluginId, TenantId};

/// Whose line it is.
#[derive(Debug, Clone)]
pub struct Speaker {
    pub plugin: PluginId,
    pub version: Version,
    pub tenant: TenantId,
    pub correlation: CorrelationId,
}

/// How much a line matters, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl Level {
    pub const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical];

    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// How a line came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Stdout,
    Stderr,
    /// `wasi:logging`.
    Log(Level),
    /// The host, about the plugin.
    Host,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Log(_) => "log",
            Self::Host => "host",
        }
    }

    /// What is printed says no level of its own; what the host says of a plugin is that a call failed.
    pub fn level(self) -> Level {
        match self {
            Self::Stdout | Self::Stderr => Level::Info,
            Self::Log(level) => level,
            Self::Host => Level::Warn,
        }
    }
}

/// One line. Text and context are the plugin's.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub source: Source,
    pub context: Option<&'a str>,
    pub text: &'a str,
}

impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.plugin, self.version)
    }
}

/// An event of one level, as tracing wants it: known when the host is compiled. Its own target lets operators choose
/// how much of it they see.
macro_rules! event {
    ($level:ident, $speaker:ident, $line:ident) => {{
        let Speaker { tenant, correlation, .. } = $speaker;
        let Line { source, context, text } = $line;
        match source {
            Source::Log(Level::Critical) => tracing::event!(
                target: TARGET, tracing::Level::$level, plugin = %$speaker, %tenant, %correlation, level = "critical",
                context, text, "logged"
            ),
            Source::Log(_) => tracing::event!(
                target: TARGET, tracing::Level::$level, plugin = %$speaker, %tenant, %correlation, context, text,
                "logged"
            ),
            _ => tracing::event!(
                target: TARGET, tracing::Level::$level, plugin = %$speaker, %tenant, %correlation,
                stream = source.name(), text, "printed"
            ),
        }
    }};
}

/// For `log.filter`.
const TARGET: &str = "tenon::plugin";

impl TenantLog {
    /// Writes a line of a plugin's, as far as its tenant's rate goes.
    pub fn say(self: &Arc<Self>, speaker: &Speaker, line: Line<'_>) {
        let bytes = written_bytes(line.text) + line.context.map_or(0, written_bytes);
        if !self.admits(&speaker.tenant, bytes) {
            return;
        }
        match line.source.level() {
            Level::Trace => event!(TRACE, speaker, line),
            Level::Debug => event!(DEBUG, speaker, line),
            Level::Info => event!(INFO, speaker, line),
            Level::Warn => event!(WARN, speaker, line),
            Level::Error | Level::Critical => event!(ERROR, speaker, line),
        }
        self.keep(speaker, line);
    }

    /// Says how much of what a call printed was left out.
    pub fn say_dropped(self: &Arc<Self>, speaker: &Speaker, dropped_bytes: usize) {
        if !self.admits(&speaker.tenant, 0) {
            return;
        }
        let Speaker { tenant, correlation, .. } = speaker;
        tracing::info!(
            target: TARGET,
            plugin = %speaker,
            %tenant,
            %correlation,
            dropped_bytes,
            "printed more than limits.console_bytes or limits.console_lines allow"
        );
        let text = format!(
            "{dropped_bytes} bytes were left out: printed more than limits.console_bytes or limits.console_lines allow"
        );
        self.keep(speaker, Line { source: Source::Host, context: None, text: &text });
    }

    /// Keeps a line that was logged already.
    pub fn keep(&self, speaker: &Speaker, line: Line<'_>) {
        self.kept().push(speaker, line);
    }
}
