//! What time it is for schedules.
//!
//! With the cargo feature `fault-injection` the environment variable `TENON_CLOCK_FILE` may name a file with the seconds by
//! which this clock is ahead, so that a test need not wait for minutes. It is read each time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The longest time without a look at the clock: it may have been set, or the machine may have slept.
const LOOK: Duration = Duration::from_secs(1);

/// In whole microseconds, as the control plane keeps it.
pub(super) fn now() -> Timestamp {
    let now = after(Timestamp::now(), ahead().unwrap_or_default());
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Time until that is to be looked at.
pub(super) fn until(at: Timestamp) -> Duration {
    let left = Duration::try_from(at.duration_since(now())).unwrap_or(Duration::ZERO);
    left.min(if ahead().is_some() { LOOK / 20 } else { LOOK })
}

/// So much later.
pub(super) fn after(at: Timestamp, pause: Duration) -> Timestamp {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    at.checked_add(pause).unwrap_or(Timestamp::MAX)
}

/// So much earlier.
pub(super) fn before(at: Timestamp, pause: Duration) -> Timestamp {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    at.checked_sub(pause).unwrap_or(Timestamp::MIN)
}

#[cfg(feature = "fault-injection")]
fn ahead() -> Option<Duration> {
    let file = std::env::var_os("TENON_CLOCK_FILE")?;
    let seconds = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(not(feature = "fault-injection"))]
fn ahead() -> Option<Duration> {
    None
}
