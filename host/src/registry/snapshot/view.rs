//! The plugins as one tenant has them: which version answers under each id, and where each import leads.

mod shared;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::capability::config::Values;
use crate::id::PluginId;
use crate::permission::PermissionName;
use crate::registry::choices::grants::Grants;
use crate::registry::plugin::Plugin;
use crate::registry::resolve::{
    self, Denied, Export, Import, Outcome, PluginResolution, PluginVersion, Resolution, Status, TenantChoices,
};
use crate::registry::swap::Kept;
use crate::runtime::{
    Access, ExportedInterface, ImportedInterface, Leads, Link, LinkTable, LinkedFunction, PluginKey, Provider,
};

/// One tenant's links, and the plugins that answer its requests.
pub struct TenantView {
    pub(super) resolution: Arc<Resolution>,
    links: Arc<LinkTable>,
    served: Arc<HashMap<PluginId, Served>>,
    /// For each plugin, by its serial number, what must have come to the tenant before it can be called: itself and all
    /// it reaches, providers first, as far as there is something to do. Absent where there is nothing.
    needs: Arc<HashMap<u64, Vec<Arc<Plugin>>>>,
}

/// What a tenant gets under a plugin's id.
#[derive(Clone)]
pub enum Served {
    /// This version answers.
    Active(Arc<Plugin>),
    /// No version can answer. This one would, if it were not for the reason.
    Inactive { plugin: Arc<Plugin>, reason: String },
}

impl TenantView {
    pub(super) fn new(plugins: &[Arc<Plugin>], kept: &[Kept], choices: &TenantChoices, grants: &Grants) -> Self {
        let kept = |plugin: &Arc<Plugin>| kept.iter().find(|kept| Arc::ptr_eq(&kept.plugin, plugin));
        let versions: Vec<PluginVersion> = plugins.iter().map(|plugin| version(plugin, kept(plugin), grants)).collect();
        let answering: HashSet<(&PluginId, &semver::Version)> = versions
            .iter()
            .filter(|version| choices.answers(version))
            .map(|version| (&version.id, &version.version))
            .collect();
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
        let mut resolution = resolve::resolve(&versions, choices, &agree);
        let mut linked = Vec::new();
        let mut served: HashMap<PluginId, Served> = HashMap::new();
        for resolved in &mut resolution.plugins {
            let Some(plugin) = find(&resolved.id, &resolved.version) else { continue };
            linked.push((plugin, runtime_links(plugin, resolved, grants, &find)));
            // What is kept for others answers nobody else.
            if !answering.contains(&(&resolved.id, &resolved.version)) {
                continue;
            }
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
        let links = linked.into_iter().map(|(plugin, links)| {
            let (hosts, reads) = (grants.hosts(plugin).into(), shared::readings(plugin, &served, grants));
            (&*plugin.prepared, Leads { links, hosts, reads })
        });
        let links = LinkTable::new(links);
        let needs = needs(&resolution, &find);
        Self {
            resolution: Arc::new(resolution),
            links: Arc::new(links),
            served: Arc::new(served),
            needs: Arc::new(needs),
        }
    }

    /// The same view with these values of plugins' configuration.
    pub(super) fn with_values<'a>(&self, values: impl IntoIterator<Item = (&'a Plugin, Arc<Values>)>) -> Self {
        let values = values.into_iter().map(|(plugin, values)| (&*plugin.prepared, values));
        Self {
            resolution: self.resolution.clone(),
            links: Arc::new(self.links.with_values(values)),
            served: self.served.clone(),
            needs: self.needs.clone(),
        }
    }

    #[cfg(test)]
    pub(super) fn is_sibling_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.resolution, &other.resolution)
    }

    /// Whether others were made of it, which differ in their values alone.
    pub(super) fn has_siblings(&self) -> bool {
        Arc::strong_count(&self.resolution) > 1
    }

    /// What must have come to a tenant before it calls the plugin, providers first.
    pub(in crate::registry) fn needs(&self, plugin: &Plugin) -> &[Arc<Plugin>] {
        self.needs.get(&plugin.prepared.serial()).map_or(&[], Vec::as_slice)
    }

    pub fn links(&self) -> &Arc<LinkTable> {
        &self.links
    }

    /// What this tenant gets under a plugin's id.
    pub fn served(&self, plugin: &str) -> Option<&Served> {
        self.served.get(plugin)
    }

    /// The versions that answer, one for each plugin that is active for the tenant.
    pub fn active(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.served.values().filter_map(|served| match served {
            Served::Active(plugin) => Some(plugin),
            Served::Inactive { .. } => None,
        })
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

    pub(super) fn resolved_versions(&self, plugin: &str) -> Vec<&PluginResolution> {
        self.resolution.plugins.iter().filter(|known| known.id.as_str() == plugin).collect()
    }
}

/// For each active plugin, what it needs: those with something to do among itself and all it reaches.
fn needs<'a>(
    resolution: &Resolution,
    find: &impl Fn(&PluginId, &semver::Version) -> Option<&'a Arc<Plugin>>,
) -> HashMap<u64, Vec<Arc<Plugin>>> {
    let mut needs = HashMap::new();
    for resolved in resolution.plugins.iter().filter(|resolved| resolved.is_active()) {
        let (mut seen, mut order) = (HashSet::new(), Vec::new());
        reach(resolution, resolved, &mut seen, &mut |reached| {
            let plugin = find(&reached.id, &reached.version);
            order.extend(plugin.filter(|plugin| plugin.has_lifecycle()).cloned());
        });
        if let (Some(plugin), false) = (find(&resolved.id, &resolved.version), order.is_empty()) {
            needs.insert(plugin.prepared.serial(), order);
        }
    }
    needs
}

/// Gives a plugin after all that its links reach. As deep as there are plugins, at most.
fn reach<'r>(
    resolution: &'r Resolution,
    from: &'r PluginResolution,
    seen: &mut HashSet<(&'r PluginId, &'r semver::Version)>,
    give: &mut impl FnMut(&'r PluginResolution),
) {
    if !seen.insert((&from.id, &from.version)) {
        return;
    }
    for link in &from.links {
        let Outcome::Linked { provider } = &link.outcome else { continue };
        if let Some(provider) = resolution.plugin(&provider.id, &provider.version) {
            reach(resolution, provider, seen, give);
        }
    }
    give(from);
}

/// A plugin as the resolver sees it: what its WIT says, with what its manifest adds.
fn version(plugin: &Plugin, kept: Option<&Kept>, grants: &Grants) -> PluginVersion {
    let exports = plugin
        .prepared
        .exports()
        .iter()
        .map(|export| Export { interface: export.name.interface.clone(), version: export.name.version.clone() });
    let imports = plugin.prepared.imports().iter().map(|import| {
        let name = &import.name;
        let granted = grants.service(&plugin.key().id, &name.interface.service());
        let undeclared = Import { granted, ..Import::undeclared(name.interface.clone(), name.version.clone()) };
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
        kept_for: kept.map(|kept| kept.for_plugins.clone()),
        stands_in: kept.is_some_and(|kept| kept.for_tenants),
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

/// The links of one plugin as calls use them. What it was not granted is noted in the resolution.
fn runtime_links<'a>(
    plugin: &Plugin,
    resolved: &mut PluginResolution,
    grants: &Grants,
    find: &impl Fn(&PluginId, &semver::Version) -> Option<&'a Arc<Plugin>>,
) -> Vec<Link> {
    let each = plugin.prepared.imports().iter().zip(&mut resolved.links);
    each.map(|(import, link)| {
        if !link.import.granted {
            let service = import.name.interface.service();
            return Link::Missing(format!("plugin {} is not granted {service}", plugin.key().id));
        }
        let Outcome::Linked { provider } = &link.outcome else { return missing(import) };
        let Some(found) = find(&provider.id, &provider.version) else { return missing(import) };
        let export = Export { interface: import.name.interface.clone(), version: provider.export.clone() };
        let Some(exported) = exported(found, &export) else { return missing(import) };
        let declared = plugin.manifest.dependency(&import.name.interface, &import.name.version);
        let asked = declared.iter().flat_map(|declared| &declared.permissions);
        let granted: Vec<PermissionName> =
            asked.filter(|permission| grants.permission(&plugin.key().id, permission)).cloned().collect();
        let functions = import.functions.iter().map(|function| {
            let required = found.manifest.required(&import.name.interface, &function.name);
            let missing: Vec<_> = required.iter().filter(|name| !granted.contains(name)).cloned().collect();
            if !missing.is_empty() {
                link.denied.push(Denied { function: function.name.clone(), missing });
            }
            let access = Access::new(required.into(), &granted);
            Some(LinkedFunction { function: exported.function(&function.name)?.clone(), access })
        });
        match functions.collect() {
            Some(functions) => Link::Provider(Provider { plugin: found.prepared.clone(), functions }),
            None => missing(import),
        }
    })
    .collect()
}

fn missing(import: &ImportedInterface) -> Link {
    Link::Missing(format!("no loaded plugin provides {} for this tenant", import.name.interface))
}
