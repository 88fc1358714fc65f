//! `tenon explain`.

use super::client::Connection;

/// Say who provides what a plugin imports, who was passed over, and why.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon explain analytics\n  \
    tenon explain analytics --tenant acme --url http://127.0.0.1:4100")]
pub(super) struct Explain {
    /// The plugin's id, as `analytics`.
    plugin: String,
    /// The tenant for whom the links are explained [default: demo]
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/plugins/{}/links", self.plugin);
        let links: crate::registry::Explanation = super::block_on(self.connection.get(&path, self.tenant.as_deref()))?;
        print!("{}", links.text);
        Ok(())
    }
}
