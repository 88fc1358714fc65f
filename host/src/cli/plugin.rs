//! `tenon plugin`: what is loaded, and what a tenant decides about it.

use reqwest::Method;
use serde_json::{Value, json};

use super::address::{segment, switch, with_query};
use super::client::{Answer, Connection};
use super::install;
use super::output::{self, Output};

/// List, install and remove plugins, and switch or pin them for a tenant.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon plugin list\n  \
    tenon plugin show crm\n  \
    tenon plugin errors crm --tenant acme\n  \
    tenon plugin stats crm\n  \
    tenon plugin install crm-1.1.0.wasm\n  \
    tenon plugin uninstall crm 1.0.0\n  \
    tenon plugin purge crm --tenant acme --yes        its data, for good\n  \
    tenon plugin forget crm --claims                   once its files are gone\n  \
    tenon plugin disable analytics --tenant acme\n  \
    tenon plugin enable analytics --tenant acme\n  \
    tenon plugin pin crm '~1.0' --tenant acme        stay on 1.0.x, whatever is rolled out\n  \
    tenon plugin unpin crm --tenant acme")]
pub(super) struct Plugin {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show every loaded version, and every file that was refused
    List(Listing),
    /// Show one plugin with all its loaded versions
    Show(install::Show),
    /// Send a file to the host, which checks it, compiles it and takes it
    Install(install::Install),
    /// Take a version out of the plugins directory; its data stays
    Uninstall(install::Uninstall),
    /// Delete a plugin's data of a tenant, or of all, for good
    Purge(install::Purge),
    /// Forget what the host remembers of versions that are gone
    Forget(super::forget::Forget),
    /// Let the tenant use the plugin
    Enable(Named),
    /// Take the plugin from the tenant; its data stays
    Disable(Disable),
    /// Show how the plugin failed lately, with backtraces
    Errors(Named),
    /// Show how the plugin is used
    Stats(Named),
    /// Let the tenant use only these versions
    Pin(Pin),
    /// Let the tenant use any version again
    Unpin(Named),
}

#[derive(clap::Args)]
struct Listing {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct Named {
    /// The plugin's id, as `crm`
    plugin: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct Disable {
    /// Also if the plugin fails at it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    named: Named,
}

#[derive(clap::Args)]
struct Pin {
    /// The plugin's id, as `crm`
    plugin: String,
    /// A range of versions, as `^1.0.0` or `=1.1.0`
    versions: String,
    /// Also if no version in this range is loaded: the tenant has none then, until there is one
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Plugin {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::List(listing) => super::block_on(listing.run()),
            Command::Show(show) => super::block_on(show.run()),
            Command::Install(install) => super::block_on(install.run()),
            Command::Uninstall(uninstall) => super::block_on(uninstall.run()),
            Command::Purge(purge) => super::block_on(purge.run()),
            Command::Forget(forget) => super::block_on(forget.run()),
            Command::Enable(named) => super::block_on(named.switch("activate", false)),
            Command::Disable(Disable { force, named }) => super::block_on(named.switch("deactivate", force)),
            Command::Errors(named) => super::block_on(named.errors()),
            Command::Stats(named) => super::block_on(named.stats()),
            Command::Unpin(Named { plugin, connection, output }) => {
                super::block_on(pin(&connection, &output, &plugin, None, false))
            }
            Command::Pin(Pin { plugin, versions, force, connection, output }) => {
                super::block_on(pin(&connection, &output, &plugin, Some(versions), force))
            }
        }
    }
}

impl Listing {
    async fn run(self) -> anyhow::Result<()> {
        let Answer { body, .. } = self.connection.ask(Method::GET, "/api/v1/plugins", None, &[]).await?;
        let more = |name: &str| body.more.get(name).cloned().unwrap_or_default();
        let (rejected, compiling) = (more("rejected"), more("compiling"));
        if self.output.json {
            let all = json!({ "plugins": body.data, "rejected": rejected, "compiling": compiling });
            return self.output.told(&all, "");
        }
        let columns = [
            ("PLUGIN", "id"),
            ("VERSION", "version"),
            ("STATUS", "status"),
            ("SERVES", "serving"),
            ("FILE", "fileName"),
            ("REASON", "reason"),
        ];
        self.output.list(&body.data, &columns, "no plugin is loaded")?;
        let activating: Vec<Value> = activating(&body.data).collect();
        if !activating.is_empty() {
            super::output::print("\nOn their way to tenants:")?;
            let columns = [
                ("PLUGIN", "id"),
                ("VERSION", "version"),
                ("TENANT", "move.tenant"),
                ("SINCE", "move.since"),
                ("RUNS", "move.step"),
                ("VERSION BEFORE ANSWERS", "move.versionBeforeAnswers"),
            ];
            self.output.list(&Value::Array(activating), &columns, "")?;
        }
        if compiling.as_array().is_some_and(|files| !files.is_empty()) {
            super::output::print("\nBeing compiled:")?;
            let columns = [
                ("FILE", "fileName"),
                ("PLUGIN", "id"),
                ("VERSION", "version"),
                ("STATUS", "status"),
                ("SINCE", "since"),
            ];
            self.output.list(&compiling, &columns, "")?;
        }
        if rejected.as_array().is_some_and(|rejected| !rejected.is_empty()) {
            super::output::print("\nRefused:")?;
            self.output.list(&rejected, &[("FILE", "fileName"), ("SEEN", "seenAt"), ("REASON", "reason")], "")?;
        }
        Ok(())
    }
}

impl Named {
    async fn switch(self, operation: &str, force: bool) -> anyhow::Result<()> {
        let path = format!("/api/v1/plugins/{}/{operation}", segment(&self.plugin));
        let path = with_query(&path, [("force", switch(force))]);
        let answer = self.connection.ask(Method::POST, &path, None, &[]).await?;
        tell(&self.output, &answer.body.data)
    }
}

impl Named {
    async fn errors(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/plugins/{}/errors?limit=50", segment(&self.plugin));
        let Answer { body, .. } = self.connection.ask(Method::GET, &path, None, &[]).await?;
        let columns =
            [("TIME", "at"), ("VERSION", "version"), ("TENANT", "tenant"), ("IN", "hook"), ("ERROR", "message")];
        self.output.list(&body.data, &columns, "it has not failed")?;
        let last = body.data.as_array().into_iter().flatten().find_map(|error| error["backtrace"].as_str());
        match last {
            Some(backtrace) if !self.output.json => {
                super::output::print(&format!("\nThe last backtrace:\n{backtrace}"))
            }
            _ => Ok(()),
        }
    }

    async fn stats(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/plugins/{}/stats", segment(&self.plugin));
        let Answer { body, .. } = self.connection.ask(Method::GET, &path, None, &[]).await?;
        if self.output.json {
            return self.output.told(&body.data, "");
        }
        let columns = [
            ("TENANT", "tenant"),
            ("ACTIVATIONS", "activations"),
            ("CALLS", "calls"),
            ("FAILED CALLS", "failures"),
            ("FAILED MOVES", "lifecycleFailures"),
            ("LAST USED", "lastUsedAt"),
        ];
        self.output.list(&body.data["tenants"], &columns, "nobody has used it")
    }
}

/// The tenants that versions are on their way to, one for each.
pub(super) fn activating(plugins: &Value) -> impl Iterator<Item = Value> {
    plugins.as_array().into_iter().flatten().flat_map(|plugin| {
        let moves = plugin["activating"].as_array().into_iter().flatten();
        moves.map(|one| json!({ "id": plugin["id"], "version": plugin["version"], "move": one }))
    })
}

async fn pin(
    connection: &Connection,
    output: &Output,
    plugin: &str,
    pin: Option<String>,
    force: bool,
) -> anyhow::Result<()> {
    let path = format!("/api/v1/plugins/{}/decision", segment(plugin));
    let known = connection.ask(Method::GET, &path, None, &[]).await?;
    let wanted = json!({ "enabled": known.body.data["enabled"], "pin": pin });
    let put = with_query(&path, [("force", switch(force))]);
    let answer = connection.ask(Method::PUT, &put, Some(wanted), &known.precondition()).await?;
    tell(output, &answer.body.data)
}

fn tell(output: &Output, decision: &Value) -> anyhow::Result<()> {
    let text = |key: &str| decision[key].as_str().unwrap_or_default().to_owned();
    let (tenant, plugin) = (text("tenant"), text("plugin"));
    let sentence = match (decision["enabled"].as_bool(), decision["version"].as_str()) {
        (Some(false), _) => format!("{tenant} does not use {plugin} any more; its data stays"),
        (_, Some(version)) => format!("{tenant} uses {plugin} {version}"),
        (_, None) => format!("{tenant} may use {plugin}, but no version works: {}", text("reason")),
    };
    let failed = decision["failed"].as_array().filter(|_| decision["enabled"] == true).cloned().unwrap_or_default();
    let failed: Vec<String> = failed
        .iter()
        .map(|failed| format!("{plugin} {}: {}", output::text(failed, "version"), output::text(failed, "reason")))
        .collect();
    let lines = failed.iter().map(|failed| format!("\n  could not be brought to it: {failed}")).collect::<String>();
    output.told(decision, &format!("{sentence}{lines}"))?;
    match failed.is_empty() {
        true => Ok(()),
        false => Err(super::Partly(format!("it is decided, and {tenant} does not have all of it yet")).into()),
    }
}
