//! `tenon plugin forget`.

use reqwest::Method;
use serde_json::json;

use super::address::segment;
use super::client::Connection;
use super::output::{Output, visible};

/// `tenon plugin forget`. Nothing is forgotten of a version that is loaded.
#[derive(clap::Args)]
#[group(id = "what", required = true, multiple = true, args = ["claims", "promises", "highest_version"])]
pub(super) struct Forget {
    /// The plugin's id, as `crm`
    plugin: String,
    /// Which bytes each version had, and which services are the plugin's: others may take them then
    #[arg(long)]
    claims: bool,
    /// The types that its versions offered: later ones need not keep to them then
    #[arg(long)]
    promises: bool,
    /// The highest version that ever was active: a lower one may come then
    #[arg(long)]
    highest_version: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Forget {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/plugins/{}/forget", segment(&self.plugin));
        let wanted = json!({
            "claims": self.claims,
            "promises": self.promises,
            "highestVersion": self.highest_version,
        });
        let answer = self.connection.ask(Method::POST, &path, Some(wanted), &[]).await?;
        let data = &answer.body.data;
        let named = |key: &str| {
            let each = data[key].as_array().into_iter().flatten().map(|memory| {
                let text = |key: &str| visible(memory[key].as_str().unwrap_or_default());
                format!("{} {}", text("kind"), text("name"))
            });
            each.collect::<Vec<_>>().join(", ")
        };
        let mut sentence = match named("forgotten") {
            nothing if nothing.is_empty() => format!("nothing of this is remembered of {}", self.plugin),
            forgotten => format!("forgotten of {}: {forgotten}", self.plugin),
        };
        let loaded = named("loaded");
        if !loaded.is_empty() {
            sentence.push_str(&format!("; kept, because it is loaded: {loaded}"));
        }
        self.output.told(data, &sentence)
    }
}
