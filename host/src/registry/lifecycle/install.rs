//! A plugin installed, once for all tenants and all versions, and uninstalled.
//!
//! Invariants: one `on-install` or `on-uninstall` of a plugin at a time. A plugin that is leaving comes to nobody, and is
//! not installed again, from before its `on-uninstall` until it is gone from the snapshot or stays after all. By its
//! serial number: what is brought afterwards under the same id is another plugin, and is installed anew.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use super::failure::{Setback, Tries};
use super::{Failure, Lifecycle, ON_INSTALL, ON_UNINSTALL, hooks};
use crate::config::LifecycleConfig;
use crate::db::{ControlPlane, DbError};
use crate::id::{PluginId, TenantId};
use crate::registry::{Plugin, Snapshot};
use crate::runtime::{Cause, LinkTable, PluginKey};

/// What was installed, and what could not be.
#[derive(Default)]
pub(super) struct Installs {
    state: Mutex<State>,
    /// Held by whoever calls a plugin's function.
    turns: Mutex<HashMap<PluginId, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Default)]
struct State {
    installed: HashSet<PluginId>,
    failed: HashMap<PluginKey, Tried>,
    /// How those failed last that a host before this one could not install, until this one has tried.
    before: HashMap<PluginId, InstallFailure>,
}

/// How a version failed, since when, and how often.
struct Tried {
    sha256: String,
    tries: Tries,
    setback: Setback,
    since: Timestamp,
}

/// Why a plugin is not installed.
#[derive(Debug, Clone)]
pub struct InstallFailure {
    pub reason: String,
    pub since: Timestamp,
    /// Whether the plugin is to blame, as far as can be told.
    pub is_settled: bool,
    /// Of a failure that is only known from before this host was started.
    version: Option<String>,
}

impl Installs {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, plugin: &PluginId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(plugin.clone()).or_default().clone()
    }

    /// Reads what a host before this one has installed, and how it failed at the rest.
    pub async fn read(&self, control: &dyn ControlPlane) -> Result<(), DbError> {
        let known = control.installation_list().await?;
        let failures = control.installation_failure_list().await?;
        let mut state = self.state();
        state.installed = known.iter().filter_map(|id| PluginId::parse(id).ok()).collect();
        for row in failures {
            let Ok(id) = PluginId::parse(&row.plugin) else { continue };
            let (reason, since) = (format!("{ON_INSTALL}: {}", row.message), row.at);
            let failure = InstallFailure { reason, since, is_settled: true, version: Some(row.version) };
            state.before.insert(id, failure);
        }
        Ok(())
    }

    pub fn has(&self, plugin: &PluginId) -> bool {
        self.state().installed.contains(plugin)
    }

    /// Lets everything be tried again.
    pub fn forgive(&self) {
        self.state().failed.clear();
    }

    /// Forgets how files failed that are no longer there.
    pub fn keep_of(&self, plugins: &[Arc<Plugin>]) {
        let is_there =
            |key: &PluginKey, sha256: &str| plugins.iter().any(|plugin| plugin.key() == key && plugin.sha256 == sha256);
        self.state().failed.retain(|key, tried| is_there(key, &tried.sha256));
    }

    /// The failure that nobody need repeat now.
    fn standing(&self, plugin: &Plugin) -> Option<Setback> {
        let state = self.state();
        let tried = state.failed.get(plugin.key()).filter(|tried| tried.sha256 == plugin.sha256)?;
        (!tried.setback.is_over()).then(|| tried.setback.clone())
    }

    fn installed(&self, plugin: &PluginId) {
        let mut state = self.state();
        state.failed.retain(|key, _| key.id != *plugin);
        state.before.remove(plugin);
        state.installed.insert(plugin.clone());
    }

    fn failed(&self, plugin: &Plugin, failure: Failure, limits: &LifecycleConfig) -> Setback {
        let (key, sha256) = (plugin.key(), plugin.sha256.clone());
        let mut state = self.state();
        state.before.remove(&key.id);
        let known = state.failed.remove(key).filter(|tried| tried.sha256 == sha256);
        let (mut tries, since) =
            known.map_or_else(|| (Tries::default(), Timestamp::now()), |tried| (tried.tries, tried.since));
        let setback = tries.judge(failure, limits);
        state.failed.insert(key.clone(), Tried { sha256, tries, setback: setback.clone(), since });
        setback
    }
}

/// Keeps a plugin marked as leaving. Dropped, it is not any more: it stays after all, or is gone.
pub struct Leaving {
    lifecycle: Arc<Lifecycle>,
    serial: Option<u64>,
}

impl Leaving {
    /// Leaves the mark until the plugin is gone from the snapshot.
    pub fn until_gone(mut self) {
        self.serial = None;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(serial) = self.serial {
            self.lifecycle.leaving.lock().unwrap_or_else(PoisonError::into_inner).remove(&serial);
        }
    }
}

impl Lifecycle {
    /// Installs a plugin unless that was done, once for all tenants and all versions.
    pub(in crate::registry) async fn install(
        &self,
        plugin: &Arc<Plugin>,
        links: &Arc<LinkTable>,
    ) -> Result<(), Setback> {
        let key = plugin.key();
        if plugin.hook(ON_INSTALL).is_none() || self.installs.has(&key.id) {
            return Ok(());
        }
        let turn = self.installs.turn(&key.id);
        let _turn = turn.lock().await;
        if self.installs.has(&key.id) {
            return Ok(());
        }
        if self.is_leaving(plugin) {
            let failure = Failure::new(ON_INSTALL, Cause::Host, "the plugin is being uninstalled");
            return Err(Setback { failure, is_settled: false, again: Some(Instant::now()) });
        }
        if let Some(setback) = self.installs.standing(plugin) {
            return Err(setback);
        }
        let nobody = TenantId::nobody();
        let called = hooks::call(&self.runtime, plugin, ON_INSTALL, &nobody, links, self.limits.deadline()).await;
        let installed = match called {
            Ok(()) => {
                let version = key.version.to_string();
                let put = self.control.installation_put(key.id.as_str(), &version, Timestamp::now()).await;
                put.map_err(|error| Failure::unwritten(ON_INSTALL, error))
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = installed {
            let setback = self.installs.failed(plugin, failure, &self.limits);
            self.tell(&nobody, key, &setback.failure);
            return Err(setback);
        }
        self.installs.installed(&key.id);
        tracing::info!(plugin = %key, "the plugin was installed");
        Ok(())
    }

    /// Why a plugin could not be installed, if so: by this host, or by one before it as long as this has not tried.
    pub fn install_failure(&self, plugin: &Plugin) -> Option<InstallFailure> {
        let (id, state) = (&plugin.key().id, self.installs.state());
        if let Some(tried) = state.failed.get(plugin.key()).filter(|tried| tried.sha256 == plugin.sha256) {
            let Setback { failure, is_settled, .. } = &tried.setback;
            let (reason, since, is_settled) = (failure.to_string(), tried.since, *is_settled);
            return Some(InstallFailure { reason, since, is_settled, version: None });
        }
        let version = plugin.key().version.to_string();
        let is_of_it = |failure: &&InstallFailure| failure.version.as_ref() == Some(&version);
        // Of other bytes, it may be, but of the same version.
        state.before.get(id).filter(is_of_it).filter(|_| plugin.hook(ON_INSTALL).is_some()).cloned()
    }

    /// Whether a plugin is being uninstalled.
    pub fn is_leaving(&self, plugin: &Plugin) -> bool {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).contains(&plugin.prepared.serial())
    }

    /// Takes the marks from those that are gone.
    pub(in crate::registry) fn gone(&self, snapshot: &Snapshot) {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.retain(|serial| snapshot.plugins().iter().any(|plugin| plugin.prepared.serial() == *serial));
    }

    /// Tells a plugin that it is going to be removed, and forgets that it was installed. With `force` also if it fails.
    /// From now on it is leaving, until what this gives is dropped.
    pub(in crate::registry) async fn uninstall(
        self: &Arc<Self>,
        plugin: &Plugin,
        links: &Arc<LinkTable>,
        force: bool,
    ) -> Result<Leaving, UninstallError> {
        let (key, serial) = (plugin.key(), plugin.prepared.serial());
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).insert(serial);
        let leaving = Leaving { lifecycle: self.clone(), serial: Some(serial) };
        // What began before would be written down after the plugin was forgotten.
        self.landed(&key.id).await;
        let turn = self.installs.turn(&key.id);
        let _turn = turn.lock().await;
        let nobody = TenantId::nobody();
        let called = hooks::call(&self.runtime, plugin, ON_UNINSTALL, &nobody, links, self.limits.deadline()).await;
        if let Err(failure) = called {
            self.tell(&nobody, key, &failure);
            if !force {
                return Err(UninstallError::Failed(failure));
            }
        }
        self.control.installation_delete(key.id.as_str()).await?;
        self.moves.stop(None, &key.id);
        self.installs.state().installed.remove(&key.id);
        Ok(leaving)
    }
}

/// Why a plugin was not uninstalled.
#[derive(Debug, thiserror::Error)]
pub enum UninstallError {
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error(transparent)]
    Control(#[from] DbError),
}
