//! What a plugin goes through: installed once, brought to each tenant, taken from it, uninstalled.
//!
//! A version comes to a tenant before the tenant's first call of it: the tenant's data is moved, `on-activate` runs, and
//! then it is written down that the version runs. All this happens once, in a task of its own, whoever waits for it: who
//! came first, the many that came meanwhile, or nobody any longer. If it takes longer than `lifecycle.handover_ms`, what ran
//! before stands in for it until then, unless the data is such that it cannot. Invariant: a version whose move failed is
//! called for no request of that tenant; what ran before goes on.

mod data;
mod failure;
mod flight;
mod hooks;
mod install;
mod moves;
mod reports;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

pub use self::failure::Failure;
use self::failure::Setback;
use self::flight::Flights;
pub(super) use self::flight::{Patience, Target};
use self::install::Installs;
pub use self::install::{InstallFailure, Leaving, UninstallError};
pub use self::moves::{Failed, Moves, Setbacks, Standing, UnderWay};
use self::reports::Ledger;
use super::Plugin;
use super::resolve::Track;
use crate::capability::sql::{DataState, SqlError};
use crate::config::LifecycleConfig;
use crate::db::{Activation, ControlPlane, DbError};
use crate::id::{PluginId, TenantId};
use crate::runtime::{Fault, LinkTable, PluginKey, Runtime};

pub const MIGRATIONS: &str = "migrations";
pub const ON_INSTALL: &str = "on-install";
pub const ON_ACTIVATE: &str = "on-activate";
pub const ON_DEACTIVATE: &str = "on-deactivate";
pub const ON_UNINSTALL: &str = "on-uninstall";

/// Why a tenant cannot call a version yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotYet {
    /// It failed, and it is known how.
    Failed,
    /// Circumstances were in the way, and there is no version before that could answer. A request to come tries again.
    Hindered(Arc<str>),
    /// This one is being uninstalled, and comes to nobody any more.
    Uninstalling(PluginId),
    /// It still moves.
    Moving,
    /// It still moves, and what ran before stands in for it.
    StoodInFor,
    /// What the version was chosen from has changed since.
    Changed,
}

/// Brings plugins to tenants.
pub struct Lifecycle {
    runtime: Arc<Runtime>,
    control: Arc<dyn ControlPlane>,
    limits: LifecycleConfig,
    moves: Arc<Moves>,
    flights: Flights,
    installs: Installs,
    /// The serial numbers of those that are being uninstalled, until they are gone.
    leaving: Mutex<BTreeSet<u64>>,
    ledger: Arc<Ledger>,
}

impl Lifecycle {
    pub fn new(runtime: Arc<Runtime>, control: Arc<dyn ControlPlane>, limits: LifecycleConfig) -> Self {
        let ledger = Arc::new(Ledger::new(runtime.reports().clone(), control.clone()));
        let (moves, flights, installs, leaving) = Default::default();
        Self { runtime, control, limits, moves, flights, installs, leaving, ledger }
    }

    /// Reads what ran before the host was stopped.
    pub(super) async fn read(&self) -> Result<(), DbError> {
        for Activation { tenant, plugin, version, .. } in self.control.activation_list().await? {
            match (TenantId::parse(&tenant), PluginId::parse(&plugin), version.parse()) {
                (Ok(tenant), Ok(id), Ok(version)) => self.moves.set_running(&tenant, PluginKey { id, version }, &[]),
                _ => tracing::error!(tenant, plugin, version, "an activation cannot be read"),
            }
        }
        self.installs.read(&*self.control).await
    }

    pub fn moves(&self) -> &Arc<Moves> {
        &self.moves
    }

    /// Brings a version to a tenant, in the place of another that runs for it and is loaded.
    async fn move_to(
        &self,
        tenant: &TenantId,
        plugin: &Arc<Plugin>,
        before: Option<&Plugin>,
        links: &Arc<LinkTable>,
    ) -> Result<(), Setback> {
        // For all tenants at once, so that it is judged by all its failures.
        self.install(plugin, links).await?;
        let activated = self.activate(tenant, plugin, before, links).await;
        activated.map_err(|failure| self.judge(tenant, plugin, failure))
    }

    fn judge(&self, tenant: &TenantId, plugin: &Plugin, failure: Failure) -> Setback {
        self.moves.judge(tenant, plugin, failure, &self.limits)
    }

    async fn activate(
        &self,
        tenant: &TenantId,
        plugin: &Arc<Plugin>,
        before: Option<&Plugin>,
        links: &Arc<LinkTable>,
    ) -> Result<(), Failure> {
        let key = plugin.key();
        self.moves.set_step(tenant, key, MIGRATIONS);
        let deadline = self.limits.deadline();
        if let Some(before) = before
            && data::is_taken_from(&self.runtime, tenant, before, plugin, deadline).await
        {
            self.moves.wait_to_the_end(tenant, key);
        }
        data::move_to(&self.runtime, tenant, plugin, deadline).await?;
        self.moves.set_step(tenant, key, ON_ACTIVATE);
        hooks::call(&self.runtime, plugin, ON_ACTIVATE, tenant, links, self.limits.deadline()).await?;
        // What lies on another track stays, for plugins that were built against it.
        let is_replaced =
            |old: &PluginKey| old.version != key.version && Track::of(&old.version) == Track::of(&key.version);
        let replaced: Vec<PluginKey> = self.moves.running(tenant, &key.id).into_iter().filter(is_replaced).collect();
        let row = Activation {
            tenant: tenant.to_string(),
            plugin: key.id.to_string(),
            version: key.version.to_string(),
            activated_at: Timestamp::now(),
        };
        let versions = replaced.iter().map(|old| old.version.to_string()).collect();
        let put = self.control.activation_put(row, versions).await;
        put.map_err(|error| Failure::unwritten(ON_ACTIVATE, error))?;
        self.moves.set_running(tenant, key.clone(), &replaced);
        self.runtime.reports().activation(&key.id, tenant);
        let announced = |topic, data| self.runtime.announcements().tell(tenant, topic, key.id.as_str(), data, None);
        match replaced.first() {
            Some(old) => {
                let versions = json!({ "plugin": key.id, "version": key.version, "previous": old.version });
                announced("plugin.upgraded", versions);
            }
            None => announced("plugin.activated", json!({ "plugin": key.id, "version": key.version })),
        }
        let instead_of = replaced.first().map(tracing::field::display);
        tracing::info!(%tenant, plugin = %key, instead_of, "the tenant was moved to it");
        Ok(())
    }

    fn not_moved(&self, tenant: &TenantId, plugin: &Plugin, setback: Setback) -> NotYet {
        self.tell(tenant, plugin.key(), &setback.failure);
        let reason = setback.failure.to_string();
        match self.moves.fail(tenant, plugin, setback) {
            Standing::InTheWay => NotYet::Hindered(reason.into()),
            Standing::Settled | Standing::Passing => NotYet::Failed,
        }
    }

    /// Keeps a failure, and logs it.
    fn tell(&self, tenant: &TenantId, plugin: &PluginKey, failure: &Failure) {
        let Failure { hook, message, backtrace, correlation_id, .. } = failure;
        tracing::warn!(%plugin, %tenant, hook, reason = message, "a plugin's lifecycle failed");
        self.runtime.reports().lifecycle_fault(Fault {
            at: Timestamp::now(),
            plugin: plugin.clone(),
            tenant: tenant.clone(),
            hook,
            message: message.clone(),
            backtrace: backtrace.clone(),
            correlation_id: correlation_id.as_ref().map(ToString::to_string),
        });
    }

    /// What a version would find if a tenant moved to it.
    ///
    /// # Errors
    ///
    /// When the tenant's data cannot be looked at.
    pub async fn data_state(&self, tenant: &TenantId, plugin: &Plugin, until: Instant) -> Result<DataState, SqlError> {
        self.runtime.sql().state(tenant, plugin.prepared.tables(), until).await
    }

    /// Lets a tenant be moved again to what failed before.
    pub(super) fn retry(&self, tenant: &TenantId) {
        self.installs.forgive();
        self.moves.forgive(tenant);
    }

    /// Forgets the failures that are to be tried again or are about nothing any more.
    pub(super) fn forgive_due(&self, plugins: &[Arc<Plugin>]) {
        self.installs.keep_of(plugins);
        self.moves.forgive_due(plugins, |id| self.installs.has(id));
    }

    /// Tells the versions of a plugin that run for a tenant that it is switched off there.
    pub(super) async fn deactivate(
        &self,
        tenant: &TenantId,
        running: &[Arc<Plugin>],
        links: &Arc<LinkTable>,
    ) -> Result<(), Failure> {
        for plugin in running {
            let called = hooks::call(&self.runtime, plugin, ON_DEACTIVATE, tenant, links, self.limits.deadline());
            called.await.inspect_err(|failure| self.tell(tenant, plugin.key(), failure))?;
        }
        Ok(())
    }

    /// Notes that a plugin runs for a tenant no longer: when it is switched on again it is activated again. It is
    /// announced if something ran.
    pub async fn stop(&self, tenant: &TenantId, plugin: &PluginId) -> Result<(), DbError> {
        let ran = self.control.activation_delete(tenant.as_str(), plugin.as_str()).await?;
        self.moves.stop(Some(tenant), plugin);
        if !ran {
            return Ok(());
        }
        let data = json!({ "plugin": plugin });
        self.runtime.announcements().tell(tenant, "plugin.deactivated", plugin.as_str(), data, None);
        Ok(())
    }

    pub fn flush_interval(&self) -> Duration {
        self.limits.flush().max(Duration::from_millis(10))
    }

    pub fn decisions_interval(&self) -> Duration {
        self.limits.decisions_refresh().max(Duration::from_millis(10))
    }

    pub fn deadline(&self) -> Duration {
        self.limits.deadline()
    }

    /// Tenants that one task moves or looks at, at a time.
    pub fn tenants_at_once(&self) -> usize {
        self.limits.tenants_at_once
    }
}
