//! `tenon explain`.

use super::address::segment;
use super::client::Connection;
use super::output::{self, Output};
use crate::registry::Explanation;

/// Say who provides what a plugin imports, who was passed over, and why.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon explain analytics\n  \
    tenon explain analytics --tenant acme --url http://127.0.0.1:4100")]
pub(super) struct Explain {
    /// The plugin's id, as `analytics`.
    plugin: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/plugins/{}/links", segment(&self.plugin));
        let links: Explanation = super::block_on(self.connection.get(&path))?;
        if self.output.json {
            return output::print(&serde_json::to_string_pretty(&links)?);
        }
        let whose = match &links.tenant {
            Some(tenant) => format!("For tenant {tenant}:"),
            None => "Without a tenant, as one has it that has decided nothing (--tenant names one):".to_owned(),
        };
        output::print(&format!("{whose}\n\n{}", links.text.trim_end_matches('\n')))
    }
}
