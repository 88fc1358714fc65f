//! Waiting for something to become true.

use std::time::Duration;

use tokio::time::{Instant, interval};

/// Generous, because a loaded machine is slow and only a failing test ever waits this long.
pub const DEADLINE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(10);

/// The first value that `look` gives.
///
/// # Panics
///
/// When there is none within [`DEADLINE`]; `what` says what was waited for.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(DEADLINE, what, look).await
}

/// The same with a deadline of its own, for work that yields to everything else on the machine.
///
/// # Panics
///
/// When there is none in time; `what` says what was waited for.
pub async fn within<T>(deadline: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    let mut ticks = interval(POLL);
    loop {
        ticks.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {deadline:?}");
    }
}
