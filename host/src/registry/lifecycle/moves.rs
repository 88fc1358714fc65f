//! What runs for each tenant, and which versions it could not be moved to.
//!
//! What runs is written down in the control plane and kept here as well. What failed is kept here alone: a host that
//! starts anew tries again, as it does when the file has changed or somebody says so. Bound: one failure for each tenant
//! and loaded version. Whatever a tenant's versions are chosen from has a number that changes with it ([`Moves::state_of`]),
//! so nobody chooses from what is no longer so.

mod under_way;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use jiff::Timestamp;
use semver::Version;

pub use self::under_way::UnderWay;
use super::failure::{Setback, Tries};
use super::{Failure, ON_INSTALL};
use crate::config::LifecycleConfig;
use crate::id::{PluginId, TenantId};
use crate::registry::Plugin;
use crate::registry::resolve::InactiveReason;
use crate::runtime::PluginKey;

/// All tenants.
#[derive(Default)]
pub struct Moves {
    state: RwLock<State>,
    /// So that nobody needs the lock while every tenant can have what it is to have.
    any_setback: AtomicBool,
}

#[derive(Default)]
struct State {
    running: HashMap<TenantId, BTreeSet<PluginKey>>,
    failed: HashMap<TenantId, BTreeMap<PluginKey, Failed>>,
    /// What only circumstances prevented, with the file that it was of: kept while it is tried again.
    tries: HashMap<TenantId, BTreeMap<PluginKey, (String, Tries)>>,
    under_way: HashMap<TenantId, BTreeMap<PluginKey, UnderWay>>,
    /// How often what a tenant's versions are chosen from has changed.
    changes: HashMap<TenantId, u64>,
}

/// How a tenant could not be moved to a version.
#[derive(Debug, Clone)]
pub struct Failed {
    pub failure: Failure,
    pub since: Timestamp,
    pub standing: Standing,
    sha256: String,
    /// When it is tried again by itself.
    again: Option<Instant>,
}

/// What a failure means for the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The plugin is to blame: the tenant stays on what ran before, or gets another version.
    Settled,
    /// It may be over soon: the tenant stays on what ran before until then.
    Passing,
    /// It may be over soon, and nothing ran before: the next request after its pause tries again. Another version is no
    /// way out, as the tenant's data would go with it.
    InTheWay,
}

impl Failed {
    /// Whether requests are told of it, and do not try themselves.
    pub(super) fn holds(&self) -> bool {
        self.standing != Standing::InTheWay || self.again.is_some_and(|again| Instant::now() < again)
    }
}

/// What of this counts when a tenant's versions are chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setbacks {
    /// Versions that it could not be moved to, and those that others stand in for until they are activated.
    pub held: BTreeMap<(PluginId, Version), InactiveReason>,
    /// The highest version of each plugin that runs.
    pub ran: BTreeMap<PluginId, Version>,
}

impl State {
    fn has_setback(&self) -> bool {
        !self.failed.is_empty() || self.under_way.values().flatten().any(|(_, move_)| move_.is_stood_in_for())
    }
}

impl Moves {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every change of what a tenant's versions are chosen from ends with this.
    fn changed(&self, state: &mut State, tenant: &TenantId) {
        match state.changes.get_mut(tenant) {
            Some(changes) => *changes += 1,
            None => _ = state.changes.insert(tenant.clone(), 1),
        }
        self.any_setback.store(state.has_setback(), Ordering::Release);
    }

    /// A number that is another as soon as the tenant's versions may be others.
    pub fn state_of(&self, tenant: &TenantId) -> u64 {
        self.read().changes.get(tenant).copied().unwrap_or_default()
    }

    /// True while no tenant is held back from a version.
    pub fn all_went_well(&self) -> bool {
        !self.any_setback.load(Ordering::Acquire)
    }

    pub fn runs(&self, tenant: &TenantId, plugin: &PluginKey) -> bool {
        self.read().running.get(tenant).is_some_and(|running| running.contains(plugin))
    }

    /// The versions of a plugin that run for a tenant.
    pub fn running(&self, tenant: &TenantId, plugin: &PluginId) -> Vec<PluginKey> {
        let state = self.read();
        let running = state.running.get(tenant).into_iter().flatten();
        running.filter(|key| key.id == *plugin).cloned().collect()
    }

    /// Whether there is a tenant that one version runs for and another does not.
    pub(in crate::registry) fn any_runs_without(&self, one: &PluginKey, other: &PluginKey) -> bool {
        self.read().running.values().any(|running| running.contains(one) && !running.contains(other))
    }

    /// The tenants that a plugin runs for, in some version, or failed to.
    pub fn tenants(&self, plugin: &PluginId) -> BTreeSet<TenantId> {
        let state = self.read();
        let running = state.running.iter().filter(|(_, keys)| keys.iter().any(|key| key.id == *plugin));
        let failed = state.failed.iter().filter(|(_, keys)| keys.keys().any(|key| key.id == *plugin));
        running.map(|(tenant, _)| tenant.clone()).chain(failed.map(|(tenant, _)| tenant.clone())).collect()
    }

    /// Notes what runs, in the place of others. That it failed before is forgotten.
    pub(in crate::registry) fn set_running(&self, tenant: &TenantId, plugin: PluginKey, instead_of: &[PluginKey]) {
        let mut state = self.write();
        remove(&mut state.tries, tenant, &plugin);
        remove(&mut state.failed, tenant, &plugin);
        remove(&mut state.under_way, tenant, &plugin);
        let running = state.running.entry(tenant.clone()).or_default();
        instead_of.iter().for_each(|key| _ = running.remove(key));
        running.insert(plugin);
        self.changed(&mut state, tenant);
    }

    /// Notes that nothing of a plugin runs for a tenant any more; for any, if none is named.
    pub(super) fn stop(&self, tenant: Option<&TenantId>, plugin: &PluginId) {
        let mut state = self.write();
        let mut stopped = Vec::new();
        for (known, running) in
            state.running.iter_mut().filter(|(known, _)| tenant.is_none_or(|tenant| tenant == *known))
        {
            running.retain(|key| key.id != *plugin);
            stopped.push(known.clone());
        }
        state.running.retain(|_, running| !running.is_empty());
        stopped.iter().for_each(|tenant| self.changed(&mut state, tenant));
    }

    /// Judges a failure by those before it.
    pub(super) fn judge(
        &self,
        tenant: &TenantId,
        plugin: &Plugin,
        failure: Failure,
        limits: &LifecycleConfig,
    ) -> Setback {
        let mut state = self.write();
        let known = state.tries.entry(tenant.clone()).or_default().entry(plugin.key().clone()).or_default();
        if known.0 != plugin.sha256 {
            *known = (plugin.sha256.clone(), Tries::default());
        }
        known.1.judge(failure, limits)
    }

    /// Notes a failure, and gives what it means for the tenant.
    pub(super) fn fail(&self, tenant: &TenantId, plugin: &Plugin, setback: Setback) -> Standing {
        let mut state = self.write();
        let Setback { failure, is_settled, again } = setback;
        let mut running = state.running.get(tenant).into_iter().flatten();
        let standing = match running.any(|key| key.id == plugin.key().id) {
            _ if is_settled => Standing::Settled,
            true => Standing::Passing,
            false => Standing::InTheWay,
        };
        let failed = state.failed.entry(tenant.clone()).or_default();
        let known = failed.get(plugin.key()).filter(|known| known.sha256 == plugin.sha256);
        let since = known.map_or_else(Timestamp::now, |known| known.since);
        let failure = Failed { failure, since, standing, sha256: plugin.sha256.clone(), again };
        failed.insert(plugin.key().clone(), failure);
        remove(&mut state.under_way, tenant, plugin.key());
        self.changed(&mut state, tenant);
        standing
    }

    /// Why a tenant could not be moved to a version, if so.
    pub fn failed(&self, tenant: &TenantId, plugin: &PluginKey) -> Option<Failed> {
        if self.all_went_well() {
            return None;
        }
        self.read().failed.get(tenant)?.get(plugin).cloned()
    }

    /// For which tenants a version failed.
    pub fn failed_for(&self, plugin: &PluginKey) -> Vec<(TenantId, Failed)> {
        let state = self.read();
        let each =
            state.failed.iter().filter_map(|(tenant, failed)| Some((tenant.clone(), failed.get(plugin)?.clone())));
        each.collect()
    }

    /// The versions that failed for some tenant.
    pub fn failed_versions(&self) -> BTreeSet<PluginKey> {
        if self.all_went_well() {
            return BTreeSet::new();
        }
        self.read().failed.values().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// Lets a tenant try everything again.
    pub(super) fn forgive(&self, tenant: &TenantId) {
        self.write().tries.remove(tenant);
        self.forgive_where(|known, _, _| known == tenant);
    }

    /// Forgets failures of files that are no longer there, those that are to be tried again, and those of plugins that
    /// could not be installed and are by now.
    pub(super) fn forgive_due(&self, plugins: &[Arc<Plugin>], is_installed: impl Fn(&PluginId) -> bool) {
        let is_there = |key: &PluginKey, sha256: &String| {
            plugins.iter().any(|plugin| plugin.key() == key && plugin.sha256 == *sha256)
        };
        let mut state = self.write();
        for tries in state.tries.values_mut() {
            tries.retain(|key, (sha256, _)| is_there(key, sha256));
        }
        state.tries.retain(|_, tries| !tries.is_empty());
        drop(state);
        if self.all_went_well() {
            return;
        }
        let now = Instant::now();
        self.forgive_where(|_, key, failed| {
            // What is in the way stays to be seen: the next request tries.
            let is_due = failed.standing != Standing::InTheWay && failed.again.is_some_and(|again| again <= now);
            let is_installed = failed.failure.hook == ON_INSTALL && is_installed(&key.id);
            is_due || is_installed || !is_there(key, &failed.sha256)
        });
    }

    fn forgive_where(&self, is_forgiven: impl Fn(&TenantId, &PluginKey, &Failed) -> bool) {
        let mut state = self.write();
        let mut forgiven = BTreeSet::new();
        state.failed.retain(|tenant, failed| {
            let before = failed.len();
            failed.retain(|key, failed| !is_forgiven(tenant, key, failed));
            if failed.len() < before {
                forgiven.insert(tenant.clone());
            }
            !failed.is_empty()
        });
        forgiven.iter().for_each(|tenant| self.changed(&mut state, tenant));
    }

    /// What counts when this tenant's versions are chosen, and the number of that state.
    pub fn setbacks(&self, tenant: &TenantId) -> (Setbacks, u64) {
        let state = self.read();
        // In rising order, so that the highest stays.
        let running = state.running.get(tenant).into_iter().flatten();
        let ran = running.map(|key| (key.id.clone(), key.version.clone()));
        let failed = state.failed.get(tenant).into_iter().flatten();
        let failed = failed.filter(|(_, failed)| failed.standing != Standing::InTheWay);
        let failed = failed.map(|(key, failed)| (key, InactiveReason::Failed { reason: failed.failure.to_string() }));
        let under_way = state.under_way.get(tenant).into_iter().flatten();
        let stood_in_for = under_way.filter(|(_, move_)| move_.is_stood_in_for());
        let stood_in_for = stood_in_for.map(|(key, _)| (key, InactiveReason::Activating));
        let held = failed.chain(stood_in_for).map(|(key, reason)| ((key.id.clone(), key.version.clone()), reason));
        let setbacks = Setbacks { held: held.collect(), ran: ran.collect() };
        (setbacks, state.changes.get(tenant).copied().unwrap_or_default())
    }
}

/// Removes what is kept of a tenant's version, and of the tenant if that was all.
fn remove<T>(kept: &mut HashMap<TenantId, BTreeMap<PluginKey, T>>, tenant: &TenantId, plugin: &PluginKey) {
    if let Some(of_tenant) = kept.get_mut(tenant) {
        of_tenant.remove(plugin);
        if of_tenant.is_empty() {
            kept.remove(tenant);
        }
    }
}
