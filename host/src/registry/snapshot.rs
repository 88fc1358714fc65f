//! The loaded plugins at one moment, resolved for each tenant.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::loader::{Loaded, Rejected};
use super::plugin::Plugin;
use super::resolve::{
    self, Export, Import, Outcome, PluginResolution, PluginVersion, Resolution, Status, TenantChoices,
};
use crate::id::{PluginId, TenantId};
use crate::runtime::{ExportedInterface, ImportedInterface, Link, LinkTable, PluginKey, Provider};

/// What is loaded, what was refused, and who is linked to whom.
pub struct Snapshot {
    plugins: Vec<Arc<Plugin>>,
    rejected: Vec<Rejected>,
    /// The view of every tenant: each has every plugin enabled and none pinned.
    view: Arc<TenantView>,
}

/// One tenant's links, and the plugins that answer its requests.
pub struct TenantView {
    resolution: Resolution,
    links: Arc<LinkTable>,
    served: HashMap<PluginId, Served>,
}

/// What a tenant gets under a plugin's id.
#[derive(Clone)]
pub enum Served {
    /// This version answers.
    Active(Arc<Plugin>),
    /// No version can answer. This one would, if it were not for the reason.
    Inactive { plugin: Arc<Plugin>, reason: String },
}

/// What `tenon explain` says of a plugin.
#[derive(Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// For people.
    pub text: String,
    /// For programs: one entry for each loaded version.
    pub versions: serde_json::Value,
}

impl Snapshot {
    pub fn new(loaded: Loaded) -> Self {
        let Loaded { plugins, rejected } = loaded;
        let view = Arc::new(TenantView::new(&plugins));
        Self { plugins, rejected, view }
    }

    /// Every loaded version of every plugin.
    pub fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    pub fn active_count(&self) -> usize {
        self.view.resolution.plugins.iter().filter(|plugin| plugin.is_active()).count()
    }

    /// The links as this tenant has them.
    pub fn view(&self, _tenant: &TenantId) -> &Arc<TenantView> {
        &self.view
    }

    /// The links of a tenant that has chosen nothing: what the registry writes down.
    pub fn default_view(&self) -> &TenantView {
        &self.view
    }
}

impl TenantView {
    fn new(plugins: &[Arc<Plugin>]) -> Self {
        let versions: Vec<PluginVersion> = plugins.iter().map(|plugin| version(plugin)).collect();
        let choices = TenantChoices {
            enabled: plugins.iter().map(|plugin| plugin.manifest.id.clone()).collect(),
            ..TenantChoices::default()
        };
        let by_key: HashMap<&PluginKey, &Arc<Plugin>> = plugins.iter().map(|plugin| (plugin.key(), plugin)).collect();
        let find = |id: &PluginId, version: &semver::Version| {
            by_key.get(&PluginKey { id: id.clone(), version: version.clone() }).copied()
        };
        let agree = |importer: &PluginVersion, import: &Import, provider: &PluginVersion, export: &Export| {
            let (Some(importer), Some(provider)) =
                (find(&importer.id, &importer.version), find(&provider.id, &provider.version))
            else {
                return Ok(());
            };
            match (imported(importer, import), exported(provider, export)) {
                (Some(import), Some(export)) => types_agree(import, export),
                _ => Ok(()),
            }
        };
        let resolution = resolve::resolve(&versions, &choices, &agree);
        let mut links = LinkTable::default();
        let mut served: HashMap<PluginId, Served> = HashMap::new();
        for resolved in &resolution.plugins {
            let Some(plugin) = find(&resolved.id, &resolved.version) else { continue };
            links.insert(&plugin.prepared, runtime_links(plugin, resolved, &find));
            let answer = match &resolved.status {
                Status::Active => Served::Active(plugin.clone()),
                Status::Inactive { reason } => Served::Inactive { plugin: plugin.clone(), reason: reason.to_string() },
            };
            // Versions come in rising order: a later one counts, unless only the earlier is active.
            match (served.get(&resolved.id), &answer) {
                (Some(Served::Active(_)), Served::Inactive { .. }) => {}
                _ => {
                    served.insert(resolved.id.clone(), answer);
                }
            }
        }
        Self { resolution, links: Arc::new(links), served }
    }

    pub fn links(&self) -> &Arc<LinkTable> {
        &self.links
    }

    /// What this tenant gets under a plugin's id.
    pub fn served(&self, plugin: &str) -> Option<&Served> {
        self.served.get(plugin)
    }

    /// True when this very version answers under its id.
    pub fn serves(&self, key: &PluginKey) -> bool {
        matches!(self.served(key.id.as_str()), Some(Served::Active(plugin)) if plugin.key() == key)
    }

    /// What one loaded version is for this tenant, whether it serves or not.
    pub fn state(&self, plugin: &Arc<Plugin>) -> Served {
        match self.resolved(plugin.key()).map(|resolved| &resolved.status) {
            Some(Status::Inactive { reason }) => {
                Served::Inactive { plugin: plugin.clone(), reason: reason.to_string() }
            }
            _ => Served::Active(plugin.clone()),
        }
    }

    /// The outcome for one loaded version.
    pub fn resolved(&self, key: &PluginKey) -> Option<&PluginResolution> {
        self.resolution.plugin(&key.id, &key.version)
    }

    /// Why each import of a plugin leads where it does, for all its loaded versions.
    pub fn explain(&self, plugin: &str) -> Option<Explanation> {
        let versions: Vec<_> = self.resolution.plugins.iter().filter(|known| known.id.as_str() == plugin).collect();
        if versions.is_empty() {
            return None;
        }
        Some(Explanation {
            text: versions.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            versions: serde_json::to_value(versions).unwrap_or_default(),
        })
    }
}

/// A plugin as the resolver sees it: what its WIT says, with what its manifest adds.
fn version(plugin: &Plugin) -> PluginVersion {
    let exports = plugin
        .prepared
        .exports()
        .iter()
        .map(|export| Export { interface: export.name.interface.clone(), version: export.name.version.clone() });
    let imports = plugin.prepared.imports().iter().map(|import| {
        let name = &import.name;
        let undeclared = Import::undeclared(name.interface.clone(), name.version.clone());
        match plugin.manifest.dependency(&name.interface, &name.version) {
            Some(declared) => Import {
                requirement: declared.version.clone(),
                required: declared.required,
                reason: Some(declared.reason.clone()).filter(|reason| !reason.is_empty()),
                ..undeclared
            },
            None => undeclared,
        }
    });
    PluginVersion {
        id: plugin.manifest.id.clone(),
        version: plugin.manifest.version.clone(),
        exports: exports.collect(),
        imports: imports.collect(),
    }
}

fn imported<'a>(plugin: &'a Plugin, import: &Import) -> Option<&'a ImportedInterface> {
    plugin
        .prepared
        .imports()
        .iter()
        .find(|known| known.name.interface == import.interface && known.name.version == import.version)
}

fn exported<'a>(plugin: &'a Plugin, export: &Export) -> Option<&'a ExportedInterface> {
    plugin
        .prepared
        .exports()
        .iter()
        .find(|known| known.name.interface == export.interface && known.name.version == export.version)
}

/// Whether the provider has every function the importer calls, with the same types.
fn types_agree(import: &ImportedInterface, export: &ExportedInterface) -> Result<(), String> {
    for expected in &import.functions {
        let name = format!("{}.{}", import.name.interface, expected.name);
        let Some(found) = export.function(&expected.name) else {
            return Err(format!("{name}: the function is missing"));
        };
        if let Some(difference) = found.shape.difference(&expected.shape) {
            return Err(format!("{name}: {difference}"));
        }
    }
    Ok(())
}

fn runtime_links<'a>(
    plugin: &Plugin,
    resolved: &PluginResolution,
    find: &impl Fn(&PluginId, &semver::Version) -> Option<&'a Arc<Plugin>>,
) -> Vec<Link> {
    let each = plugin.prepared.imports().iter().zip(&resolved.links);
    each.map(|(import, link)| match &link.outcome {
        Outcome::Linked { provider } => find(&provider.id, &provider.version)
            .and_then(|found| {
                let export = Export { interface: import.name.interface.clone(), version: provider.export.clone() };
                let exported = exported(found, &export)?;
                let functions = import.functions.iter().map(|function| exported.function(&function.name).cloned());
                let functions = functions.collect::<Option<Vec<_>>>()?;
                Some(Link::Provider(Provider { plugin: found.prepared.clone(), functions }))
            })
            .unwrap_or_else(|| missing(import)),
        Outcome::Missing { .. } => missing(import),
    })
    .collect()
}

fn missing(import: &ImportedInterface) -> Link {
    Link::Missing(format!("no loaded plugin provides {} for this tenant", import.name.interface))
}
