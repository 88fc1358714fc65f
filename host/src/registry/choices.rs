//! What tenants and operators have decided, and what that makes of each plugin for one tenant.
//!
//! Pure and immutable: a change makes new [`Choices`], and with them a new snapshot. What a tenant pins counts first,
//! then a rollout, and where there is neither the highest version that works.

pub mod grants;
#[cfg(test)]
mod tests;
mod way_out;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use semver::{Version, VersionReq};

use self::grants::Grants;
use self::way_out::WayOut;
use super::lifecycle::Setbacks;
use super::resolve::{TenantChoices, Wanted};
use super::settings::Settings;
use crate::db;
use crate::hash::sha256;
use crate::id::{PluginId, TenantId};
use crate::runtime::PluginKey;

/// All decisions at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    tenants: HashMap<TenantId, BTreeMap<PluginId, PluginChoice>>,
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

/// Which tenants get which version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    pub version: Version,
    pub previous: Option<Version>,
    pub percent: u8,
    pub tenants: BTreeSet<TenantId>,
    pub revision: i64,
}

impl Rollout {
    /// Whether the tenant takes part.
    pub fn includes(&self, plugin: &PluginId, tenant: &TenantId) -> bool {
        self.tenants.contains(tenant) || place(plugin, tenant) < self.percent
    }

    fn version_of(&self, plugin: &PluginId, tenant: &TenantId) -> Option<&Version> {
        if self.includes(plugin, tenant) { Some(&self.version) } else { self.previous.as_ref() }
    }
}

/// Where a tenant stands among a hundred, the same always: whoever takes part at 10 percent does at 20. For each
/// plugin it is another place, so that the same tenants are not always the first.
fn place(plugin: &PluginId, tenant: &TenantId) -> u8 {
    let digest = sha256(format!("{plugin}\n{tenant}").as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    u8::try_from(number % 100).unwrap_or(0)
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
        self.tenants.is_empty() && self.rollouts.is_empty() && self.settings.is_empty()
    }

    /// The tenants that have decided or set something, and so may have another view than the rest.
    pub fn tenants(&self) -> BTreeSet<&TenantId> {
        let named = self.rollouts.values().flat_map(|rollout| &rollout.tenants);
        self.tenants.keys().chain(self.settings.tenants()).chain(named).collect()
    }

    pub fn rollouts(&self) -> &BTreeMap<PluginId, Rollout> {
        &self.rollouts
    }

    /// What a tenant has decided about a plugin.
    pub fn decision(&self, tenant: &TenantId, plugin: &PluginId) -> PluginChoice {
        self.decided(tenant, plugin).cloned().unwrap_or_default()
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
            let rollout = self.rollouts.get(plugin);
            let wanted = pin.or_else(|| {
                let rollout = rollout?;
                let version = match tenant {
                    Some(tenant) => rollout.version_of(plugin, tenant),
                    None if rollout.percent == 100 => Some(&rollout.version),
                    None => rollout.previous.as_ref(),
                };
                Some(Wanted::RolledOut(version.cloned()))
            });
            let way_out = WayOut { plugin, loaded: &versions, setbacks, unconfigured: &choices.unconfigured };
            let (stays, held) = way_out.take(wanted.as_ref(), rollout);
            let wanted = stays.map(|version| Wanted::RolledOut(Some(version))).or(wanted);
            choices.wanted.extend(wanted.map(|wanted| (plugin.clone(), wanted)));
            choices.held.extend(held.into_iter().map(|(version, reason)| ((plugin.clone(), version.clone()), reason)));
        }
        choices
    }
}

impl Rollout {
    fn read(row: db::Rollout) -> Option<Self> {
        let version = |text: &str| Version::parse(text).ok();
        let previous = match row.previous.as_deref() {
            Some(text) => Some(version(text)?),
            None => None,
        };
        Some(Self {
            version: version(&row.version)?,
            previous,
            percent: u8::try_from(row.percent).ok()?,
            tenants: row.tenants.iter().filter_map(|tenant| TenantId::parse(tenant).ok()).collect(),
            revision: row.revision,
        })
    }
}

fn requirement(text: Option<&str>) -> Result<Option<VersionReq>, semver::Error> {
    text.map(VersionReq::parse).transpose()
}
