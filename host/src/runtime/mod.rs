//! Runs plugins: one store, one instance and one immutable context for each call.
//!
//! A trap, a dropped future or a host error spoils a whole store, so no two calls ever share one: not a
//! caller and the provider it calls, not two calls of the same plugin. What crosses between calls is plain
//! values. A plugin's import of a service is a forwarder ([`forward`]) that comes back to
//! [`Runtime::call`] with a child context; that is the only loop in the host.

mod access;
mod announce;
mod answers;
mod breaker;
mod call;
mod cause;
mod changes;
mod clock;
mod context;
mod deferred;
mod engine;
mod failure;
mod forward;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod held;
mod links;
mod prepared;
mod proxy;
mod quota;
mod rates;
mod reports;
mod rules;
pub mod shape;
mod signature;
mod slots;
mod state;
mod statements;
mod tenant;
mod troubles;
mod turns;
mod unasked;

pub use self::access::{Access, Missing};
pub use self::announce::{Announcement, Announcements};
pub use self::answers::{Answered, Origin, Want};
pub use self::breaker::BreakerState;
pub use self::cause::Cause;
pub use self::changes::Sources;
pub use self::clock::{CpuAllowance, CpuClock};
pub use self::context::{CallContext, HEALTH, Identity};
pub use self::engine::{build as build_engine, codegen_config, compatibility_hash};
pub use self::failure::CallFailure;
pub use self::links::{Leads, Link, LinkTable, LinkedFunction, Provider};
pub use self::prepared::{PluginKey, PreparedParts, PreparedPlugin};
pub use self::proxy::ProxyBody;
pub use self::rates::{Allowance, RateRule};
pub use self::reports::{Fault, Reports, TEXT_BYTES, Use, cut};
pub use self::rules::{Effect, PerMinute, Rules};
pub use self::signature::{
    ExportedFunction, ExportedInterface, ImportedFunction, ImportedInterface, PrepareError, VersionedInterface,
};
pub use self::tenant::Tenant;
pub use self::troubles::{Ills, LinkHealth};
pub use self::unasked::{Unasked, refused};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::Engine;

use crate::capability::events::Outboxes;
use crate::capability::outbound::Outbound;
use crate::capability::sql::{SqlBackend, Terms};
use crate::config::{BreakerConfig, Config, KeyvalueConfig, LimitsConfig, NotificationsConfig, SharedDataConfig};
use crate::id::{PluginId, TenantId};
use crate::log::TenantLog;
use crate::usage::Usage;

/// The engine and what every call on it shares: limits, slots and the capabilities' back ends.
pub struct Runtime {
    engine: Engine,
    limits: LimitsConfig,
    breaker: BreakerConfig,
    answers: Arc<answers::Answers>,
    rates: rates::Rates,
    keyvalue: KeyvalueConfig,
    shared_data: SharedDataConfig,
    notifications: NotificationsConfig,
    tenants: tenant::Tenants,
    slots: slots::Slots,
    turns: turns::Turns,
    log: Arc<TenantLog>,
    announcements: Announcements,
    usage: Arc<Usage>,
    reports: Arc<Reports>,
    sql: Arc<SqlBackend>,
    outboxes: Arc<Outboxes>,
    outbound: Arc<Outbound>,
    ticker: engine::Ticker,
}

impl Runtime {
    /// Builds the engine and starts the thread that advances its epoch.
    ///
    /// # Errors
    ///
    /// When the machine cannot give the pool what the configuration asks for.
    pub fn new(
        config: &Config,
        log: Arc<TenantLog>,
        usage: Arc<Usage>,
        sql: Arc<SqlBackend>,
        outboxes: Arc<Outboxes>,
        outbound: Arc<Outbound>,
    ) -> wasmtime::Result<Arc<Self>> {
        let Config { limits, tenant, pool, .. } = config;
        let engine = engine::build(limits, pool)?;
        let ticker = engine::Ticker::start(&engine, limits.epoch_tick());
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Arc::new(Self {
            tenants: tenant::Tenants::new(processors, limits.depth_max, tenant),
            slots: slots::Slots::new(pool.instances, tenant, limits.depth_max),
            turns: turns::Turns::new(ticker.ticks().clone()),
            limits: limits.clone(),
            breaker: config.breaker.clone(),
            answers: Arc::new(answers::Answers::new(&config.cache)),
            rates: rates::Rates::default(),
            keyvalue: config.keyvalue.within(&config.sql),
            shared_data: config.shared_data.within(&config.sql),
            notifications: config.notifications.clone(),
            engine,
            log,
            announcements: Announcements::default(),
            usage,
            reports: Arc::default(),
            sql,
            outboxes,
            outbound,
            ticker,
        }))
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn limits(&self) -> &LimitsConfig {
        &self.limits
    }

    /// What this tenant uses, over all its requests.
    pub fn tenant(&self, id: &TenantId) -> Arc<Tenant> {
        self.tenants.get(id)
    }

    /// What a tenant's data is worked on under, until then, apart from any call.
    pub fn terms(self: &Arc<Self>, tenant: &TenantId, until: Instant) -> Terms {
        let cpu = CpuClock::start(self.tenant(tenant)).allowance(self.limits.cpu_budget(), self.limits.sql_cpu());
        Terms::new(until, statements::Statements::new(self, &cpu, None))
    }

    /// Counts a call against a rule, before it is made.
    ///
    /// # Errors
    ///
    /// [`CallFailure::RateLimited`] when the tenant has made too many.
    pub fn admit(&self, rule: &RateRule, tenant: &TenantId) -> Result<Allowance, CallFailure> {
        self.rates.admit(rule, tenant)
    }

    /// Says that what a plugin answers a tenant, and shares, may be another from now on: nothing that was kept before is
    /// given again.
    /// For every change that no call of the plugin makes, such as another configuration, an event, a restored snapshot.
    pub fn invalidate(&self, tenant: &TenantId, plugin: &PluginId) {
        self.tenant(tenant).changes.note_all_of(plugin);
    }

    /// How a plugin's calls have gone for a tenant, if the last has failed.
    pub fn ills(&self, tenant: &TenantId, plugin: &PluginId) -> Option<Ills> {
        self.tenant(tenant).troubles.ills(plugin, &self.breaker)
    }

    /// The tenant's links that have failed lately.
    pub fn failing_links(&self, tenant: &TenantId) -> Vec<LinkHealth> {
        self.tenant(tenant).troubles.links(&self.breaker)
    }

    /// For each plugin that fails for some tenant: how often in a row, at most.
    pub fn failing_plugins(&self) -> HashMap<PluginId, u32> {
        let mut failing = HashMap::new();
        let tenants = self.tenants.in_trouble();
        for (plugin, failures) in tenants.iter().flat_map(|tenant| tenant.troubles.failing(&self.breaker)) {
            let most = failing.entry(plugin).or_insert(0);
            *most = failures.max(*most);
        }
        failing
    }

    pub fn breaker(&self) -> &BreakerConfig {
        &self.breaker
    }

    /// How plugins were used and how they failed.
    pub fn reports(&self) -> &Arc<Reports> {
        &self.reports
    }

    /// What tenants use of plugins.
    pub fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// Which of them hold events to be taken on.
    pub fn outboxes(&self) -> &Arc<Outboxes> {
        &self.outboxes
    }

    /// What happens in the host that plugins may want to hear of.
    pub fn announcements(&self) -> &Announcements {
        &self.announcements
    }

    /// The log of what plugins say.
    pub fn log(&self) -> &Arc<TenantLog> {
        &self.log
    }

    /// Where plugins' own tables lie.
    pub fn sql(&self) -> &Arc<SqlBackend> {
        &self.sql
    }
}
