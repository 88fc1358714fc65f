//! What a snapshot says of one plugin, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{Snapshot, TenantView};
use crate::capability::shared_data::{Reach, Reading};
use crate::registry::plugin::Plugin;
use crate::registry::rejected::{Rejected, printable};
use crate::registry::resolve::PluginResolution;
use crate::runtime::{BreakerState, LinkHealth, PluginKey};

/// What `tenon explain` says of a plugin.
#[derive(Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// Whose view it is; none for that of a tenant that has decided nothing.
    #[serde(default)]
    pub tenant: Option<String>,
    /// For people.
    pub text: String,
    /// For programs: one entry for each loaded version.
    pub versions: serde_json::Value,
    /// Versions of it, or providers of it, whose file holds another plugin by now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptVersion>,
    /// Links over which calls have lately failed for the tenant, and whether they are called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<LinkHealth>,
    /// The shared data of others that its versions ask to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<SharedRead>,
    /// Versions on their way to the tenant; to any, for whoever names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub activating: Vec<serde_json::Value>,
    /// Files that were refused: other versions of this plugin, and those that claim its services.
    pub rejected: Vec<Refused>,
}

/// A version that was replaced and is still loaded, in an explanation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptVersion {
    pub id: String,
    pub version: String,
    pub file_name: String,
    /// What the file holds.
    pub replaced_by: String,
    /// The plugins that cannot use that.
    pub kept_for: Vec<String>,
    /// Whether there are tenants that cannot have it, or do not have it yet.
    #[serde(default)]
    pub kept_for_tenants: bool,
}

/// A namespace of shared data that a version asks to read, in an explanation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SharedRead {
    pub version: String,
    pub namespace: String,
    /// The plugin that it is read from, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A refused file, in an explanation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    pub file_name: String,
    /// The plugin and version it says it is.
    pub id: String,
    pub version: String,
    pub reason: String,
}

impl Snapshot {
    /// Why each import of a plugin leads where it does in this view, and which files of it were refused. `error` knows
    /// of a version that it failed, which its links do not tell.
    pub fn explain(
        &self,
        view: &TenantView,
        plugin: &str,
        error: impl Fn(&PluginResolution) -> Option<String>,
    ) -> Option<Explanation> {
        let versions = view.resolved_versions(plugin);
        let concerned = self.rejected.iter().filter(|file| file.concerns(plugin));
        let rejected: Vec<Refused> = concerned.filter_map(Refused::of).collect();
        if versions.is_empty() && rejected.is_empty() {
            return None;
        }
        let kept = self.kept_concerning(plugin);
        let reads: Vec<SharedRead> = versions.iter().flat_map(|version| self.reads(view, version)).collect();
        let failed = versions.iter().filter_map(|version| Some((&version.version, error(version)?)));
        let errors: BTreeMap<&Version, String> = failed.collect();
        let told = versions.iter().map(|version| {
            let reads = reads.iter().filter(|read| read.version == version.version.to_string());
            let own = match errors.get(&version.version) {
                Some(error) => version.told_as(&format_args!("error: {}", printable(error))),
                None => version.to_string(),
            };
            let text = reads.fold(own, |text, read| format!("{text}  {read}\n"));
            let kept = kept.iter().filter(|kept| kept.concerns(version));
            kept.fold(text, |text, kept| format!("{text}  {kept}\n"))
        });
        let told = told.chain(rejected.iter().map(ToString::to_string));
        Some(Explanation {
            tenant: None,
            text: told.collect::<Vec<_>>().join("\n"),
            versions: versions.iter().map(|version| entry(version, errors.get(&version.version))).collect(),
            kept,
            failing: Vec::new(),
            reads,
            activating: Vec::new(),
            rejected,
        })
    }

    /// The shared data that a version asks to read.
    fn reads(&self, view: &TenantView, version: &PluginResolution) -> Vec<SharedRead> {
        let is = |plugin: &&Arc<Plugin>| plugin.key().id == version.id && plugin.key().version == version.version;
        let Some(plugin) = self.plugins.iter().find(is) else { return Vec::new() };
        let reads = view.links().reads(&plugin.prepared).iter().map(|Reading { namespace, reach }| {
            let (from, reason) = match reach {
                Reach::Allowed(owner) => (Some(owner.to_string()), None),
                Reach::Denied(why) => (None, Some(format!("denied: {why}"))),
                Reach::Absent(why) => (None, Some(format!("unavailable: {why}"))),
            };
            SharedRead { version: version.version.to_string(), namespace: namespace.to_string(), from, reason }
        });
        reads.collect()
    }

    /// The kept versions of a plugin, and those that are kept for it.
    fn kept_concerning(&self, plugin: &str) -> Vec<KeptVersion> {
        let by_file = self.by_file();
        let kept = self.kept.iter().map(|kept| {
            let Plugin { file_name, .. } = &*kept.plugin;
            let PluginKey { id, version } = kept.plugin.key();
            KeptVersion {
                id: id.to_string(),
                version: version.to_string(),
                file_name: file_name.clone(),
                replaced_by: by_file.get(file_name).map(|now| now.key().to_string()).unwrap_or_default(),
                kept_for: kept.for_plugins.iter().map(ToString::to_string).collect(),
                kept_for_tenants: kept.for_tenants,
            }
        });
        kept.filter(|kept| kept.id == plugin || kept.kept_for.iter().any(|id| id == plugin)).collect()
    }
}

/// A version for programs: what its links tell, and how it failed if it did.
fn entry(version: &PluginResolution, error: Option<&String>) -> serde_json::Value {
    let mut entry = serde_json::to_value(version).unwrap_or_default();
    if let Some(error) = error {
        entry["status"] = "error".into();
        entry["error"] = error.as_str().into();
    }
    entry
}

impl Explanation {
    /// Adds to the text what concerns one version.
    pub fn add_line(&mut self, plugin: &str, version: &Version, line: &str) {
        self.text.push_str(&format!("\n{plugin} {version}: {}\n", printable(line)));
    }

    /// Adds the links that fail, to the text as well.
    pub fn add_failing(&mut self, failing: Vec<LinkHealth>) {
        for link in &failing {
            let LinkHealth { caller, caller_version, interface, provider, failures, reason, .. } = link;
            let state = match (link.state, link.retry_in_ms) {
                (BreakerState::Open, Some(wait)) => format!("not called for another {wait} ms"),
                (BreakerState::Closed, _) => "still called".to_owned(),
                _ => "called on trial".to_owned(),
            };
            let (calls, reason) =
                (if *failures == 1 { "call" } else { "calls" }, printable(reason).replace('\n', "\n    "));
            let line = format!(
                "\n{caller} {caller_version}: the last {failures} {calls} of {provider} for {interface} \
                 failed, {state}\n  {reason}\n"
            );
            self.text.push_str(&line);
        }
        self.failing = failing;
    }
}

impl KeptVersion {
    /// Whether this is it, or one that it is kept for.
    fn concerns(&self, version: &PluginResolution) -> bool {
        let is = self.id == version.id.as_str() && self.version == version.version.to_string();
        is || self.kept_for.iter().any(|id| id == version.id.as_str())
    }
}

impl fmt::Display for KeptVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, version, file_name, replaced_by, kept_for, kept_for_tenants } = self;
        let tenants = kept_for_tenants.then(|| format!("tenants that cannot have {replaced_by}"));
        let whom: Vec<&str> = kept_for.iter().map(String::as_str).chain(tenants.as_deref()).collect();
        write!(f, "{id} {version} is kept for {}: {file_name} holds {replaced_by} now", whom.join(", "))
    }
}

impl fmt::Display for SharedRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leads = self.from.as_ref().or(self.reason.as_ref()).map(|text| printable(text)).unwrap_or_default();
        write!(f, "reads {}  ->  {leads}", self.namespace)
    }
}

impl Refused {
    fn of(file: &Rejected) -> Option<Self> {
        let key = file.key.as_ref()?;
        Some(Self {
            file_name: file.file_name.clone(),
            id: key.id.to_string(),
            version: key.version.to_string(),
            reason: file.reason.clone(),
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} — refused", self.id, self.version)?;
        writeln!(f, "  {}: {}", self.file_name, self.reason.replace('\n', "\n    "))
    }
}
