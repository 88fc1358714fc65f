//! How often credentials from one address were refused.
//!
//! Bound: so many addresses, `auth.failure_addresses`, with one number each. When there are more, those whose minute is
//! over go, and if there is none, any other.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

pub(super) struct Failures {
    most: u32,
    addresses: usize,
    counts: Mutex<HashMap<IpAddr, Count>>,
}

struct Count {
    since: Instant,
    failures: u32,
}

impl Failures {
    pub(super) fn new(most: u32, addresses: usize) -> Self {
        Self { most, addresses, counts: Mutex::default() }
    }

    /// How long this address is still shut; none when it is not.
    pub(super) fn shut_for(&self, address: IpAddr) -> Option<Duration> {
        let counts = self.counts();
        let count = counts.get(&network(address)).filter(|count| count.failures >= self.most)?;
        Some(MINUTE.saturating_sub(count.since.elapsed())).filter(|left| !left.is_zero())
    }

    /// Counts one more. True for the one that shuts the address.
    pub(super) fn count(&self, address: IpAddr) -> bool {
        self.count_at(address, Instant::now())
    }

    fn count_at(&self, address: IpAddr, now: Instant) -> bool {
        let mut counts = self.counts();
        let address = network(address);
        if counts.len() >= self.addresses && !counts.contains_key(&address) {
            counts.retain(|_, count| now.duration_since(count.since) < MINUTE);
            if counts.len() >= self.addresses
                && let Some(other) = counts.keys().next().copied()
            {
                counts.remove(&other);
            }
        }
        let count = counts.entry(address).or_insert(Count { since: now, failures: 0 });
        if now.duration_since(count.since) >= MINUTE {
            *count = Count { since: now, failures: 0 };
        }
        count.failures = count.failures.saturating_add(1);
        count.failures == self.most
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One customer of a provider has a whole /64 of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_shut_after_so_many_and_open_again_after_a_minute() {
        let failures = Failures::new(3, 10);
        let shut = |address| failures.shut_for(ip(address)).is_some();
        assert_eq!([(); 4].map(|()| failures.count(ip("10.0.0.1"))), [false, false, true, false]);
        assert!(shut("10.0.0.1") && shut("::ffff:10.0.0.1") && !shut("10.0.0.2"));
        let later = Instant::now() + MINUTE;
        assert!(!failures.count_at(ip("10.0.0.1"), later), "it begins anew");
        assert!(!shut("10.0.0.1"));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let failures = Failures::new(2, 10);
        failures.count(ip("2001:db8:1:2::1"));
        assert!(failures.count(ip("2001:db8:1:2:ffff::9")));
        assert!(failures.shut_for(ip("2001:db8:1:2::3")).is_some());
        assert!(failures.shut_for(ip("2001:db8:1:3::1")).is_none());
    }

    #[test]
    fn no_more_addresses_are_kept_than_said() {
        let failures = Failures::new(2, 100);
        for number in 0..1_000_u32 {
            failures.count(IpAddr::V4(number.into()));
        }
        assert_eq!(failures.counts().len(), 100);
    }
}
