//! How long to wait before an event is delivered again.

use std::time::Duration;

use crate::config::EventsConfig;

/// A random part of a bound that doubles with each attempt that failed, so that those that failed together do not come
/// again together. `random` is from 0 to 1.
pub(super) fn pause(limits: &EventsConfig, failed: u32, random: f64) -> Duration {
    let doubled = limits.backoff_first_ms.saturating_mul(1 << failed.saturating_sub(1).min(32));
    let bound = Duration::from_millis(doubled.min(limits.backoff_most_ms));
    bound.mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_most() {
        let limits = EventsConfig { backoff_first_ms: 100, backoff_most_ms: 1_000, ..EventsConfig::default() };
        let bounds: Vec<_> = (1..=6).map(|failed| pause(&limits, failed, 1.0).as_millis()).collect();
        assert_eq!(bounds, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(pause(&limits, 3, 0.5).as_millis(), 200, "the whole bound is spread over");
        assert_eq!(pause(&limits, u32::MAX, 0.0), Duration::ZERO);
        let endless = EventsConfig { backoff_first_ms: u64::MAX, backoff_most_ms: u64::MAX, ..limits };
        assert!(pause(&endless, 40, 1.0) > Duration::from_secs(1));
    }
}
