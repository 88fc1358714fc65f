//! How bringing a plugin somewhere failed, and when that is tried again.
//!
//! What may be over at the next try is tried again by itself: at once, then after a pause that doubles each time up to
//! `lifecycle.retry_ms`. Invariant: no passing failure needs an operator. Deadlines are the plugin's fault when they have
//! passed `lifecycle.deadline_attempts` times in a row; then it is tried again every `lifecycle.rare_retry_ms` alone.

use std::time::{Duration, Instant};

use super::MIGRATIONS;
use crate::capability::sql::SqlError;
use crate::config::LifecycleConfig;
use crate::db::DbError;
use crate::id::CorrelationId;
use crate::log::chain;
use crate::runtime::{CallFailure, Cause, cut};

/// The first pause but one; before it there is none.
const PAUSE: Duration = Duration::from_millis(250);

/// What failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{hook}: {message}")]
pub struct Failure {
    /// `migrations`, or the name of the plugin's function.
    pub hook: &'static str,
    pub message: String,
    pub backtrace: Option<String>,
    pub cause: Cause,
    pub correlation_id: Option<CorrelationId>,
}

impl Failure {
    /// In words that may be the plugin's own, so they are cut.
    pub(super) fn new(hook: &'static str, cause: Cause, message: impl Into<String>) -> Self {
        let mut message = message.into();
        cut(&mut message);
        Self { hook, message, backtrace: None, cause, correlation_id: None }
    }

    /// How a function of the plugin's ended.
    pub(super) fn of_call(hook: &'static str, failure: &CallFailure) -> Self {
        let mut backtrace = failure.backtrace().map(str::to_owned);
        backtrace.iter_mut().for_each(cut);
        Self { backtrace, ..Self::new(hook, failure.cause(), failure.to_string()) }
    }

    /// How a tenant's data was not moved.
    pub(super) fn of_data(error: &SqlError) -> Self {
        Self::new(MIGRATIONS, error.into(), error.to_string())
    }

    /// What happened could not be written down.
    pub(super) fn unwritten(hook: &'static str, error: DbError) -> Self {
        let told = match error {
            DbError::DiskFull { .. } => {
                "the disk of the host is full; the operator must free space, then it works again".to_owned()
            }
            error => chain(&error),
        };
        Self::new(hook, Cause::Host, format!("it could not be written down: {told}"))
    }
}

/// A failure, and what comes of it.
#[derive(Debug, Clone)]
pub(in crate::registry) struct Setback {
    pub failure: Failure,
    /// Whether the plugin is to blame, as far as can be told.
    pub is_settled: bool,
    /// When it is tried again by itself.
    pub again: Option<Instant>,
}

impl Setback {
    /// Whether it is time to try again.
    pub fn is_over(&self) -> bool {
        self.again.is_some_and(|again| again <= Instant::now())
    }
}

/// The passing failures since something worked last.
#[derive(Debug, Clone, Default)]
pub(super) struct Tries {
    all: u32,
    late: u32,
}

impl Tries {
    /// Judges one more failure.
    pub fn judge(&mut self, mut failure: Failure, limits: &LifecycleConfig) -> Setback {
        let (is_settled, pause) = self.count(failure.cause, limits);
        if is_settled && let Some(rarely) = pause {
            let (late, rarely) = (self.late, rarely.as_secs_f64());
            failure.message.push_str(&format!("; that makes {late} deadlines, so it is tried every {rarely} s only"));
        }
        Setback { failure, is_settled, again: pause.map(|pause| Instant::now() + pause) }
    }

    /// Whether the plugin is to blame after one more, and how long until it is tried again; none for never.
    fn count(&mut self, cause: Cause, limits: &LifecycleConfig) -> (bool, Option<Duration>) {
        if !cause.is_passing() {
            return (true, None);
        }
        let pause = match self.all {
            0 => Duration::ZERO,
            before => PAUSE.saturating_mul(1 << (before - 1).min(16)).min(limits.retry()),
        };
        self.all = self.all.saturating_add(1);
        self.late = self.late.saturating_add(u32::from(cause == Cause::Time));
        match cause == Cause::Time && self.late >= limits.deadline_attempts {
            true => (true, Some(limits.rare_retry())),
            false => (false, Some(pause)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::lifecycle::ON_ACTIVATE;
    use crate::runtime::TEXT_BYTES;

    fn limits() -> LifecycleConfig {
        LifecycleConfig { deadline_attempts: 3, retry_ms: 600, rare_retry_ms: 60_000, ..LifecycleConfig::default() }
    }

    /// What is settled, and the pause in milliseconds.
    fn judged(tries: &mut Tries, cause: Cause) -> (bool, Option<u128>) {
        let (is_settled, pause) = tries.count(cause, &limits());
        (is_settled, pause.map(|pause| pause.as_millis()))
    }

    #[test]
    fn what_passes_is_tried_at_once_then_ever_more_rarely_and_never_given_up() {
        let mut tries = Tries::default();
        let pauses: Vec<_> = (0..6).map(|_| judged(&mut tries, Cause::Host)).collect();
        assert_eq!(pauses, [0, 250, 500, 600, 600, 600].map(|pause| (false, Some(pause))));
        tries.all = u32::MAX;
        assert_eq!(judged(&mut tries, Cause::Host), (false, Some(600)));
    }

    #[test]
    fn deadlines_are_the_plugins_fault_in_the_end() {
        let mut tries = Tries::default();
        assert_eq!(judged(&mut tries, Cause::Time), (false, Some(0)));
        assert_eq!(judged(&mut tries, Cause::Host), (false, Some(250)));
        assert_eq!(judged(&mut tries, Cause::Time), (false, Some(500)));
        for _ in 0..2 {
            assert_eq!(judged(&mut tries, Cause::Time), (true, Some(60_000)));
        }
        let failure = Failure::new(ON_ACTIVATE, Cause::Time, "too late");
        let told = tries.judge(failure, &limits()).failure.message;
        assert_eq!(told, "too late; that makes 5 deadlines, so it is tried every 60 s only");
        assert_eq!(judged(&mut tries, Cause::Plugin), (true, None), "only somebody who says so tries that again");
    }

    #[test]
    fn a_failure_keeps_no_more_of_a_text_than_it_says() {
        let failure = Failure::new(ON_ACTIVATE, Cause::Plugin, "é".repeat(TEXT_BYTES));
        assert!((TEXT_BYTES - 1..=TEXT_BYTES).contains(&failure.message.len()));
        assert!(failure.message.ends_with("é… (cut: it has 16384 bytes)"), "{}", failure.message);
    }
}
