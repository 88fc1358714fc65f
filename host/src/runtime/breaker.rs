//! One link's circuit breaker: after some failures in a row the provider is not called for a while, and then by one
//! call at first.
//!
//! Closed, every call goes through. Open, none does, until its time is over. Then one call is let through on trial while
//! the others are still refused: if it succeeds the breaker closes, if it fails it is open for as long again. A trial
//! that says nothing of the provider (the caller gave up, the tenant was over its own limits) leaves the next call to try.

use std::time::{Duration, Instant};

use crate::config::BreakerConfig;

#[derive(Debug, Clone)]
pub(super) struct Breaker {
    /// In a row.
    failures: u32,
    last: Instant,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Instant },
    Trying,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Call,
    /// It decides whether the others may be made.
    Trial,
    /// Not now: for so long, or until the trial is over.
    Refused(Option<Duration>),
}

/// What a failure did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    Nothing,
    Opened,
}

/// How a breaker stands, for those who look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

impl Breaker {
    /// That of a link that has not failed.
    pub(super) fn new(now: Instant) -> Self {
        Self { failures: 0, last: now, phase: Phase::Closed }
    }

    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match self.phase {
            Phase::Closed => Admission::Call,
            Phase::Open { until } if now < until => Admission::Refused(Some(until - now)),
            Phase::Open { .. } => {
                self.phase = Phase::Trying;
                Admission::Trial
            }
            Phase::Trying => Admission::Refused(None),
        }
    }

    /// A call failed, by the provider's fault.
    pub(super) fn fail(&mut self, now: Instant, is_trial: bool, config: &BreakerConfig) -> Turned {
        let in_a_row = now.saturating_duration_since(self.last) <= config.within();
        self.failures = if in_a_row || is_trial { self.failures.saturating_add(1) } else { 1 };
        self.last = now;
        let opens = match self.phase {
            Phase::Closed => self.failures >= config.failures,
            // Another call's: that one is open already, or the trial decides.
            Phase::Open { .. } => false,
            Phase::Trying => is_trial,
        };
        if !opens {
            return Turned::Nothing;
        }
        self.phase = Phase::Open { until: now + config.open() };
        Turned::Opened
    }

    /// The trial ended without saying anything of the provider: the next call is one.
    pub(super) fn give_up_trial(&mut self, now: Instant) {
        if self.phase == Phase::Trying {
            self.phase = Phase::Open { until: now };
        }
    }

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { until } if now < until => BreakerState::Open,
            Phase::Open { .. } | Phase::Trying => BreakerState::HalfOpen,
        }
    }

    /// The time until a call is let through again.
    pub(super) fn opens_in(&self, now: Instant) -> Option<Duration> {
        match self.phase {
            Phase::Open { until } => Some(until.saturating_duration_since(now)),
            _ => None,
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether it is as good as one that never failed.
    pub(super) fn is_forgotten(&self, now: Instant, config: &BreakerConfig) -> bool {
        let quiet = now.saturating_duration_since(self.last);
        match self.phase {
            Phase::Closed => quiet > config.within(),
            Phase::Open { until } => now > until && quiet > config.within(),
            Phase::Trying => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: BreakerConfig = BreakerConfig { failures: 3, within_ms: 1_000, open_ms: 500 };

    fn after(begin: Instant, ms: u64) -> Instant {
        begin + Duration::from_millis(ms)
    }

    fn opened(begin: Instant) -> Breaker {
        let mut breaker = Breaker::new(begin);
        assert_eq!(breaker.fail(begin, false, &CONFIG), Turned::Nothing);
        assert_eq!(breaker.fail(begin, false, &CONFIG), Turned::Nothing);
        assert_eq!(breaker.admit(begin), Admission::Call);
        assert_eq!(breaker.fail(begin, false, &CONFIG), Turned::Opened);
        breaker
    }

    #[test]
    fn it_opens_refuses_tries_one_call_and_opens_again_when_that_fails() {
        let begin = Instant::now();
        let mut breaker = opened(begin);
        assert_eq!(breaker.admit(after(begin, 200)), Admission::Refused(Some(Duration::from_millis(300))));
        assert_eq!(breaker.state(after(begin, 200)), BreakerState::Open);
        assert_eq!(breaker.admit(after(begin, 500)), Admission::Trial);
        assert_eq!(breaker.admit(after(begin, 501)), Admission::Refused(None));
        assert_eq!(breaker.state(after(begin, 501)), BreakerState::HalfOpen);
        assert_eq!(breaker.fail(after(begin, 502), false, &CONFIG), Turned::Nothing, "a late call is not the trial");
        assert_eq!(breaker.fail(after(begin, 600), true, &CONFIG), Turned::Opened);
        assert_eq!(breaker.admit(after(begin, 700)), Admission::Refused(Some(Duration::from_millis(400))));
    }

    #[test]
    fn a_trial_that_says_nothing_leaves_it_to_the_next() {
        let begin = Instant::now();
        let mut breaker = opened(begin);
        assert_eq!(breaker.admit(after(begin, 500)), Admission::Trial);
        breaker.give_up_trial(after(begin, 510));
        assert_eq!(breaker.admit(after(begin, 510)), Admission::Trial);
    }

    #[test]
    fn failures_far_apart_are_not_in_a_row_and_are_forgotten() {
        let begin = Instant::now();
        let mut breaker = Breaker::new(begin);
        for number in 0..10 {
            assert_eq!(breaker.fail(after(begin, number * 1_001), false, &CONFIG), Turned::Nothing);
        }
        assert!(!breaker.is_forgotten(after(begin, 9_010), &CONFIG));
        assert!(breaker.is_forgotten(after(begin, 10_011), &CONFIG));
        let open = opened(begin);
        assert!(!open.is_forgotten(after(begin, 400), &CONFIG) && open.is_forgotten(after(begin, 1_001), &CONFIG));
    }
}
