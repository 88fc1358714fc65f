//! What each tenant uses of each plugin, and how much it may.
//!
//! Most quotas are counted within the hour of the clock (UTC) and begin anew with the next. Counting is exact under
//! concurrency: of any number of takers at once as many succeed as the quota has left. Beside `config` and `id` this
//! module uses nothing, so every layer can count.
//!
//! Bound: one [`Meter`] of a few hundred bytes for each tenant and plugin that used something this hour.

mod meter;
mod window;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

pub use self::meter::Meter;
pub use self::window::Hour;
use crate::config::{QuotasConfig, SqlConfig};
use crate::id::{PluginId, TenantId};

/// Something that is counted by the hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quota {
    /// Calls of the plugin's functions, those of other plugins included.
    Calls,
    /// Microseconds that requests to the plugin computed, with everything they called.
    CpuTime,
    /// Events that the plugin published.
    Events,
    /// Notifications that it sent.
    Notifications,
    /// Requests that it made to hosts outside.
    OutboundRequests,
    /// Bytes of its database.
    Storage,
    /// Rows of its own tables.
    Rows,
    /// Keys that it keeps values under.
    Keys,
}

impl Quota {
    pub const ALL: [Self; 8] = [
        Self::Calls,
        Self::CpuTime,
        Self::Events,
        Self::Notifications,
        Self::OutboundRequests,
        Self::Storage,
        Self::Rows,
        Self::Keys,
    ];

    /// Whether it begins anew with each hour. The others bound what is kept, and are counted where it is kept.
    pub fn is_hourly(self) -> bool {
        !matches!(self, Self::Storage | Self::Rows | Self::Keys)
    }

    /// Its name for people and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::CpuTime => "cpu",
            Self::Events => "events",
            Self::Notifications => "notifications",
            Self::OutboundRequests => "outbound",
            Self::Storage => "storage",
            Self::Rows => "rows",
            Self::Keys => "keys",
        }
    }

    /// The quota of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quota| quota.name() == name)
    }

    /// What people count it in.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::CpuTime => "ms",
            Self::Events => "events",
            Self::Notifications => "notifications",
            Self::OutboundRequests => "requests",
            Self::Storage => "bytes",
            Self::Rows => "rows",
            Self::Keys => "keys",
        }
    }

    /// What is counted, in words.
    fn what(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::CpuTime => "ms of CPU time",
            Self::Events => "events",
            Self::Notifications => "notifications",
            Self::OutboundRequests => "outbound requests",
            Self::Storage => "bytes",
            Self::Rows => "rows",
            Self::Keys => "keys",
        }
    }

    /// A number of it in the unit that people are told: CPU time in milliseconds.
    pub fn told(self, amount: u64) -> u64 {
        match self {
            Self::CpuTime => amount / 1_000,
            _ => amount,
        }
    }

    /// What people said, in its own unit.
    pub fn counted(self, told: u64) -> u64 {
        match self {
            Self::CpuTime => told.saturating_mul(1_000),
            _ => told,
        }
    }

    /// The setting of its default.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Calls => "quotas.calls_per_hour",
            Self::CpuTime => "quotas.cpu_ms_per_hour",
            Self::Events => "quotas.events_per_hour",
            Self::Notifications => "quotas.notifications_per_hour",
            Self::OutboundRequests => "quotas.outbound_requests_per_hour",
            Self::Storage => "sql.storage_bytes",
            Self::Rows => "quotas.rows",
            Self::Keys => "quotas.keys",
        }
    }
}

/// A quota is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    pub quota: Quota,
    pub limit: u64,
    /// When it begins anew.
    pub resets_at: Timestamp,
}

impl Exceeded {
    /// Whole seconds until it begins anew, one at least.
    pub fn resets_in_s(&self) -> u64 {
        let left = self.resets_at.duration_since(Timestamp::now()).as_secs();
        u64::try_from(left).unwrap_or(0) + 1
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quota, limit, resets_at } = self;
        let (limit, what, setting) = (quota.told(*limit), quota.what(), quota.setting());
        write!(
            f,
            "the quota of {limit} {what} an hour is used up until {resets_at}; an operator can raise it ({setting})"
        )
    }
}

impl std::error::Error for Exceeded {}

/// What was taken of a quota. It stays taken, also when this is dropped, unless it is given back: so whoever is cut off
/// in the middle may count too much and never too little.
#[derive(Debug)]
#[must_use = "what comes to nothing is given back"]
pub struct Taken {
    meter: Arc<Meter>,
    quota: Quota,
    hour: Hour,
    amount: u64,
}

impl Taken {
    /// It came to nothing.
    pub fn give_back(self) {
        self.meter.give_back(self.quota, self.hour, self.amount);
    }
}

/// Quotas that operators have set: of a tenant, for one plugin or for every one without.
pub type OwnQuotas = HashMap<TenantId, HashMap<(Option<PluginId>, Quota), u64>>;

/// How much was used, in the quota's unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    pub tenant: TenantId,
    pub plugin: PluginId,
    pub quota: Quota,
    pub amount: u64,
}

/// What every tenant uses of every plugin.
#[derive(Debug)]
pub struct Usage {
    /// Whether who has used up a quota is refused; counted it is in any case.
    enforced: bool,
    defaults: [u64; Quota::ALL.len()],
    /// Those of tenants, in the quotas' units.
    own: RwLock<OwnQuotas>,
    meters: RwLock<HashMap<TenantId, HashMap<PluginId, Arc<Meter>>>>,
}

impl Usage {
    pub fn new(config: &QuotasConfig, sql: &SqlConfig, dev: bool) -> Self {
        let defaults = Quota::ALL.map(|quota| {
            quota.counted(match quota {
                Quota::Calls => config.calls_per_hour,
                Quota::CpuTime => config.cpu_ms_per_hour,
                Quota::Events => config.events_per_hour,
                Quota::Notifications => config.notifications_per_hour,
                Quota::OutboundRequests => config.outbound_requests_per_hour,
                Quota::Storage => sql.storage_bytes,
                Quota::Rows => config.rows,
                Quota::Keys => config.keys,
            })
        });
        Self { enforced: config.enforced_in_dev || !dev, defaults, own: RwLock::default(), meters: RwLock::default() }
    }

    /// With the defaults, but for what a database may hold.
    #[cfg(test)]
    pub fn with(sql: &SqlConfig) -> Arc<Self> {
        Arc::new(Self::new(&QuotasConfig::default(), sql, false))
    }

    /// What this tenant uses of this plugin.
    pub fn meter(&self, tenant: &TenantId, plugin: &PluginId) -> Arc<Meter> {
        let meters = self.meters.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = meters.get(tenant).and_then(|plugins| plugins.get(plugin)) {
            return meter.clone();
        }
        drop(meters);
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        let limits = Quota::ALL.map(|quota| self.limit(&own, tenant, plugin, quota));
        let new = || Arc::new(Meter::new(self.enforced, &limits));
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        meters.entry(tenant.clone()).or_default().entry(plugin.clone()).or_insert_with(new).clone()
    }

    /// Takes that much of a quota, or nothing.
    ///
    /// # Errors
    ///
    /// When less than that is left.
    pub fn take(&self, tenant: &TenantId, plugin: &PluginId, quota: Quota, amount: u64) -> Result<(), Exceeded> {
        self.meter(tenant, plugin).take(quota, amount)
    }

    /// The same for what may come to nothing yet.
    ///
    /// # Errors
    ///
    /// When less than that is left.
    pub fn reserve(&self, tenant: &TenantId, plugin: &PluginId, quota: Quota, amount: u64) -> Result<Taken, Exceeded> {
        let (meter, hour) = (self.meter(tenant, plugin), Hour::of(Timestamp::now()));
        meter.take(quota, amount)?;
        Ok(Taken { meter, quota, hour, amount })
    }

    /// The limit of a quota for this tenant: the plugin's own, else the one for every plugin, else the default.
    fn limit(&self, own: &OwnQuotas, tenant: &TenantId, plugin: &PluginId, quota: Quota) -> u64 {
        let own = own.get(tenant);
        let set = |plugin: Option<&PluginId>| own?.get(&(plugin.cloned(), quota)).copied();
        set(Some(plugin)).or_else(|| set(None)).unwrap_or(self.defaults[quota as usize])
    }

    /// Has these quotas of tenants hold from now on, and no others.
    pub fn set_own(&self, quotas: OwnQuotas) {
        // The lock is held to the end, so that no meter is made with what held before.
        let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
        if *own == quotas {
            return;
        }
        *own = quotas;
        for (tenant, plugins) in &*self.meters.read().unwrap_or_else(PoisonError::into_inner) {
            for (plugin, meter) in plugins {
                for quota in Quota::ALL {
                    meter.set_limit(quota, self.limit(&own, tenant, plugin, quota));
                }
            }
        }
    }

    /// The plugins that were used in this hour: by a tenant, or by all.
    pub fn used(&self, tenant: Option<&TenantId>) -> BTreeSet<(TenantId, PluginId)> {
        let hour = Hour::of(Timestamp::now());
        let used = self.meters(tenant).into_iter().filter(|(_, meter)| !meter.is_idle(hour));
        used.map(|(of, _)| of).collect()
    }

    fn meters(&self, tenant: Option<&TenantId>) -> BTreeMap<(TenantId, PluginId), Arc<Meter>> {
        let meters = self.meters.read().unwrap_or_else(PoisonError::into_inner);
        let chosen = meters.iter().filter(|(id, _)| tenant.is_none_or(|tenant| tenant == *id));
        let each = chosen.flat_map(|(tenant, plugins)| {
            plugins.iter().map(move |(plugin, meter)| ((tenant.clone(), plugin.clone()), meter.clone()))
        });
        each.collect()
    }

    /// What was counted in this hour and is not written down. What nobody used is forgotten.
    pub fn unwritten(&self, hour: Hour) -> Vec<Amount> {
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        for plugins in meters.values_mut() {
            plugins.retain(|_, meter| Arc::strong_count(meter) > 1 || !meter.is_idle(hour));
        }
        meters.retain(|_, plugins| !plugins.is_empty());
        drop(meters);
        let each = self.meters(None).into_iter().flat_map(|((tenant, plugin), meter)| {
            Quota::ALL.map(|quota| {
                let amount = meter.unwritten(quota, hour);
                Amount { tenant: tenant.clone(), plugin: plugin.clone(), quota, amount }
            })
        });
        each.filter(|amount| amount.amount > 0 && amount.quota.is_hourly() && !amount.tenant.is_nobody()).collect()
    }

    /// That `added` was written down, which makes `sums` of all hosts.
    pub fn wrote(&self, hour: Hour, added: &[Amount], sums: &[Amount]) {
        let added: HashMap<_, _> =
            added.iter().map(|added| ((&added.tenant, &added.plugin, added.quota), added.amount)).collect();
        for Amount { tenant, plugin, quota, amount: sum } in sums {
            let added = added.get(&(tenant, plugin, *quota)).copied().unwrap_or(0);
            self.meter(tenant, plugin).wrote(*quota, hour, added, *sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(tenant: &str) -> (TenantId, PluginId) {
        (TenantId::parse(tenant).unwrap(), PluginId::parse("crm").unwrap())
    }

    fn usage(calls: u64) -> Usage {
        Usage::new(&QuotasConfig { calls_per_hour: calls, ..QuotasConfig::default() }, &SqlConfig::default(), false)
    }

    #[test]
    fn the_nearest_word_counts() {
        let (usage, (acme, crm), (beta, _)) = (usage(1), ids("acme"), ids("beta"));
        let limit = |tenant: &TenantId| usage.meter(tenant, &crm).limit(Quota::Calls);
        assert_eq!((limit(&acme), limit(&beta)), (1, 1));
        let for_all = HashMap::from([((None, Quota::Calls), 5)]);
        usage.set_own(HashMap::from([(acme.clone(), for_all.clone())]));
        assert_eq!((limit(&acme), limit(&beta)), (5, 1));
        let mut both = for_all;
        both.insert((Some(crm.clone()), Quota::Calls), 3);
        usage.set_own(HashMap::from([(acme.clone(), both)]));
        assert_eq!(limit(&acme), 3);
        usage.set_own(HashMap::new());
        assert_eq!(limit(&acme), 1);
    }

    #[test]
    fn what_is_given_back_counts_no_more_and_is_not_written_down_twice() {
        let (usage, (acme, crm)) = (usage(1), ids("acme"));
        let reserve = || usage.reserve(&acme, &crm, Quota::Calls, 1);
        let taken = reserve().unwrap();
        assert!(reserve().is_err());
        let hour = Hour::of(Timestamp::now());
        let added = usage.unwritten(hour);
        usage.wrote(hour, &added, &added);
        taken.give_back();
        assert_eq!((usage.unwritten(hour), usage.meter(&acme, &crm).used(Quota::Calls)), (Vec::new(), 0));
        assert!(reserve().is_ok() && reserve().is_err());
        assert_eq!(usage.unwritten(hour), [], "what is written down was used by now");
    }

    #[test]
    fn what_other_hosts_used_counts_once_it_is_known() {
        let (usage, (acme, crm)) = (usage(10), ids("acme"));
        let take = |amount| usage.take(&acme, &crm, Quota::Calls, amount).is_ok();
        assert!(take(4));
        let hour = Hour::of(Timestamp::now());
        let added = usage.unwritten(hour);
        assert_eq!((added.len(), added[0].amount), (1, 4));
        // One more while it is written, and five of another host.
        assert!(take(1));
        usage.wrote(hour, &added, &[Amount { amount: 9, ..added[0].clone() }]);
        assert!(!take(1), "4 + 1 + 5 of 10");
        let added = usage.unwritten(hour);
        assert_eq!(added[0].amount, 1);
        usage.wrote(hour, &added, &[Amount { amount: 10, ..added[0].clone() }]);
        assert_eq!(usage.unwritten(hour), []);
        assert_eq!(usage.meter(&acme, &crm).used(Quota::Calls), 10);
    }
}
