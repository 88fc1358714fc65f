//! `tenon check`: what is wrong with a plugin file, and what it changes for others.

mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use self::report::{Comparison, OnHost, Report};
use super::address::segment;
use super::client::Connection;
use crate::config::{Config, Overrides};
use crate::registry::contract::{self, Consumer, Provider, Published, Remembered};
use crate::registry::{Inspector, Plugin};

/// Check a plugin file as the host does when it loads one.
///
/// Says everything that is wrong with it. With an earlier version, or a running host, to compare with, it says what
/// has changed of what the plugin offers, whom that breaks, and which versions the change needs. It fails when
/// something is wrong or a version is too low. It needs no host and no data directory.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon check notes.wasm                                whether the host would load it\n  \
    tenon check notes-1.1.0.wasm --against notes-1.0.0.wasm\n  \
    tenon check notes-1.1.0.wasm --url http://127.0.0.1:4000   who of those loaded there would break\n  \
    tenon check notes.wasm --against old.wasm --json | jq .ok\n\n\
    A file is compiled under the limits of [loader], so it may come from anybody.")]
pub(super) struct Check {
    /// The file to check.
    #[arg(value_name = "NEW.wasm")]
    file: PathBuf,
    /// An earlier version of the plugin, to compare with.
    #[arg(long, value_name = "OLD.wasm")]
    against: Option<PathBuf>,
    /// A running host, to compare with what it has loaded.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// API key or token to ask that host with
    #[arg(long, value_name = "KEY", env = "TENON_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
    /// Configuration file whose limits count
    #[arg(long, env = "TENON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Check {
    /// Prints the report. False when something is wrong.
    ///
    /// # Errors
    ///
    /// When it cannot be found out: a file is not there, or what it is compared with is no plugin.
    pub(super) fn run(self) -> anyhow::Result<bool> {
        let report = super::block_on(super::progress::during("checking the file", self.report()))?;
        if self.json {
            super::output::print(&serde_json::to_string_pretty(&report)?)?;
        } else {
            super::output::print(report.to_string().trim_end_matches('\n'))?;
        }
        Ok(report.ok)
    }

    async fn report(&self) -> anyhow::Result<Report> {
        let config = Config::load(self.config.as_deref(), Overrides::default())?;
        let program = std::env::current_exe().context("cannot find this program's own file, which compiles plugins")?;
        let inspector = Inspector::new(&config, program)?;
        let inspection = inspector.inspect(&self.file).await?;
        let file = shown(&self.file);
        let plugin = match inspection.plugin {
            Ok(plugin) => plugin,
            Err(problems) => return Ok(Report::refused(file, inspection.key, problems)),
        };
        let mut report = Report::good(file, &plugin);
        if let Some(path) = &self.against {
            let old = earlier(&inspector, path, &plugin).await?;
            let same = old.sha256 == plugin.sha256;
            report.compare(Comparison::new(shown(path), &old.provider(), &plugin.provider(), same));
        }
        if let Some(url) = &self.url {
            let path = format!("/api/v1/plugins/{}/contract", segment(plugin.key().id.as_str()));
            let published: Published = Connection::to(url.clone(), self.key.clone()).get(&path).await?;
            report.host(on_host(url, &published, &plugin)?);
        }
        Ok(report)
    }
}

/// The plugin that the other file holds.
async fn earlier(inspector: &Inspector, path: &Path, new: &Plugin) -> anyhow::Result<Arc<Plugin>> {
    let old = match inspector.inspect(path).await?.plugin {
        Ok(plugin) => plugin,
        Err(problems) => bail!("nothing can be compared with {}: {}", shown(path), problems.join("\n")),
    };
    let (id, other) = (&new.key().id, &old.key().id);
    anyhow::ensure!(id == other, "{} is a version of `{other}`, not of `{id}`: name an earlier file", shown(path));
    Ok(old)
}

/// What the plugin would change on a host.
fn on_host(url: &str, published: &Published, plugin: &Plugin) -> anyhow::Result<OnHost> {
    let unreadable = || format!("{url} describes its plugins in a way that this version of tenon does not know");
    let loaded = published.versions.iter().map(|version| version.remembered());
    let mut loaded: Vec<Remembered> = loaded.collect::<Result<_, _>>().with_context(unreadable)?;
    loaded.sort_by(|a, b| a.key.version.cmp(&b.key.version));
    let consumers = published.consumers.iter().map(|consumer| consumer.remembered());
    let consumers: Vec<_> = consumers.collect::<Result<_, _>>().with_context(unreadable)?;
    let consumers: Vec<Consumer<'_>> = consumers.iter().map(|consumer| consumer.consumer()).collect();
    let (coming, earlier) = (plugin.provider(), loaded.iter().map(Remembered::provider).collect::<Vec<Provider<'_>>>());
    let mut refused = contract::judge(&coming, &earlier, &[]);
    if let Some(breach) = &mut refused {
        breach.concern(&coming.offer, &consumers);
    }
    // What it would take the place of: the highest that is not above it, else the highest.
    let below = earlier.iter().rfind(|old| old.key.version <= coming.key.version);
    let comparison = below.or(earlier.last()).map(|old| {
        let same = published.versions.iter().any(|known| known.sha256 == plugin.sha256);
        let comparison = Comparison::new(url.to_string(), old, &coming, same);
        comparison.with_consumers(contract::replaced(old, &coming, &consumers))
    });
    Ok(OnHost { url: url.to_string(), comparison, refused })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
