//! How far a client is behind with what it has to take.
//!
//! While something lies ready for it, a client falls behind as time passes, and catches up as it takes bytes: each
//! is worth the time that it may cost at the least rate. Being ahead is not saved up. So one measure tells of a client
//! that takes nothing and of one that takes a byte now and then, and its bound bounds the whole: `bytes` are taken
//! within their time at the least rate and `http.write_timeout_ms`, or the client is given up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One client, or one HTTP/2 stream of it. Only one task at a time changes it; anybody may read it.
pub struct Pace {
    began: Instant,
    /// When a client that takes at the least rate would have begun, in microseconds.
    from: AtomicU64,
}

/// Nothing lies ready.
const NOTHING: u64 = u64::MAX;

impl Pace {
    pub fn new(began: Instant) -> Self {
        Self { began, from: AtomicU64::new(NOTHING) }
    }

    /// Something lies ready for the client. True if nothing did before.
    pub fn ready(&self) -> bool {
        let nothing = self.from.load(Ordering::Relaxed) == NOTHING;
        if nothing {
            self.from.store(self.now(), Ordering::Relaxed);
        }
        nothing
    }

    /// It took some of it.
    pub fn took(&self, bytes: usize, bytes_per_s: u64) {
        let from = self.from.load(Ordering::Relaxed);
        if from == NOTHING {
            return;
        }
        let worth = (bytes as u64).saturating_mul(1_000_000) / bytes_per_s.max(1);
        self.from.store(from.saturating_add(worth).min(self.now()), Ordering::Relaxed);
    }

    /// It took all of it. True if there was anything.
    pub fn done(&self) -> bool {
        self.from.load(Ordering::Relaxed) != NOTHING && self.from.swap(NOTHING, Ordering::Relaxed) != NOTHING
    }

    pub fn behind(&self) -> Duration {
        match self.from.load(Ordering::Relaxed) {
            NOTHING => Duration::ZERO,
            from => Duration::from_micros(self.now().saturating_sub(from)),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(NOTHING - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 1_000;

    /// One that something has lain ready for since so long.
    fn since(time: Duration) -> Pace {
        let pace = Pace::new(Instant::now().checked_sub(time).unwrap());
        pace.from.store(0, Ordering::Relaxed);
        pace
    }

    #[test]
    fn a_byte_now_and_then_wins_no_more_than_its_worth() {
        let pace = since(Duration::from_secs(100));
        pace.took(1, RATE);
        assert!(pace.behind() > Duration::from_secs(99));
        pace.took(50_000, RATE);
        assert!((49..60).contains(&pace.behind().as_secs()), "{:?}", pace.behind());
    }

    #[test]
    fn being_ahead_is_not_saved_up() {
        let pace = since(Duration::from_secs(1));
        pace.took(usize::MAX, RATE);
        assert!(pace.behind() < Duration::from_millis(500));
        assert!(pace.from.load(Ordering::Relaxed) <= pace.now());
    }

    #[test]
    fn whoever_has_nothing_to_take_is_not_behind() {
        let pace = Pace::new(Instant::now());
        pace.took(1, RATE);
        assert_eq!(pace.behind(), Duration::ZERO);
        assert!(pace.ready() && !pace.ready());
        assert!(pace.done() && !pace.done());
        assert_eq!(pace.behind(), Duration::ZERO);
    }
}
