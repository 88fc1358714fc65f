//! `tenon snapshot`.

use reqwest::Method;

use super::address::segment;
use super::client::{Answer, Connection};
use super::output::Output;

/// List, restore and delete snapshots of a tenant's data.
///
/// One is kept before migrations change the data. Restoring one loses what was written since, which is kept as one more.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon snapshot list crm --tenant acme\n  \
    tenon snapshot restore crm 20260131-235959-123 --tenant acme\n  \
    tenon snapshot delete crm 20260131-235959-123 --tenant acme")]
pub(super) struct Snapshot {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show the snapshots of a tenant's data, the newest first
    List(Of),
    /// Put one in the place of the data
    Restore(One),
    /// Remove one
    Delete(One),
}

#[derive(clap::Args)]
struct Of {
    /// The plugin's id, as `crm`
    plugin: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct One {
    /// The plugin's id, as `crm`
    plugin: String,
    /// The snapshot's id, as the list shows it
    id: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Snapshot {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::List(of) => super::block_on(of.list()),
            Command::Restore(one) => super::block_on(one.restore()),
            Command::Delete(one) => super::block_on(one.delete()),
        }
    }
}

impl Of {
    async fn list(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/plugins/{}/snapshots", segment(&self.plugin));
        let Answer { body, .. } = self.connection.ask(Method::GET, &path, None, &[]).await?;
        let columns =
            [("ID", "id"), ("DATA VERSION", "dataVersion"), ("PLUGIN VERSION", "pluginVersion"), ("BYTES", "bytes")];
        self.output.list(&body.data, &columns, "there is no snapshot")
    }
}

impl One {
    async fn restore(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/plugins/{}/snapshots/{}/restore", segment(&self.plugin), segment(&self.id));
        let Answer { body, .. } = self.connection.ask(Method::POST, &path, None, &[]).await?;
        let kept = match body.data["kept"].as_str() {
            Some(kept) => format!("; what was there is kept as {kept}"),
            None => String::new(),
        };
        self.output.told(&body.data, &format!("the data of {} is that of {} again{kept}", self.plugin, self.id))
    }

    async fn delete(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/plugins/{}/snapshots/{}", segment(&self.plugin), segment(&self.id));
        let Answer { body, .. } = self.connection.ask(Method::DELETE, &path, None, &[]).await?;
        self.output.told(&body.data, &format!("the snapshot {} is removed", self.id))
    }
}
