//! `tenon logs`.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::address::{segment, switch, with_query};
use super::client::{Connection, NoAnswer};
use crate::log::{json_line, visible};

/// How long to wait until a host that has gone is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// How many lines a host gives at once.
const LINES_MAX: u32 = 1_000;

/// Show what a plugin has printed and logged last, and follow what it says.
///
/// The running host keeps the last lines of each plugin and tenant in memory, so they are gone when it has been
/// restarted. Everything is in the host's own log as well.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon logs crm\n  \
    tenon logs crm --tenant acme -f\n  \
    tenon logs crm --level warn --lines 500 --json")]
pub(super) struct Logs {
    /// The plugin's id
    plugin: String,
    /// Go on with what comes, until it is interrupted
    #[arg(short, long)]
    follow: bool,
    /// Only lines that matter so much or more: trace, debug, info, warn, error or critical
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// How many of the last lines, up to 1000
    #[arg(long, value_name = "N", default_value_t = 100)]
    lines: u32,
    /// Print each line as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Deserialize)]
struct Log {
    lines: Vec<Value>,
    cursor: u64,
    skipped: bool,
}

impl Logs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match super::block_on(self.show()) {
            // Who listens no longer, as `head`, has had enough.
            Err(error) if is_closed(&error) => Ok(()),
            shown => shown,
        }
    }

    async fn show(&self) -> anyhow::Result<()> {
        let mut log: Log = self.connection.get(&self.path(None)).await?;
        loop {
            if log.skipped {
                writeln!(io::stderr(), "tenon: lines were lost here: they came faster than they were read")?;
            }
            self.print(&log.lines).context("cannot print")?;
            if !self.follow {
                return Ok(());
            }
            log = self.next(log.cursor).await?;
        }
    }

    /// What comes after this line. A host that has gone is waited for.
    async fn next(&self, after: u64) -> anyhow::Result<Log> {
        let mut has_told = false;
        loop {
            match self.connection.get_quietly(&self.path(Some(after))).await {
                Err(error) if error.is::<NoAnswer>() => {
                    if !has_told {
                        writeln!(io::stderr(), "tenon: the host does not answer; trying again until it does")?;
                    }
                    has_told = true;
                    tokio::time::sleep(AGAIN).await;
                }
                answer => return answer,
            }
        }
    }

    fn path(&self, after: Option<u64>) -> String {
        // Of what comes as many as there may be, so that one who was slow catches up.
        let lines = if after.is_some() { LINES_MAX } else { self.lines };
        let values = [
            ("level", self.level.clone()),
            ("lines", Some(lines.to_string())),
            ("after", after.map(|after| after.to_string())),
            ("wait", switch(after.is_some())),
        ];
        with_query(&format!("/api/v1/plugins/{}/logs", segment(&self.plugin)), values)
    }

    fn print(&self, lines: &[Value]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for line in lines {
            match self.json {
                true => writeln!(out, "{}", json_line(line))?,
                false => writeln!(out, "{}", told(line))?,
            }
        }
        out.flush()
    }
}

/// A line for people. Whatever a plugin wrote, it is one line and moves no cursor.
fn told(line: &Value) -> String {
    let text = |name: &str| line[name].as_str().unwrap_or_default();
    let (level, source) = (text("level").to_uppercase(), text("source"));
    let tenant = if text("tenant").is_empty() { "-" } else { text("tenant") };
    let context = line["context"].as_str().map(|context| format!("[{context}] ")).unwrap_or_default();
    let (at, version, correlation, said) = (text("at"), text("version"), text("correlationId"), text("text"));
    visible(&format!("{at} {level:<8} {source:<6} {tenant} {version} {correlation} {context}{said}"))
}

pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_is_one_line_whatever_a_plugin_wrote() {
        let line = json!({
            "at": "2026-11-21T12:00:00Z", "plugin": "crm", "version": "1.0.0", "tenant": "acme", "source": "log",
            "level": "warn", "context": "imp\u{1b}[2Jort", "text": "a\nb\u{202e}c", "correlationId": "id-1",
        });
        let expected = "2026-11-21T12:00:00Z WARN     log    acme 1.0.0 id-1 [imp\\u{1b}[2Jort] a\\nb\\u{202e}c";
        assert_eq!(told(&line), expected);
    }
}
