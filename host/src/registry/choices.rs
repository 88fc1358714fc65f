//! What tenants and operators have decided, and what that makes of each plugin for one tenant.
//!
//! Pure and immutable: a change makes new [`Choices`], and with them a new snapshot. What a tenant pins counts first,
//! then a rollout, and where there is neither the highest version that works.

pub mod grants;
pub mod rollout;
#[cfg(test)]
mod tests;
mod way_out;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use semver::{Version, VersionReq};

use self::grants::Grants;
use self::rollout::Rollout;
use self::way_out::WayOut;
use super::lifecycle::Setbacks;
use super::resolve::{TenantChoices, Wanted};
use super::settings::Settings;
use crate::db;
use crate::id::{PluginId, TenantId};
use crate::runtime::PluginKey;

/// All decisions at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    tenants: HashMap<TenantId, BTreeMap<PluginId, PluginChoice>>,
    /// Those that were ended among them.
    rollouts: BTreeMap<PluginId, Rollout>,
    grants: Grants,
    settings: Arc<Settings>,
}

/// What a tenant has decided about a plugin, and what happened when it was to move to another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginChoice {
    pub enabled: bool,
    pub pin: Option<VersionReq>,
    /// Of the decision; 0 while there is none.
    pub revision: i64,
}

impl Default for PluginChoice {
    fn default() -> Self {
        Self { enabled: true, pin: None, revision: 0 }
    }
}

impl Choices {
    /// Reads what was written down. A row that is no longer understood is told and left out.
    /// Without a list of grants every plugin has what it asks for.
    pub fn read(decisions: Vec<db::TenantPlugin>, rollouts: Vec<db::Rollout>, grants: Option<Vec<db::Grant>>) -> Self {
        let grants = grants.map_or(Grants::Automatic, Grants::read);
        let mut choices = Self { grants, ..Self::default() };
        for row in decisions {
            match (TenantId::parse(&row.tenant), PluginId::parse(&row.plugin), requirement(row.pin.as_deref())) {
                (Ok(tenant), Ok(plugin), Ok(pin)) => {
                    let choice = PluginChoice { enabled: row.enabled, pin, revision: row.revision };
                    choices.tenants.entry(tenant).or_default().insert(plugin, choice);
                }
                _ => tracing::error!(tenant = row.tenant, plugin = row.plugin, "a tenant's decision cannot be read"),
            }
        }
        for row in rollouts {
            let plugin = row.plugin.clone();
            match (PluginId::parse(&plugin), Rollout::read(row)) {
                (Ok(plugin), Some(rollout)) => _ = choices.rollouts.insert(plugin, rollout),
                _ => tracing::error!(plugin, "a rollout cannot be read"),
            }
        }
        choices
    }

    /// The same decisions, with what tenants have set.
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings: Arc::new(settings), ..self }
    }

    /// What tenants have set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether every tenant has the same.
    pub fn are_the_same_for_all(&self) -> bool {
        self.tenants.is_empty() && self.rollouts().next().is_none() && self.settings.is_empty()
    }

    /// The tenants that have decided or set something, and so may have another view than the rest.
    pub fn tenants(&self) -> BTreeSet<&TenantId> {
        let named = self.rollouts().flat_map(|(_, rollout)| &rollout.steps).flat_map(|step| &step.tenants);
        self.tenants.keys().chain(self.settings.tenants()).chain(named).collect()
    }

    /// What is rolled out by hand.
    pub fn rollouts(&self) -> impl Iterator<Item = (&PluginId, &Rollout)> {
        self.rollouts.iter().filter(|(_, rollout)| !rollout.ended)
    }

    pub fn rollout(&self, plugin: &PluginId) -> Option<&Rollout> {
        self.remembered(plugin).filter(|rollout| !rollout.ended)
    }

    /// The same, also if it was ended and is kept for the way back alone.
    pub fn remembered(&self, plugin: &PluginId) -> Option<&Rollout> {
        self.rollouts.get(plugin)
    }

    /// The same decisions, but for this one.
    pub fn with_rollout(&self, plugin: &PluginId, rollout: Rollout) -> Self {
        let mut choices = self.clone();
        choices.rollouts.insert(plugin.clone(), rollout);
        choices
    }

    /// What a tenant has decided about a plugin.
    pub fn decision(&self, tenant: &TenantId, plugin: &PluginId) -> PluginChoice {
        self.decided(tenant, plugin).cloned().unwrap_or_default()
    }

    /// What tenants have pinned a plugin to, where it is switched on.
    pub fn pins(&self, plugin: &PluginId) -> impl Iterator<Item = &VersionReq> {
        let decided = self.tenants.values().filter_map(|decided| decided.get(plugin));
        decided.filter(|choice| choice.enabled).filter_map(|choice| choice.pin.as_ref())
    }

    fn decided(&self, tenant: &TenantId, plugin: &PluginId) -> Option<&PluginChoice> {
        self.tenants.get(tenant)?.get(plugin)
    }

    /// What resolution needs to know for one tenant; for one that has decided nothing and stands outside every
    /// rollout's share, if there is none. Where the tenant cannot have the version it is to have, it stays on the one
    /// that ran before.
    pub fn of<'a>(
        &self,
        tenant: Option<&TenantId>,
        plugins: impl Iterator<Item = &'a PluginKey>,
        setbacks: &Setbacks,
        unconfigured: BTreeMap<(PluginId, Version), Vec<String>>,
    ) -> TenantChoices {
        let mut loaded: BTreeMap<&PluginId, Vec<&Version>> = BTreeMap::new();
        plugins.for_each(|key| loaded.entry(&key.id).or_default().push(&key.version));
        let mut choices = TenantChoices { unconfigured, ..TenantChoices::default() };
        for (plugin, versions) in loaded {
            let decided = tenant.and_then(|tenant| self.decided(tenant, plugin));
            if decided.is_none_or(|choice| choice.enabled) {
                choices.enabled.insert(plugin.clone());
            }
            let pin = decided.and_then(|choice| choice.pin.clone()).map(Wanted::Pinned);
            let rollout = self.rollout(plugin);
            let wanted = pin.or_else(|| Some(rollout?.wanted(plugin, tenant, &versions)));
            let way_out = WayOut { plugin, loaded: &versions, setbacks, unconfigured: &choices.unconfigured };
            let (stays, held) = way_out.take(wanted.as_ref(), rollout);
            let wanted = stays.map(Wanted::StaysOn).or(wanted);
            choices.wanted.extend(wanted.map(|wanted| (plugin.clone(), wanted)));
            choices.held.extend(held.into_iter().map(|(version, reason)| ((plugin.clone(), version.clone()), reason)));
        }
        choices
    }
}

fn requirement(text: Option<&str>) -> Result<Option<VersionReq>, semver::Error> {
    text.map(VersionReq::parse).transpose()
}
