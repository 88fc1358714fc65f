//! Which provider serves which import, for one tenant.
//!
//! A pure function over the loaded plugins and the tenant's choices. Nothing is left to
//! wasmtime's linker, which matches versions in both directions and would let an older provider
//! serve a newer importer. Invariants: the outcome does not depend on the order of the input, and
//! every export of the imported interface is accounted for, once, as linked or passed over.
//!
//! It works in rounds. Each import takes its best candidate among the active plugins; then
//! whoever lacks a required provider goes inactive, and so, once nobody lacks one, does every
//! member of a cycle of required links. This repeats until a round changes nothing. So a new
//! version that cannot work itself is passed over for the older one that does. Plugins only ever
//! leave, so there are at most as many rounds as plugins, and one more.
//!
//! Deferred views (`crm:deals/deals-deferred`) are not resolved by themselves: `runtime::signature`
//! makes one import of both views of a service when it reads a component.

mod candidate;
mod cycle;
mod import;
mod render;
mod track;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use semver::{Version, VersionReq};
use serde::Serialize;

use crate::id::{InterfaceName, PluginId};
use crate::permission::PermissionName;

pub use candidate::{PassedOver, Precedence, Provider, Refusal};
pub use import::{Export, Import, PluginVersion};
pub use render::render;
pub use track::Track;

use candidate::Candidate;

/// What is decided for one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TenantChoices {
    pub enabled: BTreeSet<PluginId>,
    /// For a plugin listed here, only these versions are used.
    pub wanted: BTreeMap<PluginId, Wanted>,
    /// Versions whose required configuration the tenant has not given, and the fields.
    pub unconfigured: BTreeMap<(PluginId, Version), Vec<String>>,
    /// Versions in whose place another goes on for the tenant, and why.
    pub held: BTreeMap<(PluginId, Version), InactiveReason>,
}

/// Which versions of a plugin a tenant uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// The tenant's own range.
    Pinned(VersionReq),
    /// The one version that a rollout gives it. What lies on an earlier track stays, for plugins that were built
    /// against it.
    RolledOut(Version),
    /// What it had before all rollouts: this version and those below.
    UpTo(Version),
    /// The one that ran before, as it could not be moved to what it is to have.
    StaysOn(Version),
}

/// Whether importer and provider mean the same types; otherwise, in words, the first difference.
pub type Agreement<'a> = &'a dyn Fn(&PluginVersion, &Import, &PluginVersion, &Export) -> Result<(), String>;

/// All of one tenant's links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// Every loaded version of every plugin, by id and version.
    pub plugins: Vec<PluginResolution>,
    /// The version of each plugin that answers the tenant's HTTP requests: its highest active one.
    pub serving: BTreeMap<PluginId, Version>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginResolution {
    pub id: PluginId,
    pub version: Version,
    #[serde(flatten)]
    pub status: Status,
    /// One for each import, in the plugin's order.
    pub links: Vec<Link>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    Active,
    Inactive { reason: InactiveReason },
}

/// Why a plugin is not active for the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum InactiveReason {
    NotEnabled,
    Pinned {
        pin: VersionReq,
    },
    /// A rollout gives the tenant another version.
    RolledOut {
        version: Version,
    },
    /// The plugin is rolled out by hand, and no rollout gives the tenant anything above this version.
    NotRolledOut {
        version: Version,
    },
    /// The tenant could not be moved to what it is to have, and stays on what ran before.
    StaysOn {
        version: Version,
    },
    /// The tenant has not given what the version requires.
    Unconfigured {
        fields: Vec<String>,
    },
    /// The tenant could not be moved to this version.
    Failed {
        reason: String,
    },
    /// It is being activated for the tenant, and the version before goes on until it is.
    Activating,
    /// A required import that the plugin may not use.
    NotGranted {
        interface: InterfaceName,
        reason: Option<String>,
    },
    /// No loaded plugin can serve a required import.
    ProviderMissing {
        interface: InterfaceName,
        requirement: VersionReq,
        reason: Option<String>,
    },
    /// One could, if it were active itself; the best of those is named.
    ProviderInactive {
        interface: InterfaceName,
        provider: Provider,
    },
    /// Its required links lead back to itself; the way there, with itself at both ends.
    Cycle {
        through: Vec<PluginId>,
    },
}

/// What became of one import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    pub import: Import,
    pub outcome: Outcome,
    /// The other candidates, the best first.
    pub passed_over: Vec<Refusal>,
    /// Functions the importer knows and may not call, whoever its user is. Resolving leaves it empty: it has no say in
    /// who is chosen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<Denied>,
}

/// A function that needs permissions the importer was not granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Denied {
    pub function: String,
    pub missing: Vec<PermissionName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    Linked {
        provider: Provider,
    },
    /// Calls answer `unavailable`, where the plugin is active nevertheless.
    Missing {
        required: bool,
    },
}

impl Resolution {
    pub fn plugin(&self, id: &PluginId, version: &Version) -> Option<&PluginResolution> {
        self.plugins.iter().find(|plugin| plugin.id == *id && plugin.version == *version)
    }
}

impl PluginResolution {
    pub fn is_active(&self) -> bool {
        self.status == Status::Active
    }
}

/// Resolves every import of every loaded plugin. A pair of id and version is loaded once; of
/// repeated ones the first counts.
pub fn resolve<'a>(
    loaded: impl IntoIterator<Item = &'a PluginVersion>,
    choices: &'a TenantChoices,
    agree: Agreement<'_>,
) -> Resolution {
    let mut plugins: Vec<&PluginVersion> = loaded.into_iter().collect();
    plugins.sort_by(|a, b| (&a.id, &a.version).cmp(&(&b.id, &b.version)));
    plugins.dedup_by(|later, first| (&later.id, &later.version) == (&first.id, &first.version));

    let mut rounds = Rounds::new(plugins, choices, agree);
    while rounds.deactivate_unserved() || rounds.deactivate_cycles() {}
    rounds.into_resolution()
}

/// The state between two rounds. Plugins are named by their index.
struct Rounds<'a> {
    plugins: Vec<&'a PluginVersion>,
    /// For each plugin and each of its imports, all candidates, the best first.
    candidates: Vec<Vec<Vec<Candidate<'a>>>>,
    inactive: Vec<Option<InactiveReason>>,
    choices: &'a TenantChoices,
}

impl<'a> Rounds<'a> {
    fn new(plugins: Vec<&'a PluginVersion>, choices: &'a TenantChoices, agree: Agreement<'_>) -> Self {
        let candidates_of = |importer: &&'a PluginVersion| {
            let each = importer.imports.iter();
            each.map(|import| candidate::all(importer, import, &plugins, choices, agree)).collect()
        };
        Rounds {
            candidates: plugins.iter().map(candidates_of).collect(),
            inactive: plugins.iter().map(|plugin| choices.exclude(plugin)).collect(),
            plugins,
            choices,
        }
    }

    /// Who would serve the import now.
    fn chosen(&self, plugin: usize, import: usize) -> Option<&Candidate<'a>> {
        let mut eligible = self.candidates[plugin][import].iter().filter(|candidate| candidate.refusal.is_none());
        eligible.find(|candidate| self.inactive[candidate.plugin].is_none())
    }

    /// Takes out, all at once, whoever lacks a required provider. Whether anyone was.
    fn deactivate_unserved(&mut self) -> bool {
        let unserved: Vec<(usize, InactiveReason)> =
            self.active().filter_map(|plugin| self.first_unserved(plugin).map(|reason| (plugin, reason))).collect();
        self.deactivate(unserved)
    }

    /// Takes out every member of a cycle of required links. Whether there was one.
    fn deactivate_cycles(&mut self) -> bool {
        let requires: Vec<Vec<usize>> = (0..self.plugins.len()).map(|plugin| self.required_providers(plugin)).collect();
        let in_cycle = self.active().filter_map(|plugin| {
            let way = cycle::back_to(plugin, &requires)?;
            let through = way.into_iter().map(|member| self.plugins[member].id.clone()).collect();
            Some((plugin, InactiveReason::Cycle { through }))
        });
        let in_cycle: Vec<_> = in_cycle.collect();
        self.deactivate(in_cycle)
    }

    fn active(&self) -> impl Iterator<Item = usize> {
        (0..self.plugins.len()).filter(|&plugin| self.inactive[plugin].is_none())
    }

    fn deactivate(&mut self, leaving: Vec<(usize, InactiveReason)>) -> bool {
        let any = !leaving.is_empty();
        for (plugin, reason) in leaving {
            self.inactive[plugin] = Some(reason);
        }
        any
    }

    fn first_unserved(&self, plugin: usize) -> Option<InactiveReason> {
        let imports = self.plugins[plugin].imports.iter().enumerate();
        let (index, import) =
            imports.filter(|(_, import)| import.required).find(|(index, _)| self.chosen(plugin, *index).is_none())?;
        let eligible = self.candidates[plugin][index].iter().find(|candidate| candidate.refusal.is_none());
        let interface = import.interface.clone();
        if !import.granted {
            return Some(InactiveReason::NotGranted { interface, reason: import.reason.clone() });
        }
        Some(match eligible {
            Some(candidate) => InactiveReason::ProviderInactive { interface, provider: candidate.provider() },
            None => InactiveReason::ProviderMissing {
                interface,
                requirement: import.requirement.clone(),
                reason: import.reason.clone(),
            },
        })
    }

    fn required_providers(&self, plugin: usize) -> Vec<usize> {
        if self.inactive[plugin].is_some() {
            return Vec::new();
        }
        let imports = self.plugins[plugin].imports.iter().enumerate();
        let chosen = imports.filter(|(_, import)| import.required).filter_map(|(index, _)| self.chosen(plugin, index));
        chosen.map(|candidate| candidate.plugin).collect()
    }

    fn into_resolution(self) -> Resolution {
        let mut serving = BTreeMap::new();
        let plugins = self.plugins.iter().enumerate().map(|(index, plugin)| {
            let status = match &self.inactive[index] {
                Some(reason) => Status::Inactive { reason: reason.clone() },
                None => {
                    // Versions of one plugin come in rising order, so the last one stays.
                    if self.choices.answers(plugin) {
                        serving.insert(plugin.id.clone(), plugin.version.clone());
                    }
                    Status::Active
                }
            };
            let links = plugin.imports.iter().enumerate().map(|(at, import)| self.link(index, at, import)).collect();
            PluginResolution { id: plugin.id.clone(), version: plugin.version.clone(), status, links }
        });
        Resolution { plugins: plugins.collect(), serving }
    }

    fn link(&self, plugin: usize, index: usize, import: &Import) -> Link {
        let chosen = self.chosen(plugin, index);
        let outcome = match chosen {
            Some(candidate) => Outcome::Linked { provider: candidate.provider() },
            None => Outcome::Missing { required: import.required },
        };
        let others = self.candidates[plugin][index]
            .iter()
            .filter(|candidate| chosen.is_none_or(|chosen| !std::ptr::eq(*candidate, chosen)));
        let passed_over = others.filter_map(|candidate| {
            let inactive = || self.inactive[candidate.plugin].as_ref();
            let reason = candidate.refusal.clone();
            let reason = reason.or_else(|| inactive().map(|why| PassedOver::Inactive { why: why.to_string() }));
            // Whoever could serve and is active was not chosen only because another was.
            let reason = reason.or_else(|| chosen.map(|chosen| chosen.precedence_over(candidate)))?;
            Some(Refusal { provider: candidate.provider(), reason })
        });
        Link { import: import.clone(), outcome, passed_over: passed_over.collect(), denied: Vec::new() }
    }
}

impl TenantChoices {
    /// Whether requests of the tenant may come to this version: not to one that is kept for plugins alone.
    pub fn answers(&self, plugin: &PluginVersion) -> bool {
        plugin.kept_for.is_none() || self.goes_on(plugin)
    }

    /// Whether this version, which was replaced, is what the tenant has in the place of what it cannot have.
    fn goes_on(&self, plugin: &PluginVersion) -> bool {
        plugin.stands_in
            && match self.wanted.get(&plugin.id) {
                Some(Wanted::StaysOn(version)) => *version == plugin.version,
                Some(Wanted::Pinned(pin)) => pin.matches(&plugin.version),
                _ => false,
            }
    }

    /// Why the tenant does not use this version, if so.
    fn exclude(&self, plugin: &PluginVersion) -> Option<InactiveReason> {
        if !self.enabled.contains(&plugin.id) {
            return Some(InactiveReason::NotEnabled);
        }
        // Before what is wanted: that names the version which the tenant stays on instead.
        let key = (plugin.id.clone(), plugin.version.clone());
        if let Some(reason) = self.held.get(&key) {
            return Some(reason.clone());
        }
        match self.wanted.get(&plugin.id) {
            Some(Wanted::Pinned(pin)) if !pin.matches(&plugin.version) => {
                Some(InactiveReason::Pinned { pin: pin.clone() })
            }
            Some(Wanted::RolledOut(version)) if !is_rolled_out(version, &plugin.version) => {
                Some(InactiveReason::RolledOut { version: version.clone() })
            }
            Some(Wanted::StaysOn(version)) if !is_rolled_out(version, &plugin.version) => {
                Some(InactiveReason::StaysOn { version: version.clone() })
            }
            Some(Wanted::UpTo(version)) if plugin.version > *version => {
                Some(InactiveReason::NotRolledOut { version: version.clone() })
            }
            _ => {
                let fields = self.unconfigured.get(&key)?;
                Some(InactiveReason::Unconfigured { fields: fields.clone() })
            }
        }
    }
}

fn is_rolled_out(chosen: &Version, version: &Version) -> bool {
    version == chosen || version < chosen && Track::of(version) != Track::of(chosen)
}
