//! `tenon doctor`: looks at an installation as the host would, and says what to fix.
//!
//! It changes nothing. Whether plugins load is found out by those who know: the host that runs is asked, and where none
//! runs one is started on a copy of the control plane ([`trial`]), which serves nobody. So no rule of the host's is
//! written down here a second time.

mod data;
mod finding;
mod hints;
mod keys;
mod place;
mod plugins;
mod storage;
mod system;
mod trial;

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;

use self::finding::{Findings, Level};
use super::client::Connection;
use super::output::{self, Output};
use super::progress;
use super::settings::Settings;
use crate::config::{Config, Survey};
use crate::http::local;
use crate::log::chain;

/// Check an installation, and say what to fix.
///
/// It reads the configuration, the directories, the plugins and the system's limits, as the host does, and changes
/// nothing. A host that runs is asked; without one the plugins are loaded for the time of the check. It fails when
/// something must be fixed. Run it as the host's user, with the host's options and variables.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon doctor --config /etc/tenon.toml\n  \
    tenon doctor --url http://127.0.0.1:4000            only what that host tells\n  \
    tenon doctor --json | jq '.findings[] | select(.level == \"fix\")'\n\n\
    Each line begins with what it is: `fix` must be fixed, `hint` is worth a look, `ok` is well.")]
pub(super) struct Doctor {
    #[command(flatten)]
    settings: Settings,
    /// Address of a running host: then only that is looked at, and no directory
    #[arg(long, value_name = "URL", env = "TENON_URL")]
    url: Option<String>,
    /// API key or token to ask it with
    #[arg(long, value_name = "KEY", env = "TENON_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Look through every tenant's database, however long it takes
    #[arg(long)]
    all_databases: bool,
    #[command(flatten)]
    output: Output,
}

impl Doctor {
    /// Prints what was found. False when something must be fixed.
    pub(super) fn run(self) -> anyhow::Result<bool> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let mut findings = Findings::default();
        runtime.block_on(self.look(&mut findings))?;
        let good = findings.worst() != Level::Fix;
        if self.output.json {
            let whole = json!({ "ok": good, "findings": findings.all() });
            output::print(&serde_json::to_string_pretty(&whole)?)?;
        } else {
            output::print(&findings.lines())?;
        }
        Ok(good)
    }

    async fn look(&self, findings: &mut Findings) -> anyhow::Result<()> {
        if let Some(url) = &self.url {
            let connection = Connection::to(url.trim_end_matches('/').to_owned(), self.key.clone());
            return plugins::look(&connection, findings, None).await;
        }
        let (config, settled) = self.config(findings);
        policy(&config, findings);
        let scratch = tempfile::tempdir().context("cannot make a directory for temporary files; see TMPDIR")?;
        let running = data::look(&config, findings).await;
        let in_use = running.is_some();
        system::look(&config, running.as_ref(), findings);
        place::look(&config, in_use, findings);
        let look = storage::Look { config: &config, in_use, all: self.all_databases, scratch: scratch.path() };
        let work = async { tokio::task::block_in_place(|| storage::look(&look, findings)) };
        progress::during("looking through the databases", work).await;
        let Some(control) = data::control_plane(&config, running.is_some(), scratch.path(), findings).await else {
            return Ok(());
        };
        keys::look(&config, &control, findings).await?;
        if running.is_some() {
            let connection = Connection::on_socket(config.data.clone());
            return plugins::look(&connection, findings, Some(&control)).await;
        }
        if !settled {
            let fix = Some("mend the configuration first".to_owned());
            findings.hint("host", "not tried whether a host would start, nor the plugins", fix);
            return Ok(());
        }
        let started = progress::during("loading the plugins", trial::start(&config, scratch.path())).await;
        match started {
            Ok(trial) => {
                findings.ok("host", "a host would start with these settings");
                let connection = Connection::on_socket(scratch.path().to_owned());
                let looked = plugins::look(&connection, findings, Some(&control)).await;
                trial.end().await;
                looked
            }
            Err(error) => {
                // It was tried on copies.
                let (copy, data) = (scratch.path().display().to_string(), config.data.display().to_string());
                let told = format!("{error:#}").replace(&copy, &data);
                findings.fix("host", format!("a host would not start: {told}"), system::why_no_start());
                Ok(())
            }
        }
    }

    /// The settings as far as they are understood, and whether they keep the rules.
    fn config(&self, findings: &mut Findings) -> (Config, bool) {
        let Survey { config, problems, is_settled } = self.settings.survey();
        if problems.is_empty() {
            let from = match self.settings.file() {
                Some(file) => format!("{} and the settings over it are understood", file.display()),
                None => "no file is named; defaults, variables and options are used".to_owned(),
            };
            findings.ok("configuration", from);
            return (config, is_settled);
        }
        for problem in problems {
            findings.fix("configuration", chain(&problem), None);
        }
        let what = "what follows is about the settings that were understood, and about defaults for the others";
        findings.hint("configuration", what, Some("mend the configuration and run this again".into()));
        (config, is_settled)
    }
}

/// What is allowed, and should be meant.
fn policy(config: &Config, findings: &mut Findings) {
    if config.dev {
        findings.hint(
            "policy",
            format!("dev mode is on: whoever reaches {} is believed to be anybody", config.listen),
            Some("leave --dev, TENON_DEV and `dev` out where there are real tenants".into()),
        );
    }
    let open = &config.outbound.allow_private_networks;
    if !config.dev && !open.is_empty() {
        let open: Vec<String> = open.iter().map(ToString::to_string).collect();
        let said = format!("plugins may reach {}, if granted (outbound.allow_private_networks)", open.join(", "));
        let fix = "name single ports of hosts there, and nothing that believes a client's X-Tenant-ID";
        findings.hint("policy", said, Some(fix.into()));
    }
    if !config.dev && config.grants.automatic.applies(false) {
        let fix = "set grants.automatic to \"in_dev\" or \"never\", and grant with `tenon grant`";
        findings.hint("policy", "every plugin has whatever it asks for (grants.automatic)", Some(fix.into()));
    }
    if !config.dev && config.trust.unsigned.holds(false) {
        let fix = "set trust.unsigned to \"dev\" or \"refuse\", and name whom you trust with `tenon trust`";
        findings.hint("policy", "plugins are taken that nobody signed (trust.unsigned)", Some(fix.into()));
    }
    if !config.dev && config.trust.downgrade.holds(false) {
        let fix = "leave --allow-downgrade out once the old version runs; `trust.downgrade` is better \"dev\"";
        findings.hint("policy", "versions below the highest that ever ran are taken", Some(fix.into()));
    }
}

/// Where the socket of this host is.
fn socket(config: &Config) -> PathBuf {
    local::path(&config.data)
}
