//! Which plugins fail for one tenant, and over which of its links they are not called for a while.
//!
//! Everything here is a tenant's own. A provider that fails for one tenant, because of its data or because of what its
//! users ask, is called for the others as before: no tenant can open another's breaker, or make a plugin look ill to
//! it. And it is a link's own, caller, import and provider: what one caller asks of a provider that fails says nothing
//! of what another asks.
//!
//! A tenant for which everything works has no entries, and a call costs one read of an atomic. Bound: one entry for each
//! link and each plugin that failed within `breaker.within_ms`; older ones go when one is added. Nothing is written down: a
//! host that starts calls everybody.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::CallFailure;
use super::breaker::{Admission, Breaker, BreakerState, Turned};
use super::prepared::{PluginKey, PreparedPlugin};
use super::signature::VersionedInterface;
use super::tenant::Tenant;
use crate::config::BreakerConfig;
use crate::id::PluginId;

/// What is kept of a reason.
const REASON_BYTES: usize = 500;

#[derive(Default)]
pub(super) struct Troubles {
    /// Whether there is anything.
    any: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// When everything in it is forgotten.
    until: Option<Instant>,
    links: HashMap<LinkKey, LinkTrouble>,
    plugins: HashMap<PluginId, PluginTrouble>,
}

/// A link by the serial numbers of its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LinkKey {
    pub(super) caller: u64,
    pub(super) import: usize,
    pub(super) provider: u64,
}

struct LinkTrouble {
    caller: PluginKey,
    provider: PluginKey,
    interface: String,
    breaker: Breaker,
    reason: String,
}

struct PluginTrouble {
    failures: u32,
    last: Instant,
    reason: String,
}

/// A link that has failed lately, as it is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkHealth {
    pub caller: String,
    pub caller_version: String,
    pub interface: String,
    pub provider: String,
    pub provider_version: String,
    pub state: BreakerState,
    /// In a row.
    pub failures: u32,
    /// The last of them.
    pub reason: String,
    /// Milliseconds until it is tried again; absent while it is called or tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_in_ms: Option<u64>,
}

/// How a plugin's calls have gone lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ills {
    /// Calls that failed in a row by the plugin's fault.
    pub failures: u32,
    pub reason: String,
    pub ago: Duration,
}

/// Why a call is not made.
pub(super) struct Refusal {
    pub(super) failures: u32,
    pub(super) reason: String,
    pub(super) wait: Option<Duration>,
}

impl Troubles {
    /// Whether a call over this link may be made. It is to be told how the call went ([`Attempt`]).
    pub(super) fn attempt(tenant: &Arc<Tenant>, key: LinkKey) -> Result<Attempt, Refusal> {
        let this = &tenant.troubles;
        let mut is_trial = false;
        if this.any.load(Ordering::Relaxed)
            && let Some(link) = this.known().links.get_mut(&key)
        {
            match link.breaker.admit(Instant::now()) {
                Admission::Call => {}
                Admission::Trial => is_trial = true,
                Admission::Refused(wait) => {
                    let (failures, reason) = (link.breaker.failures(), link.reason.clone());
                    return Err(Refusal { failures, reason, wait });
                }
            }
        }
        Ok(Attempt { tenant: tenant.clone(), key, is_trial })
    }

    /// Notes how a call of a plugin went: `fault` if it failed by the plugin's own.
    pub(super) fn plugin(&self, plugin: &PluginId, fault: Option<&dyn ToString>, config: &BreakerConfig) {
        let Some(fault) = fault else {
            if self.any.load(Ordering::Relaxed) {
                let mut known = self.known();
                known.plugins.remove(plugin);
                self.any.store(!known.is_empty(), Ordering::Relaxed);
            }
            return;
        };
        let (now, reason) = (Instant::now(), short(fault.to_string()));
        let mut known = self.known();
        self.any.store(true, Ordering::Relaxed);
        known.remember(now, config);
        let trouble = known.plugins.entry(plugin.clone()).or_insert_with(|| PluginTrouble {
            failures: 0,
            last: now,
            reason: String::new(),
        });
        *trouble = PluginTrouble { failures: trouble.failures.saturating_add(1), last: now, reason };
    }

    /// How a plugin's calls have gone lately, if the last has failed.
    pub(super) fn ills(&self, plugin: &PluginId, config: &BreakerConfig) -> Option<Ills> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let now = Instant::now();
        let mut known = self.known();
        known.forget(now, config);
        let ills = known.plugins.get(plugin).map(|trouble| Ills {
            failures: trouble.failures,
            reason: trouble.reason.clone(),
            ago: now.saturating_duration_since(trouble.last),
        });
        self.any.store(!known.is_empty(), Ordering::Relaxed);
        ills
    }

    /// The links that have failed lately, sorted.
    pub(super) fn links(&self, config: &BreakerConfig) -> Vec<LinkHealth> {
        if !self.any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let now = Instant::now();
        let mut known = self.known();
        known.forget(now, config);
        let mut links: Vec<LinkHealth> = known.links.values().map(|link| link.health(now)).collect();
        let name = |link: &LinkHealth| (link.caller.clone(), link.interface.clone(), link.provider_version.clone());
        links.sort_by_key(name);
        links
    }

    /// Each plugin that fails, with how often in a row.
    pub(super) fn failing(&self, config: &BreakerConfig) -> Vec<(PluginId, u32)> {
        if !self.any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut known = self.known();
        known.forget(Instant::now(), config);
        known.plugins.iter().map(|(plugin, trouble)| (plugin.clone(), trouble.failures)).collect()
    }

    /// Whether there may be something.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Whether there is something that is not forgotten by now.
    pub(super) fn are_remembered(&self, now: Instant) -> bool {
        self.any() && self.known().until.is_some_and(|until| now < until)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Notes that there is something new.
    fn remember(&mut self, now: Instant, config: &BreakerConfig) {
        self.forget(now, config);
        self.until = Some(now + config.within() + config.open());
    }

    fn forget(&mut self, now: Instant, config: &BreakerConfig) {
        self.links.retain(|_, link| !link.breaker.is_forgotten(now, config));
        self.plugins.retain(|_, trouble| now.saturating_duration_since(trouble.last) <= config.within());
    }

    fn is_empty(&self) -> bool {
        self.links.is_empty() && self.plugins.is_empty()
    }
}

impl LinkTrouble {
    fn health(&self, now: Instant) -> LinkHealth {
        let state = self.breaker.state(now);
        let wait = self.breaker.opens_in(now).filter(|_| state == BreakerState::Open);
        LinkHealth {
            caller: self.caller.id.to_string(),
            caller_version: self.caller.version.to_string(),
            interface: self.interface.clone(),
            provider: self.provider.id.to_string(),
            provider_version: self.provider.version.to_string(),
            state,
            failures: self.breaker.failures(),
            reason: self.reason.clone(),
            retry_in_ms: wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// A call over a link that may be made. Dropped without a word of how it went, it says nothing of the provider.
pub(super) struct Attempt {
    tenant: Arc<Tenant>,
    key: LinkKey,
    is_trial: bool,
}

impl Attempt {
    /// The provider answered, with whatever value.
    pub(super) fn succeeded(mut self) -> bool {
        let was_trial = std::mem::take(&mut self.is_trial);
        let troubles = &self.tenant.troubles;
        if troubles.any.load(Ordering::Relaxed) {
            let mut known = troubles.known();
            known.links.remove(&self.key);
            troubles.any.store(!known.is_empty(), Ordering::Relaxed);
        }
        was_trial
    }

    /// It failed, by its own fault. True when it is not called for a while from now on.
    pub(super) fn failed(
        mut self,
        (caller, provider, interface): (&PreparedPlugin, &PreparedPlugin, &VersionedInterface),
        failure: &CallFailure,
        config: &BreakerConfig,
    ) -> bool {
        let is_trial = std::mem::take(&mut self.is_trial);
        let now = Instant::now();
        let troubles = &self.tenant.troubles;
        let mut known = troubles.known();
        troubles.any.store(true, Ordering::Relaxed);
        known.remember(now, config);
        let link = known.links.entry(self.key).or_insert_with(|| LinkTrouble {
            caller: caller.key().clone(),
            provider: provider.key().clone(),
            interface: interface.to_string(),
            breaker: Breaker::new(now),
            reason: String::new(),
        });
        link.reason = short(failure.to_string());
        link.breaker.fail(now, is_trial, config) == Turned::Opened
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_trial
            && let Some(link) = self.tenant.troubles.known().links.get_mut(&self.key)
        {
            link.breaker.give_up_trial(Instant::now());
        }
    }
}

fn short(mut text: String) -> String {
    if text.len() > REASON_BYTES {
        text.truncate(text.floor_char_boundary(REASON_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::tenant::tests::{tenant, tenants};

    const CONFIG: BreakerConfig = BreakerConfig { failures: 2, within_ms: 60_000, open_ms: 60_000 };

    #[test]
    fn a_plugin_is_ill_for_the_tenant_it_failed_for_until_a_call_succeeds() {
        let tenants = tenants();
        let (acme, other) = (tenant(&tenants, "acme"), tenant(&tenants, "other"));
        let crm = PluginId::parse("crm").unwrap();
        acme.troubles.plugin(&crm, Some(&"x".repeat(5_000)), &CONFIG);
        acme.troubles.plugin(&crm, Some(&"trapped"), &CONFIG);
        let ills = acme.troubles.ills(&crm, &CONFIG).unwrap();
        assert_eq!((ills.failures, ills.reason.as_str()), (2, "trapped"));
        assert_eq!(other.troubles.ills(&crm, &CONFIG), None);
        assert!(acme.troubles.any() && !other.troubles.any());
        acme.troubles.plugin(&crm, None, &CONFIG);
        assert_eq!(acme.troubles.ills(&crm, &CONFIG), None);
        assert!(!acme.troubles.any(), "nothing is left to be remembered");
    }
}
