//! What one tenant uses of one plugin.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use super::window::{Hour, Window};
use super::{Exceeded, Quota};

/// A counter and a limit for each quota.
#[derive(Debug)]
pub struct Meter {
    enforced: bool,
    counters: [Counter; Quota::ALL.len()],
}

#[derive(Debug)]
struct Counter {
    window: Window,
    /// What of it is written down, by all hosts, as far as is known.
    written: Window,
    /// It may be changed at any time.
    limit: AtomicU64,
}

impl Meter {
    pub(super) fn new(enforced: bool, limits: &[u64; Quota::ALL.len()]) -> Self {
        let counters =
            limits.map(|limit| Counter { window: Window::default(), written: Window::default(), limit: limit.into() });
        Self { enforced, counters }
    }

    /// Of what is nobody's: it bounds nothing.
    pub fn of_nobody() -> Self {
        Self::new(false, &[u64::MAX; Quota::ALL.len()])
    }

    /// Takes that much, or nothing.
    ///
    /// # Errors
    ///
    /// When less than that is left.
    pub fn take(&self, quota: Quota, amount: u64) -> Result<(), Exceeded> {
        let (hour, limit) = (Hour::of(Timestamp::now()), self.limit(quota));
        let window = &self.counter(quota).window;
        if !self.enforced {
            window.add(hour, amount);
            return Ok(());
        }
        match window.take(hour, amount, limit) {
            true => Ok(()),
            false => Err(Exceeded { quota, limit, resets_at: hour.end() }),
        }
    }

    /// Takes back what was taken in this hour. What is written down of it stays written, and the next that is taken
    /// makes up for it: what is written down is never less than what was used.
    pub(super) fn give_back(&self, quota: Quota, hour: Hour, amount: u64) {
        self.counter(quota).window.give_back(hour, amount);
    }

    /// Adds what was used before it could be known how much it would be.
    pub fn add(&self, quota: Quota, amount: u64) {
        self.counter(quota).window.add(Hour::of(Timestamp::now()), amount);
    }

    /// Whether anything is left.
    ///
    /// # Errors
    ///
    /// When nothing is.
    pub fn check(&self, quota: Quota) -> Result<(), Exceeded> {
        let (hour, limit) = (Hour::of(Timestamp::now()), self.limit(quota));
        match self.enforced && self.counter(quota).window.count(hour) >= limit {
            true => Err(Exceeded { quota, limit, resets_at: hour.end() }),
            false => Ok(()),
        }
    }

    /// What was used in this hour, in the quota's own unit.
    pub fn used(&self, quota: Quota) -> u64 {
        self.counter(quota).window.count(Hour::of(Timestamp::now()))
    }

    pub fn limit(&self, quota: Quota) -> u64 {
        self.counter(quota).limit.load(Ordering::Relaxed)
    }

    pub(super) fn set_limit(&self, quota: Quota, limit: u64) {
        self.counter(quota).limit.store(limit, Ordering::Relaxed);
    }

    /// What was counted in this hour and is not written down.
    pub(super) fn unwritten(&self, quota: Quota, hour: Hour) -> u64 {
        let Counter { window, written, .. } = self.counter(quota);
        if window.is_in(hour) { window.count(hour).saturating_sub(written.count(hour)) } else { 0 }
    }

    /// That so much was written down of it, and what all hosts together have used since.
    pub(super) fn wrote(&self, quota: Quota, hour: Hour, added: u64, sum: u64) {
        let Counter { window, written, .. } = self.counter(quota);
        if !window.is_in(hour) {
            return;
        }
        let others = sum.saturating_sub(written.count(hour) + added);
        written.add(hour, added + others);
        window.add(hour, others);
    }

    /// Whether nothing was counted in this hour, nor written down of what was given back since.
    pub(super) fn is_idle(&self, hour: Hour) -> bool {
        let is_idle = |window: &Window| window.count(hour) == 0;
        self.counters.iter().all(|counter| is_idle(&counter.window) && is_idle(&counter.written))
    }

    fn counter(&self, quota: Quota) -> &Counter {
        &self.counters[quota as usize]
    }
}
