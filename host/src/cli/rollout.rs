//! `tenon rollout`, `tenon rollback` and `tenon rollouts`.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Connection;
use super::output::Output;

/// Give a version of a plugin to some tenants, to more of them, to all.
///
/// Whoever takes part at 10 percent still does at 20. Tenants that do not take part keep what they have.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon rollout crm 1.1.0 --tenants acme,beta\n  \
    tenon rollout crm 1.1.0 --percent 10\n  \
    tenon rollout crm 1.1.0 --percent 100\n  \
    tenon rollout crm --end             every tenant gets the highest version again")]
pub(super) struct Rollout {
    /// The plugin's id, as `crm`
    plugin: String,
    /// The version, which must be loaded
    #[arg(required_unless_present = "end")]
    version: Option<String>,
    /// Tenants that get it whatever the percentage
    #[arg(long, value_delimiter = ',', value_name = "TENANTS")]
    tenants: Option<Vec<String>>,
    /// How many of all tenants get it, by a hash of their names
    #[arg(long, value_name = "0-100", value_parser = clap::value_parser!(u8).range(0..=100))]
    percent: Option<u8>,
    /// End the rollout: files in the plugins directory decide again
    #[arg(long, conflicts_with_all = ["version", "tenants", "percent"])]
    end: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

/// Give every tenant the version of a plugin that it had before.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  tenon rollback crm")]
pub(super) struct Rollback {
    /// The plugin's id, as `crm`
    plugin: String,
    /// Also if that version cannot work with the data of some tenants, who stay where they are then
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

/// Show which tenants get which version of a plugin, where that was decided.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  tenon rollouts --json")]
pub(super) struct Rollouts {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Rollout {
    pub(super) fn run(self) -> anyhow::Result<()> {
        super::block_on(self.ask())
    }

    async fn ask(self) -> anyhow::Result<()> {
        if !self.end && self.tenants.is_none() && self.percent.is_none() {
            return Err(super::Usage("say who gets it: --tenants a,b or --percent 10".to_owned()).into());
        }
        let path = format!("/api/v1/rollouts/{}", self.plugin);
        // Without one there is nothing that somebody else could have changed.
        let known = self.connection.ask(Method::GET, &path, None, &[]).await.ok();
        let precondition = known.as_ref().map(super::client::Answer::precondition).unwrap_or_default();
        if self.end {
            let answer = self.connection.ask(Method::DELETE, &path, None, &precondition).await?;
            let version = answer.body.data["version"].as_str().unwrap_or("no version").to_owned();
            let sentence = format!("{} is no longer rolled out by hand; tenants get {version}", self.plugin);
            return self.output.told(&answer.body.data, &sentence);
        }
        let mut wanted = json!({ "version": self.version });
        if let Some(tenants) = self.tenants {
            wanted["tenants"] = json!(tenants);
        }
        if let Some(percent) = self.percent {
            wanted["percent"] = json!(percent);
        }
        let answer = self.connection.ask(Method::PUT, &path, Some(wanted), &precondition).await?;
        let outcomes = outcomes(&answer.body.data);
        self.output.told(&answer.body.data, &format!("{}{outcomes}", told(&answer.body.data)))
    }
}

impl Rollback {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let force = if self.force { "?force=true" } else { "" };
        let path = format!("/api/v1/rollouts/{}/rollback{force}", self.plugin);
        let answer = super::block_on(self.connection.ask(Method::POST, &path, None, &[]))?;
        let outcomes = outcomes(&answer.body.data);
        self.output.told(&answer.body.data, &format!("{}{outcomes}", told(&answer.body.data)))
    }
}

impl Rollouts {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let answer = super::block_on(self.connection.ask(Method::GET, "/api/v1/rollouts", None, &[]))?;
        let columns = [
            ("PLUGIN", "plugin"),
            ("VERSION", "version"),
            ("PERCENT", "percent"),
            ("TENANTS", "tenants"),
            ("OTHERS HAVE", "previous"),
            ("LOADED", "loaded"),
        ];
        self.output.list(&answer.body.data, &columns, "nothing is rolled out by hand: tenants get the highest versions")
    }
}

/// A line for each tenant that takes part and lacks a setting.
pub(super) fn unconfigured(rollout: &Value) -> impl Iterator<Item = String> {
    rollout["unconfigured"].as_array().into_iter().flatten().map(|outcome| {
        let text = |key: &str| outcome[key].as_str().unwrap_or("no version").to_owned();
        format!("{} has {} until it is configured: {}", text("tenant"), text("version"), text("reason"))
    })
}

/// A line for each tenant that is told of and was not moved, and one for those that were not reached.
fn outcomes(rollout: &Value) -> String {
    let failed = rollout["outcomes"].as_array().into_iter().flatten().filter(|outcome| outcome["moved"] == false);
    let line = |outcome: &Value| {
        let text = |key: &str| outcome[key].as_str().unwrap_or("no version").to_owned();
        format!("\n{} was not moved and has {}: {}", text("tenant"), text("version"), text("reason"))
    };
    let named: Vec<&Value> = failed.clone().map(|outcome| &outcome["tenant"]).collect();
    let others = rollout["unconfigured"].as_array().into_iter().flatten();
    let others = others.filter(|outcome| !named.contains(&&outcome["tenant"]));
    failed.chain(others).map(line).chain(not_reached(rollout)).collect()
}

fn not_reached(rollout: &Value) -> Option<String> {
    let tenants: Vec<&str> = rollout["notReached"].as_array()?.iter().filter_map(Value::as_str).collect();
    Some(format!("\nnot reached yet, so they come in the background or at their next request: {}", tenants.join(", ")))
}

pub(super) fn told(rollout: &Value) -> String {
    let text = |key: &str| rollout[key].as_str().unwrap_or("no version").to_owned();
    let (plugin, version, previous) = (text("plugin"), text("version"), text("previous"));
    let percent = rollout["percent"].as_u64().unwrap_or_default();
    let tenants: Vec<&str> = rollout["tenants"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match (percent, tenants.as_slice()) {
        (100, _) => format!("every tenant gets {plugin} {version}"),
        (0, []) => format!("no tenant gets {plugin} {version} yet; all have {previous}"),
        (0, tenants) => format!("{} get {plugin} {version}; the others have {previous}", tenants.join(", ")),
        (_, []) => format!("{percent} percent of the tenants get {plugin} {version}; the others have {previous}"),
        (_, tenants) => format!(
            "{} and {percent} percent of the tenants get {plugin} {version}; the others have {previous}",
            tenants.join(", ")
        ),
    }
}
