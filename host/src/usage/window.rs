//! A number that begins anew with each hour of the clock.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

const SECONDS: i64 = 3_600;

/// Hours since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(u32);

impl Hour {
    pub fn of(now: Timestamp) -> Self {
        Self(u32::try_from(now.as_second() / SECONDS).unwrap_or(0))
    }

    /// Its number, as it is written down.
    pub fn number(self) -> u32 {
        self.0
    }

    /// When the next one begins.
    pub fn end(self) -> Timestamp {
        Timestamp::from_second((i64::from(self.0) + 1) * SECONDS).unwrap_or(Timestamp::MAX)
    }
}

/// Bits of the count, below those of the hour: 12 days in microseconds.
const COUNT_BITS: u32 = 40;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// The hour and what was counted in it, in one word, so that both change together. It never goes back to an hour that
/// has passed: who is late by a moment counts in the next one.
#[derive(Debug, Default)]
pub struct Window(AtomicU64);

impl Window {
    /// Adds `amount` if that leads to no more than `limit`.
    pub fn take(&self, hour: Hour, amount: u64, limit: u64) -> bool {
        let add = |word| {
            let (hour, count) = current(word, hour);
            let sum = count.checked_add(amount).filter(|sum| *sum <= limit.min(COUNT_MAX))?;
            Some(pack(hour, sum))
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// Adds what was used already, as far as can be counted.
    pub fn add(&self, hour: Hour, amount: u64) {
        let add = |word| {
            let (hour, count) = current(word, hour);
            Some(pack(hour, count.saturating_add(amount).min(COUNT_MAX)))
        };
        _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Takes back what was added in this hour. Of an hour that has passed nothing is left to take back from.
    pub fn give_back(&self, hour: Hour, amount: u64) {
        let less = |word| {
            let (counted, count) = current(word, hour);
            (counted == hour).then(|| pack(hour, count.saturating_sub(amount)))
        };
        _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// What was counted in this hour, or in a later one that has begun.
    pub fn count(&self, hour: Hour) -> u64 {
        current(self.0.load(Ordering::Relaxed), hour).1
    }

    /// Whether it counts in this hour, or would if anything happened.
    pub fn is_in(&self, hour: Hour) -> bool {
        current(self.0.load(Ordering::Relaxed), hour).0 == hour
    }
}

fn pack(hour: Hour, count: u64) -> u64 {
    u64::from(hour.0) << COUNT_BITS | count
}

/// The later of both hours, and what was counted in it.
fn current(word: u64, hour: Hour) -> (Hour, u64) {
    let counted = Hour(u32::try_from(word >> COUNT_BITS).unwrap_or(0));
    if counted < hour { (hour, 0) } else { (counted, word & COUNT_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Hour = Hour(500_000);

    #[test]
    fn as_many_succeed_at_once_as_there_is_left() {
        let window = Window::default();
        let taken: usize = std::thread::scope(|scope| {
            let takers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| (0..1_000).filter(|_| window.take(FIRST, 3, 10_000)).count())).collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!((taken, window.count(FIRST)), (3_333, 9_999));
        assert!(window.take(FIRST, 1, 10_000) && !window.take(FIRST, 1, 10_000));
    }

    #[test]
    fn the_next_hour_begins_at_nothing() {
        let (window, next) = (Window::default(), Hour(FIRST.0 + 1));
        window.add(FIRST, COUNT_MAX);
        window.add(FIRST, u64::MAX);
        assert_eq!(window.count(FIRST), COUNT_MAX);
        assert!(!window.take(FIRST, 1, u64::MAX));
        assert!(window.take(next, 2, 2));
        assert_eq!(window.count(next), 2);
        // Somebody has looked at the clock just before the hour ended.
        assert!(!window.take(FIRST, 1, 2));
        window.add(FIRST, 1);
        assert_eq!(window.count(next), 3);
        assert!(window.is_in(next) && !window.is_in(FIRST));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_in_its_hour_alone() {
        let (window, next) = (Window::default(), Hour(FIRST.0 + 1));
        assert!(window.take(FIRST, 2, 2) && !window.take(FIRST, 1, 2));
        window.give_back(FIRST, 1);
        assert!(window.take(FIRST, 1, 2) && !window.take(FIRST, 1, 2));
        assert!(window.take(next, 1, 2));
        window.give_back(FIRST, 1);
        assert_eq!(window.count(next), 1, "the next hour owes nothing to the last");
    }

    #[test]
    fn an_hour_ends_on_the_hour() {
        let hour = Hour::of("2026-11-21T23:59:59.5Z".parse().unwrap());
        assert_eq!(hour.end().to_string(), "2026-11-22T00:00:00Z");
        assert_eq!(Hour::of(hour.end()), Hour(hour.0 + 1));
    }
}
