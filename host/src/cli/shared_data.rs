//! `tenon shared-data`.

use reqwest::Method;

use super::address::{Paging, segment, with_query};
use super::client::Connection;
use super::output::Output;

/// Show what a plugin shares with others for a tenant.
///
/// Namespaces, keys, sizes and until when, never the values.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  tenon shared-data crm --tenant acme")]
pub(super) struct SharedData {
    /// The plugin's id, as `crm`
    plugin: String,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl SharedData {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/plugins/{}/shared-data", segment(&self.plugin));
        let path = with_query(&path, self.paging.values());
        let answer = super::block_on(self.connection.ask(Method::GET, &path, None, &[]))?;
        let columns = [
            ("NAMESPACE", "namespace"),
            ("KEY", "key"),
            ("VERSION", "version"),
            ("BYTES", "bytes"),
            ("EXPIRES", "expiresAt"),
        ];
        self.output.list(&answer.body.data, &columns, "nothing is shared")?;
        self.output.more(answer.body.next_cursor.as_deref(), "--cursor")
    }
}
