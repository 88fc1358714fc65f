//! How often a tenant may call an endpoint.
//!
//! One rule has one counter for each tenant, whichever way the calls come and however many connections they come over.
//! As many calls as the rule allows a minute may come at once; what was used comes back evenly over the minute
//! (the generic cell rate algorithm). So a tenant that was quiet and then asks without pause gets, in its first minute,
//! at most twice the rate.
//!
//! The counters of a rule stay when its plugin is loaded anew, so that no reload begins a new minute. Bound: one entry
//! for each tenant that called within the last minute, and [`SWEEP_MIN`] more; one counter for each rule that was ever
//! loaded and called.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use super::CallFailure;
use super::rules::PerMinute;
use crate::id::{PluginId, TenantId};

/// Calls between two looks at which tenants have all of their calls back, and the entries below which nobody looks.
const SWEEP_EVERY: u32 = 256;
const SWEEP_MIN: usize = 1_024;

/// What a manifest says of an endpoint, or of the function that several of them name.
pub struct RateRule {
    pub plugin: PluginId,
    /// What is counted: a function, or the endpoint of a plugin's own handler.
    pub counted: String,
    /// As clients write it, for those who are refused: `GET /plugins/crm/contacts`.
    pub endpoint: String,
    pub per_minute: PerMinute,
    limiter: OnceLock<Arc<Limiter>>,
}

impl RateRule {
    pub fn new(plugin: PluginId, counted: String, endpoint: String, per_minute: PerMinute) -> Self {
        Self { plugin, counted, endpoint, per_minute, limiter: OnceLock::new() }
    }
}

/// What is left to a tenant after a call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub per_minute: u32,
    pub remaining: u32,
    /// Seconds until all of it is there again.
    pub whole_after_s: u64,
}

/// The counters of all rules.
#[derive(Default)]
pub(super) struct Rates {
    by_rule: RwLock<HashMap<(PluginId, String, PerMinute), Arc<Limiter>>>,
}

type Counters = RateLimiter<TenantId, HashMapStateStore<TenantId>, DefaultClock, StateInformationMiddleware>;

struct Limiter {
    counters: Counters,
    clock: DefaultClock,
    calls: AtomicU32,
}

impl Rates {
    /// Counts one call of the tenant.
    ///
    /// # Errors
    ///
    /// [`CallFailure::RateLimited`] when there were too many.
    pub(super) fn admit(&self, rule: &RateRule, tenant: &TenantId) -> Result<Allowance, CallFailure> {
        let limiter = rule.limiter.get_or_init(|| self.limiter(rule));
        limiter.admit(rule.per_minute, tenant).map_err(|wait| CallFailure::RateLimited {
            endpoint: rule.endpoint.clone(),
            tenant: tenant.to_string(),
            per_minute: rule.per_minute.get(),
            retry_after_s: whole_seconds(wait),
        })
    }

    fn limiter(&self, rule: &RateRule) -> Arc<Limiter> {
        let key = (rule.plugin.clone(), rule.counted.clone(), rule.per_minute);
        let mut by_rule = self.by_rule.write().unwrap_or_else(PoisonError::into_inner);
        by_rule.entry(key).or_insert_with(|| Arc::new(Limiter::new(rule.per_minute))).clone()
    }
}

impl Limiter {
    fn new(per_minute: PerMinute) -> Self {
        let clock = DefaultClock::default();
        let quota = Quota::per_minute(per_minute);
        let counters = Counters::new(quota, HashMapStateStore::default(), clock.clone());
        Self { counters, clock, calls: AtomicU32::new(0) }
    }

    /// What is left, or the time until the next call is let through.
    fn admit(&self, per_minute: PerMinute, tenant: &TenantId) -> Result<Allowance, Duration> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        if calls.is_multiple_of(SWEEP_EVERY) && self.counters.len() > SWEEP_MIN {
            self.counters.retain_recent();
        }
        let state = self.counters.check_key(tenant).map_err(|until| until.wait_time_from(self.clock.now()))?;
        let remaining = state.remaining_burst_capacity();
        let used = per_minute.get().saturating_sub(remaining);
        let whole_after = state.quota().replenish_interval() * used;
        Ok(Allowance { per_minute: per_minute.get(), remaining, whole_after_s: whole_seconds(whole_after) })
    }
}

/// Rounded up, and at least one: after so long it has come.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0 || time.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(per_minute: u32) -> RateRule {
        let per_minute = PerMinute::new(per_minute).unwrap();
        RateRule::new(PluginId::parse("crm").unwrap(), "f".into(), "GET /plugins/crm/f".into(), per_minute)
    }

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Of so many calls at once exactly as many are let through as the rule says. A call comes back after 2 s at the
        /// soonest, and the threads are done long before.
        #[test]
        fn of_calls_at_once_exactly_as_many_pass_as_are_allowed(
            allowed in 1u32..=30, threads in 1usize..6, each in 1usize..20,
        ) {
            let (rates, rule) = (Rates::default(), rule(allowed));
            let (acme, other) = (tenant("acme"), tenant("other"));
            let passed: usize = std::thread::scope(|scope| {
                let count = || (0..each).filter(|_| rates.admit(&rule, &acme).is_ok()).count();
                let running: Vec<_> = (0..threads).map(|_| scope.spawn(count)).collect();
                running.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            prop_assert_eq!(passed, (threads * each).min(allowed as usize));
            prop_assert!(rates.admit(&rule, &other).is_ok(), "another tenant's calls are its own");
        }
    }

    #[test]
    fn what_is_left_is_told_and_a_reload_begins_no_new_minute() {
        let rates = Rates::default();
        let acme = tenant("acme");
        let told: Vec<_> = (0..3).map(|_| rates.admit(&rule(3), &acme).unwrap().remaining).collect();
        assert_eq!(told, [2, 1, 0], "each of the three is a rule of its own, as after a reload");
        let refused = rates.admit(&rule(3), &acme).unwrap_err();
        let CallFailure::RateLimited { retry_after_s, endpoint, .. } = refused else { panic!("{refused}") };
        assert!((1..=20).contains(&retry_after_s), "{retry_after_s}");
        assert_eq!(endpoint, "GET /plugins/crm/f");
        assert!(rates.admit(&rule(4), &acme).is_ok(), "another rate is another rule");
    }

    #[test]
    fn tenants_that_have_all_of_their_calls_back_are_forgotten() {
        let limiter = Limiter::new(PerMinute::new(1_000_000).unwrap());
        for number in 0..20_000 {
            limiter.admit(PerMinute::new(1_000_000).unwrap(), &tenant(&format!("tenant-{number}"))).unwrap();
        }
        assert!(limiter.counters.len() <= SWEEP_MIN + 2 * SWEEP_EVERY as usize, "{}", limiter.counters.len());
    }
}
