//! Tenants on their way to the versions they are to have.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio::time::MissedTickBehavior;

use super::lifecycle::{Failure, Leaving, NotYet, ON_INSTALL, Patience, Target, UninstallError};
use super::{Plugin, Registry, Served, TenantView};
use crate::db::DbError;
use crate::id::{PluginId, TenantId};
use crate::log::chain;

/// Versions that fail one after the other before a tenant's request is given up; the next one goes on from there.
const ROUNDS: usize = 8;

/// Why a tenant cannot call a plugin now.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("plugin {plugin} is being set up for the tenant and is not ready yet; try again")]
    Moving { plugin: String },
    #[error("plugin {plugin} could not be set up for the tenant: {reason}")]
    Hindered { plugin: String, reason: Arc<str> },
    #[error("plugin {plugin} is being uninstalled and comes to no tenant any more")]
    Uninstalling { plugin: String },
}

impl Registry {
    /// The tenant's view of now, with what it needs to call the plugin in place: data moved, plugins activated. A version
    /// that cannot be brought to the tenant is not in the view, and neither is one that takes longer to come than
    /// `lifecycle.handover_ms` while what ran before can stand in. While all is in place it costs a look.
    ///
    /// # Errors
    ///
    /// When that takes longer than `wait`. It goes on by itself.
    pub async fn ready(&self, tenant: &TenantId, plugin: &str, wait: Duration) -> Result<Arc<TenantView>, NotReady> {
        self.come(tenant, plugin, wait, Patience::StandIn).await
    }

    /// The same once the version that the tenant is to have has come, or failed.
    ///
    /// # Errors
    ///
    /// When that takes longer than `wait`. It goes on by itself.
    pub async fn moved(&self, tenant: &TenantId, plugin: &str, wait: Duration) -> Result<Arc<TenantView>, NotReady> {
        let end = Instant::now() + wait;
        // What stands in for one that is on its way would be taken for what it is to have.
        if tokio::time::timeout(wait, self.lifecycle.landed_at(tenant, plugin)).await.is_err() {
            return Err(NotReady::Moving { plugin: plugin.to_owned() });
        }
        self.come(tenant, plugin, end.saturating_duration_since(Instant::now()), Patience::End).await
    }

    async fn come(
        &self,
        tenant: &TenantId,
        plugin: &str,
        wait: Duration,
        mut patience: Patience,
    ) -> Result<Arc<TenantView>, NotReady> {
        let (mut until, mut failed, mut stood_in_for) = (None, 0, None);
        while failed < ROUNDS {
            // Before all that follows from it.
            let state = self.lifecycle.moves().state_of(tenant);
            let snapshot = self.snapshot();
            let view = snapshot.view(tenant);
            let Some(Served::Active(serving)) = view.served(plugin) else { return Ok(view) };
            let needs = view.needs(serving);
            if needs.is_empty() || snapshot.is_ready(tenant, serving, state) {
                return Ok(view);
            }
            // What was to stand in has gone meanwhile.
            if stood_in_for == Some(serving.prepared.serial()) {
                patience = Patience::End;
            }
            let until = *until.get_or_insert_with(|| Instant::now() + wait);
            let target = Target { tenant, links: view.links(), loaded: snapshot.plugins(), state };
            match self.lifecycle.bring(&target, needs, patience, until).await {
                Ok(()) => {
                    snapshot.set_ready(tenant, serving, state);
                    // Had another become current meanwhile, its versions may be others.
                    if Arc::ptr_eq(&snapshot, &self.snapshot()) {
                        return Ok(view);
                    }
                }
                Err(NotYet::Failed) => failed += 1,
                Err(NotYet::Changed) => {}
                Err(NotYet::StoodInFor) => stood_in_for = Some(serving.prepared.serial()),
                Err(NotYet::Hindered(reason)) => return Err(NotReady::Hindered { plugin: plugin.to_owned(), reason }),
                Err(NotYet::Uninstalling(plugin)) => return Err(NotReady::Uninstalling { plugin: plugin.to_string() }),
                Err(NotYet::Moving) => break,
            }
        }
        Err(NotReady::Moving { plugin: plugin.to_owned() })
    }

    /// Lets the tenant be moved again to what failed before.
    pub fn retry(&self, tenant: &TenantId) {
        self.lifecycle.retry(tenant);
    }

    /// Tells a plugin that it is switched off for a tenant; before that is written down.
    ///
    /// # Errors
    ///
    /// What the plugin has against it, or how it failed.
    pub async fn deactivate(&self, tenant: &TenantId, plugin: &PluginId) -> Result<(), Failure> {
        let snapshot = self.snapshot();
        let running = self.lifecycle.moves().running(tenant, plugin);
        let running: Vec<Arc<Plugin>> =
            snapshot.plugins().iter().filter(|known| running.contains(known.key())).cloned().collect();
        self.lifecycle.deactivate(tenant, &running, snapshot.view(tenant).links()).await
    }

    /// Tells a plugin that it is going to be uninstalled, before its last version is removed. With `force` it goes on
    /// although the plugin fails at that; the failure is kept. It comes to no tenant until what this gives is dropped.
    ///
    /// # Errors
    ///
    /// What the plugin has against it, or how it failed; when the control plane cannot be written.
    pub async fn before_uninstall(&self, plugin: &Plugin, force: bool) -> Result<Leaving, UninstallError> {
        let leaving = self.lifecycle.uninstall(plugin, self.snapshot().default_view().links(), force).await?;
        // It runs for nobody now: should it stay after all, it is brought to each tenant anew.
        let _files = self.files.lock().await;
        let now = self.snapshot();
        self.set_current(now.with_choices(now.choices().clone()));
        Ok(leaving)
    }

    /// Lets the tenants of a plugin be moved in the background to what they are to have now.
    pub fn settle_soon(&self, plugin: &PluginId) {
        self.unsettle(plugin, None);
    }

    /// The same for one tenant.
    pub fn settle_tenant_soon(&self, plugin: &PluginId, tenant: &TenantId) {
        self.unsettle(plugin, Some(tenant.clone()));
    }

    fn unsettle(&self, plugin: &PluginId, tenant: Option<TenantId>) {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).insert((plugin.clone(), tenant));
        self.changed.notify_one();
    }

    /// Does what nobody waits for, for as long as the host runs: installs new plugins, moves tenants, tries again what the
    /// host was in the way of, takes over what other processes have decided, and writes down what was counted.
    pub async fn tend(&self) {
        let mut ticks = tokio::time::interval(self.lifecycle.flush_interval());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let flushing = async {
            loop {
                ticks.tick().await;
                self.flush().await;
                self.lifecycle.forgive_due(self.snapshot().plugins());
                self.install_new().await;
            }
        };
        let deciding = async {
            let mut ticks = tokio::time::interval(self.lifecycle.decisions_interval());
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut fails = false;
            loop {
                ticks.tick().await;
                let decided = self.decide_as_others().await;
                if let (Err(error), false) = (&decided, fails) {
                    tracing::error!(%error, "it cannot be seen what others have decided; what was decided before counts");
                }
                fails = decided.is_err();
            }
        };
        let settling = async {
            loop {
                self.changed.notified().await;
                let unsettled = std::mem::take(&mut *self.unsettled.lock().unwrap_or_else(PoisonError::into_inner));
                self.settle(unsettled).await;
            }
        };
        futures::future::join3(flushing, deciding, settling).await;
    }

    /// Writes down what was counted.
    pub async fn flush(&self) {
        if let Err(error) = self.lifecycle.flush().await {
            let error = chain(&error);
            tracing::error!(error, "how plugins were used and failed cannot be written down");
        }
    }

    /// The same, for those who are going to read it.
    pub async fn flushed(&self) -> Result<(), DbError> {
        self.lifecycle.flush().await
    }

    async fn settle(&self, unsettled: BTreeSet<(PluginId, Option<TenantId>)>) {
        for (plugin, tenant) in unsettled {
            let tenants = tenant.map_or_else(|| self.lifecycle.moves().tenants(&plugin), |tenant| [tenant].into());
            let move_all = futures::stream::iter(tenants);
            let plugin = plugin.as_str();
            let move_one = async |tenant: TenantId| {
                // How it failed is kept where it failed.
                _ = self.moved(&tenant, plugin, self.lifecycle.deadline()).await;
            };
            move_all.for_each_concurrent(self.lifecycle.tenants_at_once(), move_one).await;
        }
    }

    /// Installs what was loaded and not installed, so that this need not wait for a tenant.
    async fn install_new(&self) {
        let snapshot = self.snapshot();
        let view = snapshot.default_view();
        let is_new = |plugin: &&Arc<Plugin>| {
            plugin.hook(ON_INSTALL).is_some() && view.serves(plugin.key()) && !self.lifecycle.is_leaving(plugin)
        };
        for plugin in snapshot.plugins().iter().filter(is_new) {
            _ = self.lifecycle.install(plugin, view.links()).await;
        }
    }
}
