//! `tenon schedules` and `tenon schedule`.

use anyhow::bail;
use reqwest::Method;
use serde_json::Value;

use super::address::{Paging, segment, with_query};
use super::client::Connection;
use super::output::Output;

/// Show what plugins do by the clock for a tenant, and what came of it last.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  tenon schedules --tenant acme\n  tenon schedules --tenant acme --json")]
pub(super) struct Schedules {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

/// Run a plugin's schedule now, or see what came of it.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon schedule run billing nightly-report --tenant acme\n  \
    tenon schedule runs billing nightly-report --tenant acme")]
pub(super) struct Schedule {
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(clap::Subcommand)]
enum ScheduleCommand {
    /// Run it now, whatever time it is. The ticks of the clock stay as they are.
    ///
    /// A run that takes longer than a request may goes on by itself; `tenon schedule runs` shows how it ends.
    Run {
        /// The plugin's id, as `billing`
        plugin: String,
        /// The schedule's name in the manifest, as `nightly-report`
        schedule: String,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        output: Output,
    },
    /// Show its runs, the newest first
    Runs {
        /// The plugin's id, as `billing`
        plugin: String,
        /// The schedule's name in the manifest, as `nightly-report`
        schedule: String,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        output: Output,
    },
}

impl Schedules {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let answer = super::block_on(self.connection.ask(Method::GET, "/api/v1/schedules", None, &[]))?;
        let columns = [
            ("PLUGIN", "plugin"),
            ("SCHEDULE", "name"),
            ("CRON", "cron"),
            ("TIME ZONE", "timeZone"),
            ("NEXT", "nextTick"),
            ("LAST", "lastRun.tick"),
            ("OUTCOME", "lastRun.outcome"),
        ];
        self.output.list(&answer.body.data, &columns, "no plugin of this tenant has a schedule")
    }
}

impl Schedule {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            ScheduleCommand::Run { plugin, schedule, connection, output } => {
                let path = path(&plugin, &schedule, "run");
                let run = super::block_on(connection.ask(Method::POST, &path, None, &[]))?.body.data;
                let told = told(&plugin, &schedule, &run);
                match run["outcome"].as_str() {
                    Some("done" | "running") => output.told(&run, &told),
                    _ => bail!("{told}"),
                }
            }
            ScheduleCommand::Runs { plugin, schedule, paging, connection, output } => {
                let path = with_query(&path(&plugin, &schedule, "runs"), paging.values());
                let answer = super::block_on(connection.ask(Method::GET, &path, None, &[]))?.body;
                let columns = [
                    ("TICK", "tick"),
                    ("OUTCOME", "outcome"),
                    ("PASSED", "passed"),
                    ("ATTEMPTS", "attempts"),
                    ("VERSION", "version"),
                    ("BEGUN", "begunAt"),
                    ("ENDED", "endedAt"),
                    ("ASKED BY", "askedBy"),
                    ("ERROR", "error"),
                ];
                output.list(&answer.data, &columns, "it has not run lately")?;
                output.more(answer.next_cursor.as_deref(), "--cursor")
            }
        }
    }
}

fn path(plugin: &str, schedule: &str, what: &str) -> String {
    format!("/api/v1/schedules/{}/{}/{what}", segment(plugin), segment(schedule))
}

fn told(plugin: &str, schedule: &str, run: &Value) -> String {
    let text = |key: &str| run[key].as_str().unwrap_or_default();
    match text("outcome") {
        "done" => format!("{schedule} of {plugin} was run"),
        "running" => {
            format!("{schedule} of {plugin} goes on; `tenon schedule runs {plugin} {schedule}` shows how it ends")
        }
        outcome => format!("{schedule} of {plugin} was run and is {outcome}: {}", text("error")),
    }
}
