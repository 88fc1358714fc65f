//! How many requests may be under way at once, and how many in a minute.
//!
//! A request has one place among those of its call, one among those of its tenant, and one among those of all, until
//! its connection is closed. Nobody waits for a place: who finds none is told so at once.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::OutboundError;
use crate::config::OutboundConfig;
use crate::id::{PluginId, TenantId};

/// After so many requests, plugins of tenants that have been quiet are forgotten.
const SWEEP_AFTER: u32 = 1_024;

/// The places of one request, given back when the last clone is dropped.
#[derive(Clone)]
pub struct Places {
    _held: Arc<[OwnedSemaphorePermit; 3]>,
}

/// A number of places, and the setting that says how many there are.
#[derive(Clone)]
pub struct Room {
    free: Arc<Semaphore>,
    limit: usize,
    setting: &'static str,
}

impl Room {
    pub fn new(setting: &'static str, limit: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(limit)), limit, setting }
    }

    fn take(&self) -> Result<OwnedSemaphorePermit, OutboundError> {
        let full = OutboundError::TooMany { setting: self.setting, limit: self.limit };
        self.free.clone().try_acquire_owned().map_err(|_| full)
    }
}

impl Places {
    /// A place in each, or in none.
    pub fn take(rooms: [&Room; 3]) -> Result<Self, OutboundError> {
        let [first, second, third] = rooms;
        Ok(Self { _held: Arc::new([first.take()?, second.take()?, third.take()?]) })
    }
}

/// How many requests each plugin may make for each tenant.
pub struct Rates {
    limit: u32,
    of: DefaultKeyedRateLimiter<(TenantId, PluginId)>,
    counted: AtomicU32,
}

impl Rates {
    pub fn new(config: &OutboundConfig) -> Self {
        let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota =
            Quota::per_minute(positive(config.requests_per_minute)).allow_burst(positive(config.requests_burst));
        Self { limit: config.requests_per_minute, of: RateLimiter::keyed(quota), counted: AtomicU32::new(0) }
    }

    /// Counts one request.
    pub fn take(&self, tenant: &TenantId, plugin: &PluginId) -> Result<(), OutboundError> {
        if self.counted.fetch_add(1, Ordering::Relaxed) % SWEEP_AFTER == SWEEP_AFTER - 1 {
            self.of.retain_recent();
        }
        self.of.check_key(&(tenant.clone(), plugin.clone())).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            OutboundError::Rate { limit: self.limit, wait: Duration::from_millis(wait.as_millis() as u64 + 1) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_together_and_come_back_with_the_last_clone() {
        let (call, tenant, all) = (Room::new("call", 2), Room::new("tenant", 1), Room::new("all", 5));
        let first = Places::take([&call, &tenant, &all]).unwrap();
        let refused = Places::take([&call, &tenant, &all]).map(drop).unwrap_err().to_string();
        assert_eq!(refused, "1 requests are under way already, and tenant allows no more");
        assert_eq!((call.free.available_permits(), all.free.available_permits()), (1, 4));
        let clone = first.clone();
        drop(first);
        assert!(Places::take([&call, &tenant, &all]).is_err());
        drop(clone);
        assert!(Places::take([&call, &tenant, &all]).is_ok());
    }

    #[test]
    fn each_plugin_has_a_rate_for_each_tenant() {
        let config = OutboundConfig { requests_per_minute: 1, requests_burst: 3, ..OutboundConfig::default() };
        let rates = Rates::new(&config);
        let take = |tenant: &str, plugin: &str| {
            rates.take(&TenantId::parse(tenant).unwrap(), &PluginId::parse(plugin).unwrap())
        };
        assert!((0..3).all(|_| take("acme", "crm").is_ok()));
        assert!(matches!(take("acme", "crm"), Err(OutboundError::Rate { limit: 1, .. })));
        assert!(take("acme", "mail").is_ok() && take("globex", "crm").is_ok());
    }
}
