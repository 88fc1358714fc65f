//! Putting plugins in and taking them out: `tenon plugin install`, `uninstall`, `purge`, `show`, and `tenon catalogue`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::address::{segment, switch, with_query};
use super::client::Connection;
use super::output::{Output, counted, print, text, visible};
use super::progress::during;
use crate::registry::{sidecar_of, signatures_of};

#[derive(clap::Args)]
pub(super) struct Install {
    /// The component; a manifest (`<same name>.plugin.json`) and signatures (`<file>.sig`) beside it go with it
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
pub(super) struct Uninstall {
    /// The plugin's id, as `crm`
    plugin: String,
    /// The version; every loaded one without
    version: Option<String>,
    /// Also when others would not work without it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
pub(super) struct Purge {
    /// The plugin's id, as `crm`
    plugin: String,
    /// Of every tenant
    #[arg(long)]
    all: bool,
    /// Yes, for good
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
pub(super) struct Show {
    /// The plugin's id, as `crm`
    plugin: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

/// Show and install what lies in the host's catalogue.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon catalogue list\n  \
    tenon catalogue install crm 1.1.0")]
pub(super) struct Catalogue {
    #[command(subcommand)]
    command: CatalogueCommand,
}

#[derive(clap::Subcommand)]
enum CatalogueCommand {
    /// Show every file of the catalogue, installed or not
    List(CatalogueList),
    /// Copy a plugin of the catalogue into the plugins directory
    Install(CatalogueInstall),
}

#[derive(clap::Args)]
struct CatalogueList {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct CatalogueInstall {
    /// The plugin's id, as `crm`
    plugin: String,
    /// The version, as `1.1.0`
    version: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Install {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let component = std::fs::read(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        let mut beside = Vec::new();
        for (name, path) in [("manifest", sidecar_of(&self.file)), ("signatures", signatures_of(&self.file))] {
            match std::fs::read(&path) {
                Ok(bytes) => beside.push((name, bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
            }
        }
        let what = format!(
            "{}: {:.1} MiB are sent; the host checks and compiles them",
            self.file.display(),
            component.len() as f64 / f64::from(1 << 20)
        );
        let file_name = self.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let sent = self.connection.upload("/api/v1/plugins", &file_name, component, beside);
        let answer = during(&what, sent).await?;
        self.output.told(&answer.body.data, &told(&answer.body.data))
    }
}

impl Uninstall {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let versions = match &self.version {
            Some(version) => vec![version.clone()],
            None => {
                let known: Value = self.connection.get(&format!("/api/v1/plugins/{}", segment(&self.plugin))).await?;
                texts(&known["versions"], "version")
            }
        };
        let mut gone = Vec::new();
        for version in versions {
            let path = format!("/api/v1/plugins/{}/versions/{}", segment(&self.plugin), segment(&version));
            let path = with_query(&path, [("force", switch(self.force))]);
            let what = format!("{} {version} is taken out", self.plugin);
            let answer = during(&what, self.connection.ask(Method::DELETE, &path, None, &[])).await?;
            gone.push(answer.body.data);
        }
        let named: Vec<String> = gone.iter().map(|one| text(one, "version")).collect();
        let broken: Vec<String> = gone.iter().flat_map(|one| texts(&one["broken"], "plugin")).collect();
        let mut sentence = format!("{} {} is uninstalled; its data stays", self.plugin, named.join(", "));
        if gone.iter().any(|one| one["rolledOut"] == true) {
            sentence.push_str("; what was rolled out of it is forgotten");
        }
        if !broken.is_empty() {
            sentence.push_str(&format!("; without it these do not work any more: {}", broken.join(", ")));
        }
        self.output.told(&Value::Array(gone), &sentence)
    }
}

impl Purge {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let tenant = self.connection.tenant().map(str::to_owned);
        let whose = match (&tenant, self.all) {
            (Some(_), true) => bail!("name one tenant with --tenant, or say --all: not both"),
            (None, false) => bail!("say whose data goes: --tenant T, or --all"),
            (Some(tenant), false) => tenant.clone(),
            (None, true) => "every tenant".to_owned(),
        };
        if !self.yes {
            bail!("this deletes the data of {} for {whose} for good: say so with --yes", self.plugin);
        }
        let body = match &tenant {
            Some(tenant) => json!({ "plugin": self.plugin, "tenant": tenant }),
            None => json!({ "plugin": self.plugin, "all": true }),
        };
        let path = format!("/api/v1/plugins/{}/purge", segment(&self.plugin));
        let answer = self.connection.ask(Method::POST, &path, Some(body), &[]).await?;
        let count = |key: &str| answer.body.data[key].as_array().map_or(0, Vec::len);
        let sentence = format!(
            "{} for {whose}: {} and {} are deleted",
            self.plugin,
            counted(count("databases"), "database"),
            counted(count("configurations"), "configuration")
        );
        self.output.told(&answer.body.data, &sentence)
    }
}

impl Show {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let plugin: Value = self.connection.get(&format!("/api/v1/plugins/{}", segment(&self.plugin))).await?;
        if self.output.json {
            return self.output.told(&plugin, "");
        }
        let columns = [
            ("VERSION", "version"),
            ("STATUS", "status"),
            ("SERVES", "serving"),
            ("FILE", "fileName"),
            ("LOADED", "loadedAt"),
            ("EXPORTS", "exports"),
        ];
        let versions = &plugin["versions"];
        if let Some(highest) = versions.as_array().and_then(|versions| versions.last()) {
            print(&format!("{} ({})\n{}\n", text(highest, "name"), self.plugin, text(highest, "description")))?;
        }
        self.output.list(versions, &columns, "no version is loaded")?;
        // The table has no room for it.
        for version in versions.as_array().into_iter().flatten() {
            if let Some(reason) = version["reason"].as_str() {
                let reason: Vec<String> = reason.lines().map(visible).collect();
                print(&format!(
                    "\n{} {} is not active: {}",
                    self.plugin,
                    text(version, "version"),
                    reason.join("\n  ")
                ))?;
            }
        }
        Ok(())
    }
}

impl Catalogue {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            CatalogueCommand::List(CatalogueList { connection, output }) => {
                let answer = super::block_on(connection.ask(Method::GET, "/api/v1/catalogue", None, &[]))?;
                let columns = [
                    ("PLUGIN", "id"),
                    ("VERSION", "version"),
                    ("NAME", "manifest.name"),
                    ("CATEGORY", "manifest.category"),
                    ("INSTALLED", "installed"),
                    ("FILE", "fileName"),
                    ("REASON", "reason"),
                ];
                output.list(&answer.body.data, &columns, "the catalogue is empty")
            }
            CatalogueCommand::Install(CatalogueInstall { plugin, version, connection, output }) => {
                let path = format!("/api/v1/catalogue/{}/{}/install", segment(&plugin), segment(&version));
                let what = format!("{plugin} {version}: the host checks and compiles it");
                let ask = connection.ask_patiently(Method::POST, &path);
                let answer = super::block_on(during(&what, ask))?;
                output.told(&answer.body.data, &told(&answer.body.data))
            }
        }
    }
}

/// What came of an installation, and what is to be done next.
fn told(installed: &Value) -> String {
    let (id, version) = (text(installed, "id"), text(installed, "version"));
    let how = if installed["installed"] == true { "is installed" } else { "was installed already" };
    let mut told = format!("{id} {version} {how}: {}", text(installed, "status"));
    if let Some(reason) = installed["reason"].as_str() {
        told.push_str(&format!(" ({reason})"));
    }
    let withheld = installed["asks"].as_array().into_iter().flatten().filter(|ask| ask["granted"] != true);
    let withheld: Vec<String> = withheld.map(|ask| format!("--{} {}", text(ask, "kind"), text(ask, "value"))).collect();
    if !withheld.is_empty() {
        told.push_str(&format!("\nit asks for what it was not granted: tenon grant {id} {}", withheld.join(" ")));
    }
    let required: Vec<&str> =
        installed["requires"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !required.is_empty() {
        told.push_str(&format!("\neach tenant has to set first: {}", required.join(", ")));
    }
    told
}

fn texts(list: &Value, key: &str) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|one| text(one, key)).collect()
}
