//! `tenon audit`.

use reqwest::Method;

use super::address::{Paging, with_query};
use super::client::Connection;
use super::output::Output;

/// Show who changed what, the newest first.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon audit --tenant acme --operation keys.\n  \
    tenon audit --target 'crm 1.1.0' --json                 also what was changed, or why not\n  \
    tenon audit --correlation 0199a4c2-5f0e-7d1b-9c3e-2b1f6a7d8e90\n  \
    tenon audit --outcome denied --since 2026-11-01T00:00:00Z --json")]
pub(super) struct Audit {
    /// Only what this one did, as `local` or `key:…`
    #[arg(long)]
    actor: Option<String>,
    /// Only this operation, or all of a kind, as `keys.`
    #[arg(long)]
    operation: Option<String>,
    /// Only what was done to this, as `crm 1.1.0`
    #[arg(long)]
    target: Option<String>,
    /// Only what was done with this request; its answer and the log name the id
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// Only with this outcome: `done`, or the code of an error
    #[arg(long)]
    outcome: Option<String>,
    /// Only from this time on, as `2026-11-01T00:00:00Z`
    #[arg(long)]
    since: Option<String>,
    /// Only before this time
    #[arg(long)]
    until: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Audit {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let filters = [
            ("actor", self.actor),
            ("operation", self.operation),
            ("target", self.target),
            ("correlationId", self.correlation),
            ("outcome", self.outcome),
            ("since", self.since),
            ("until", self.until),
        ];
        let is_filtered = self.paging.goes_on() || filters.iter().any(|(_, value)| value.is_some());
        let path = with_query("/api/v1/audit", filters.into_iter().chain(self.paging.values()));
        let answer = super::block_on(self.connection.ask(Method::GET, &path, None, &[]))?;
        let columns = [
            ("TIME", "at"),
            ("WHO", "actor"),
            ("TENANT", "tenant"),
            ("OPERATION", "operation"),
            ("TARGET", "target"),
            ("OUTCOME", "outcome"),
            ("CORRELATION", "correlationId"),
        ];
        let none = if is_filtered { "there is no such entry" } else { "nothing was changed yet" };
        self.output.list(&answer.body.data, &columns, none)?;
        self.output.more(answer.body.next_cursor.as_deref(), "--cursor")
    }
}
