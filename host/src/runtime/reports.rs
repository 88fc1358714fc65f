//! How plugins were used and how they failed, until it is written down.
//!
//! Nothing here waits for a disk: calls count, and a task of the host's takes what has come together every few seconds.
//! Bounds: between two times the last [`PLUGIN_ERRORS`] failures of each plugin and tenant, of each plugin [`WAITING`]
//! together, each text cut at [`TEXT_BYTES`], and one entry for each tenant and plugin that called.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use jiff::Timestamp;

use super::{CallFailure, Identity, PluginKey};
use crate::db::PLUGIN_ERRORS;
use crate::id::{PluginId, TenantId};

/// The most of one text that is kept of a plugin's.
pub const TEXT_BYTES: usize = 8 << 10;
/// Failures of one plugin that wait. When they are as many, the oldest of the tenant with most goes: whoever fails often
/// pushes out nobody else's.
const WAITING: usize = 8 * PLUGIN_ERRORS as usize;

/// The failures of one plugin.
type Faults = HashMap<TenantId, VecDeque<Fault>>;

/// What has come together.
#[derive(Default)]
pub struct Reports {
    faults: Mutex<HashMap<PluginId, Faults>>,
    uses: RwLock<HashMap<PluginId, HashMap<TenantId, Counters>>>,
}

/// How a plugin failed once.
#[derive(Debug, Clone)]
pub struct Fault {
    pub at: Timestamp,
    pub plugin: PluginKey,
    /// [`TenantId::nobody`] for what concerns none.
    pub tenant: TenantId,
    /// What failed, as `on-activate` or `call`.
    pub hook: &'static str,
    pub message: String,
    pub backtrace: Option<String>,
    pub correlation_id: Option<String>,
}

/// How a tenant used a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    pub plugin: PluginId,
    pub tenant: TenantId,
    pub activations: u64,
    pub calls: u64,
    /// Of the calls: requests, events and whatever else the host brings.
    pub failures: u64,
    /// How often a version could not come or go: migrations and lifecycle functions.
    pub lifecycle_failures: u64,
    pub last: Option<Timestamp>,
}

#[derive(Default)]
struct Counters {
    activations: AtomicU64,
    calls: AtomicU64,
    failures: AtomicU64,
    lifecycle_failures: AtomicU64,
    /// Microseconds since 1970; 0 for never.
    last: AtomicI64,
}

impl Reports {
    /// Counts a call, and keeps how it failed if that says something of the plugin.
    pub(super) fn call(&self, plugin: &PluginKey, identity: &Identity, failure: Option<&CallFailure>) {
        let now = Timestamp::now();
        let failure = failure.filter(|failure| failure.is_of_the_plugin());
        self.count(&plugin.id, &identity.tenant, |counters| {
            counters.calls.fetch_add(1, Ordering::Relaxed);
            counters.failures.fetch_add(u64::from(failure.is_some()), Ordering::Relaxed);
            counters.last.fetch_max(now.as_microsecond(), Ordering::Relaxed);
        });
        if let Some(failure) = failure {
            self.fault(Fault {
                at: now,
                plugin: plugin.clone(),
                tenant: identity.tenant.clone(),
                hook: "call",
                message: failure.to_string(),
                backtrace: failure.backtrace().map(str::to_owned),
                // Clients choose theirs: it is in the log, and nothing of clients' is kept with the plugin.
                correlation_id: None,
            });
        }
    }

    /// Counts a call that the host made by itself. Whoever makes it keeps how it failed.
    pub fn handled(&self, plugin: &PluginKey, tenant: &TenantId, failure: Option<&CallFailure>) {
        let failed = failure.is_some_and(CallFailure::is_of_the_plugin);
        self.count(&plugin.id, tenant, |counters| {
            counters.calls.fetch_add(1, Ordering::Relaxed);
            counters.failures.fetch_add(u64::from(failed), Ordering::Relaxed);
            counters.last.fetch_max(Timestamp::now().as_microsecond(), Ordering::Relaxed);
        });
    }

    /// Counts among the failures a call that has answered that it could not do what it was to do.
    pub fn refused(&self, plugin: &PluginId, tenant: &TenantId) {
        self.count(plugin, tenant, |counters| _ = counters.failures.fetch_add(1, Ordering::Relaxed));
    }

    /// Counts that a version came to a tenant.
    pub fn activation(&self, plugin: &PluginId, tenant: &TenantId) {
        self.count(plugin, tenant, |counters| _ = counters.activations.fetch_add(1, Ordering::Relaxed));
    }

    /// Counts that one could not come or go, and keeps how it failed.
    pub fn lifecycle_fault(&self, fault: Fault) {
        let count = |counters: &Counters| _ = counters.lifecycle_failures.fetch_add(1, Ordering::Relaxed);
        self.count(&fault.plugin.id, &fault.tenant, count);
        self.fault(fault);
    }

    /// Keeps a failure, in the place of the tenant's oldest if there are enough.
    pub fn fault(&self, mut fault: Fault) {
        cut(&mut fault.message);
        fault.backtrace.iter_mut().for_each(cut);
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = faults.entry(fault.plugin.id.clone()).or_default();
        if kept.get(&fault.tenant).is_some_and(|own| own.len() >= PLUGIN_ERRORS as usize) {
            drop_oldest(kept, &fault.tenant.clone());
        } else if kept.values().map(VecDeque::len).sum::<usize>() >= WAITING
            && let Some((most, _)) = kept.iter().max_by_key(|(_, faults)| faults.len())
        {
            drop_oldest(kept, &most.clone());
        }
        kept.entry(fault.tenant.clone()).or_default().push_back(fault);
    }

    /// Takes the failures, each plugin's in the order they came.
    pub fn take_faults(&self) -> Vec<Fault> {
        let faults = std::mem::take(&mut *self.faults.lock().unwrap_or_else(PoisonError::into_inner));
        let mut faults: Vec<Fault> = faults.into_values().flat_map(Faults::into_values).flatten().collect();
        faults.sort_by_key(|fault| fault.at);
        faults
    }

    /// Takes the numbers.
    pub fn take_uses(&self) -> Vec<Use> {
        let uses = std::mem::take(&mut *self.uses.write().unwrap_or_else(PoisonError::into_inner));
        let each = uses.into_iter().flat_map(|(plugin, tenants)| {
            tenants.into_iter().map(move |(tenant, counters)| counters.read(plugin.clone(), tenant))
        });
        each.collect()
    }

    /// Puts failures and numbers back that could not be written down.
    pub fn put_back(&self, faults: Vec<Fault>, uses: &[Use]) {
        let mut kept = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        // Before those that came since, as far as there is room.
        for fault in faults.into_iter().rev() {
            let kept = kept.entry(fault.plugin.id.clone()).or_default();
            let all: usize = kept.values().map(VecDeque::len).sum();
            let own = kept.entry(fault.tenant.clone()).or_default();
            if own.len() < PLUGIN_ERRORS as usize && all < WAITING {
                own.push_front(fault);
            }
        }
        drop(kept);
        for Use { plugin, tenant, activations, calls, failures, lifecycle_failures, last } in uses {
            self.count(plugin, tenant, |counters| {
                counters.activations.fetch_add(*activations, Ordering::Relaxed);
                counters.calls.fetch_add(*calls, Ordering::Relaxed);
                counters.failures.fetch_add(*failures, Ordering::Relaxed);
                counters.lifecycle_failures.fetch_add(*lifecycle_failures, Ordering::Relaxed);
                counters.last.fetch_max(last.map_or(0, Timestamp::as_microsecond), Ordering::Relaxed);
            });
        }
    }

    /// Counts under the lock, so that nothing is counted on what was taken.
    fn count(&self, plugin: &PluginId, tenant: &TenantId, add: impl Fn(&Counters)) {
        if tenant.is_nobody() {
            return;
        }
        let uses = self.uses.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = uses.get(plugin).and_then(|tenants| tenants.get(tenant)) {
            return add(counters);
        }
        drop(uses);
        let mut uses = self.uses.write().unwrap_or_else(PoisonError::into_inner);
        add(uses.entry(plugin.clone()).or_default().entry(tenant.clone()).or_default());
    }
}

impl Counters {
    fn read(self, plugin: PluginId, tenant: TenantId) -> Use {
        let last = Some(self.last.into_inner()).filter(|last| *last > 0);
        Use {
            plugin,
            tenant,
            activations: self.activations.into_inner(),
            calls: self.calls.into_inner(),
            failures: self.failures.into_inner(),
            lifecycle_failures: self.lifecycle_failures.into_inner(),
            last: last.and_then(|last| Timestamp::from_microsecond(last).ok()),
        }
    }
}

fn drop_oldest(faults: &mut Faults, tenant: &TenantId) {
    if let Some(of_tenant) = faults.get_mut(tenant) {
        of_tenant.pop_front();
        if of_tenant.is_empty() {
            faults.remove(tenant);
        }
    }
}

/// Cuts a text of a plugin's at [`TEXT_BYTES`], and has it say so.
pub fn cut(text: &mut String) {
    if text.len() > TEXT_BYTES {
        let told = format!("… (cut: it has {} bytes)", text.len());
        text.truncate(text.floor_char_boundary(TEXT_BYTES - told.len()));
        text.push_str(&told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> (PluginId, TenantId) {
        (PluginId::parse("crm").unwrap(), TenantId::parse("acme").unwrap())
    }

    fn fault(tenant: &TenantId, message: String) -> Fault {
        Fault {
            at: Timestamp::UNIX_EPOCH,
            plugin: PluginKey { id: ids().0, version: semver::Version::new(1, 0, 0) },
            tenant: tenant.clone(),
            hook: "call",
            message,
            backtrace: None,
            correlation_id: None,
        }
    }

    #[test]
    fn whoever_fails_often_pushes_out_nobody_elses_failures() {
        let reports = Reports::default();
        let tenant = |number: usize| TenantId::parse(&format!("t{number}")).unwrap();
        let count = |faults: &[Fault], of: usize| faults.iter().filter(|fault| fault.tenant == tenant(of)).count();
        reports.fault(fault(&tenant(0), String::new()));
        (0..200).for_each(|_| reports.fault(fault(&tenant(1), String::new())));
        let kept = reports.take_faults();
        assert_eq!((count(&kept, 0), count(&kept, 1)), (1, PLUGIN_ERRORS as usize));

        (0..200).for_each(|_| reports.fault(fault(&tenant(1), String::new())));
        (2..WAITING).for_each(|number| reports.fault(fault(&tenant(number), String::new())));
        let kept = reports.take_faults();
        assert_eq!((kept.len(), count(&kept, 1)), (WAITING, 2), "all together are bounded, and who has most gives way");
    }

    #[test]
    fn the_last_failures_are_kept_and_long_texts_cut() {
        let (_, tenant) = ids();
        let reports = Reports::default();
        for number in 0..PLUGIN_ERRORS + 5 {
            reports.fault(fault(&tenant, format!("{number} {}", "é".repeat(TEXT_BYTES))));
        }
        let kept = reports.take_faults();
        assert_eq!(kept.len(), PLUGIN_ERRORS as usize);
        let message = &kept[0].message;
        assert!(message.starts_with("5 ") && message.ends_with("é… (cut: it has 16386 bytes)"), "{message}");
        assert!((TEXT_BYTES - 1..=TEXT_BYTES).contains(&message.len()), "{}", message.len());
        assert!(reports.take_faults().is_empty());
    }

    #[test]
    fn what_could_not_be_written_is_kept_and_counted_on() {
        let (plugin, tenant) = ids();
        let reports = Reports::default();
        reports.activation(&plugin, &tenant);
        reports.activation(&plugin, &TenantId::nobody());
        let taken = reports.take_uses();
        assert_eq!((taken.len(), taken[0].activations), (1, 1));
        reports.activation(&plugin, &tenant);
        let faults = (0..PLUGIN_ERRORS).map(|number| fault(&tenant, number.to_string())).collect();
        reports.fault(fault(&tenant, "new".to_owned()));
        reports.put_back(faults, &taken);
        assert_eq!(reports.take_uses()[0].activations, 2);
        assert!(reports.take_uses().is_empty());
        let kept: Vec<String> = reports.take_faults().into_iter().map(|fault| fault.message).collect();
        assert_eq!((kept.len(), &*kept[0], &*kept[49]), (PLUGIN_ERRORS as usize, "1", "new"), "the oldest made room");
    }
}
