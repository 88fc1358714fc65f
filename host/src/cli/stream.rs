//! `tenon stream`.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::address::with_query;
use super::client::{Connection, NoAnswer};
use super::logs::is_closed;
use crate::log::{json_line, visible};
use crate::stream::sse::{Found, Parser};

/// Time until a host is asked again that has gone, if it did not say.
const AGAIN: Duration = Duration::from_secs(1);
/// What the host says where what was missed ends.
const LIVE: &str = "live";

/// Show notifications and events as they happen, until it is interrupted.
///
/// After a break it goes on where it was: nothing is left out and nothing comes twice, as long as the host keeps what was
/// missed. If it does not, that is told on standard error.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon stream --tenant acme\n  \
    tenon stream --topics 'deal.*@crm,contact.created' --json\n  \
    tenon stream --topics '' --from 120-7\n  \
    tenon stream --from 120-7 --missed --json")]
pub(super) struct Stream {
    /// Only events of these topics, as `deal.*` or `deal.won@crm`, separated by commas; an empty list is none at all
    #[arg(long, value_name = "TOPICS")]
    topics: Option<String>,
    /// Begin behind the message with this id, as --json prints it, instead of now
    #[arg(long, value_name = "ID")]
    from: Option<String>,
    /// End when what was missed has been printed
    #[arg(long)]
    missed: bool,
    /// Print each message as JSON: its id, its type and its data
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Stream {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match super::block_on(self.follow()) {
            // Who listens no longer, as `head`, has had enough.
            Err(error) if is_closed(&error) => Ok(()),
            followed => followed,
        }
    }

    async fn follow(&self) -> anyhow::Result<()> {
        let mut parser = Parser::default();
        let mut has_told = false;
        loop {
            let last = parser.last_id().map(str::to_owned).or_else(|| self.from.clone());
            let headers: Vec<(&str, &str)> = last.iter().map(|id| ("Last-Event-ID", id.as_str())).collect();
            match self.connection.open(&self.path(), &headers).await {
                Ok(mut answer) => {
                    has_told = false;
                    // However it ends, it is taken up again.
                    while let Ok(Some(piece)) = answer.chunk().await {
                        let is_live = self.print(&mut parser, &piece).context("cannot print")?;
                        if is_live && self.missed {
                            return Ok(());
                        }
                    }
                    parser.broken_off();
                }
                // At first a host that is not there is an error; later it is waited for.
                Err(error) if error.is::<NoAnswer>() && parser.last_id().is_some() => {
                    if !has_told {
                        writeln!(io::stderr(), "tenon: the host does not answer; trying again until it does")?;
                    }
                    has_told = true;
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(parser.retry_ms().map_or(AGAIN, Duration::from_millis)).await;
        }
    }

    fn path(&self) -> String {
        with_query("/api/v1/stream", [("topics", self.topics.clone())])
    }

    /// Prints the messages of a piece. True where what was missed ends in it.
    fn print(&self, parser: &mut Parser, piece: &[u8]) -> io::Result<bool> {
        let mut out = io::stdout().lock();
        let mut is_live = false;
        for found in parser.read(piece) {
            let Found::Message { id, event, data } = found else {
                is_live |= matches!(found, Found::Comment(comment) if comment == LIVE);
                continue;
            };
            let data: Value = crate::json::read(data.as_bytes()).unwrap_or(Value::String(data));
            if event == "reset" {
                let why = data["reason"].as_str().unwrap_or_default();
                writeln!(io::stderr(), "tenon: messages were lost here: {}", visible(why))?;
            } else if self.json {
                let line = serde_json::json!({ "id": id, "event": event, "data": data });
                writeln!(out, "{}", json_line(&line))?;
            } else {
                writeln!(out, "{}", told(&event, &data))?;
            }
        }
        out.flush()?;
        Ok(is_live)
    }
}

/// A message for people. Whatever a plugin wrote, it is one line and moves no cursor.
fn told(event: &str, data: &Value) -> String {
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let line = match event {
        "notification" => {
            let lines = [text("title"), text("body"), text("link")];
            let said: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
            let (time, plugin, kind, to) = (text("time"), text("plugin"), text("kind"), text("to"));
            format!("{time} notification {plugin} {kind} to {to}: {}", said.join(" | "))
        }
        _ => format!("{} {event} {} {} {}", text("time"), text("source"), text("subject"), data["data"]),
    };
    visible(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_is_one_line_whatever_a_plugin_wrote() {
        let notification = json!({
            "time": "2026-11-21T12:00:00Z", "plugin": "crm", "kind": "won", "to": "user:jo", "title": "a\u{202e}b",
            "body": "c\nd", "link": "/x",
        });
        let expected = "2026-11-21T12:00:00Z notification crm won to user:jo: a\\u{202e}b | c\\nd | /x";
        assert_eq!(told("notification", &notification), expected);
        let event = json!({
            "time": "2026-11-21T12:00:00Z", "source": "/plugins/crm", "subject": "deal-1", "data": {"a": "\u{1b}[2J"},
        });
        assert_eq!(
            told("deal.won", &event),
            "2026-11-21T12:00:00Z deal.won /plugins/crm deal-1 {\"a\":\"\\u001b[2J\"}"
        );
    }
}
