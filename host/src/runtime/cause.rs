//! Whether a failure is worth another try: the one place where that is decided, for what starts, installs and moves
//! plugins.

use std::time::Duration;

use super::CallFailure;
use crate::capability::sql::SqlError;

/// What a failure came of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The plugin's doing: as things are, it would happen again.
    Plugin,
    /// A deadline passed. Of a busy host that says nothing; of a plugin that uses it up each time it does, in the end.
    Time,
    /// The host had no place, no room, nothing left of the tenant's quota, or a fault of its own.
    Host,
}

impl Cause {
    /// Whether it may be over at the next try, so that nobody need ask for one.
    pub fn is_passing(self) -> bool {
        self != Self::Plugin
    }
}

impl CallFailure {
    /// What the call failed of.
    pub fn cause(&self) -> Cause {
        match self {
            // A call that it made, and whose failure it could not be told, may have failed of the host.
            Self::Trap { cause, .. } => *cause,
            Self::Deadline { .. } => Cause::Time,
            Self::Busy { .. }
            | Self::TenantBusy { .. }
            | Self::Quota { .. }
            | Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::Host { .. } => Cause::Host,
            Self::CpuBudget { .. }
            | Self::Memory { .. }
            | Self::Depth { .. }
            | Self::TooLarge { .. }
            | Self::HostCalls { .. }
            | Self::Handles { .. }
            | Self::Denied { .. } => Cause::Plugin,
        }
    }

    /// Of a call that was not begun, and may be once there is a place for it or its tenant may have more again: the time
    /// until then, as far as that is known. None for what was begun, and for what would not be begun later on either.
    pub fn not_begun(&self) -> Option<Duration> {
        match self {
            Self::Busy { .. } | Self::TenantBusy { .. } => Some(Duration::ZERO),
            Self::Quota { exceeded, .. } => Some(Duration::from_secs(exceeded.resets_in_s())),
            Self::RateLimited { retry_after_s, .. } => Some(Duration::from_secs(*retry_after_s)),
            // Whoever waited in vain for a place and whoever was stopped are told the same.
            Self::Deadline { .. }
            | Self::Trap { .. }
            | Self::CpuBudget { .. }
            | Self::Memory { .. }
            | Self::Depth { .. }
            | Self::TooLarge { .. }
            | Self::HostCalls { .. }
            | Self::Handles { .. }
            | Self::Denied { .. }
            | Self::Unavailable { .. }
            | Self::Host { .. } => None,
        }
    }
}

/// Of work on a tenant's data that the host does itself. That a version cannot work with the data is `Unavailable` too,
/// and not passing: whoever can tell asks the data.
impl From<&SqlError> for Cause {
    fn from(error: &SqlError) -> Self {
        match error {
            SqlError::Timeout => Self::Time,
            SqlError::Busy | SqlError::Full | SqlError::NoMemory | SqlError::Unavailable(_) => Self::Host,
            SqlError::Constraint { .. }
            | SqlError::Denied { .. }
            | SqlError::Quota(_)
            | SqlError::Syntax { .. }
            | SqlError::Invalid(_) => Self::Plugin,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::usage::{Exceeded, Quota};

    #[test]
    fn what_may_be_over_is_told_from_what_would_happen_again() {
        let plugin = || "crm".to_owned();
        let trap = |cause| CallFailure::Trap { plugin: plugin(), message: String::new(), backtrace: None, cause };
        let late = CallFailure::Deadline { plugin: plugin(), waited: Duration::ZERO };
        let waiting = CallFailure::TenantBusy { tenant: plugin(), limit: 1 };
        for (failure, cause) in [
            (late, Cause::Time),
            (waiting, Cause::Host),
            (CallFailure::Busy { plugin: plugin() }, Cause::Host),
            (CallFailure::Host { plugin: plugin() }, Cause::Host),
            (trap(Cause::Host), Cause::Host),
            (trap(Cause::Plugin), Cause::Plugin),
            (CallFailure::CpuBudget { plugin: plugin() }, Cause::Plugin),
            (CallFailure::Memory { plugin: plugin(), limit_bytes: 1 }, Cause::Plugin),
        ] {
            assert_eq!((failure.cause(), failure.cause().is_passing()), (cause, cause != Cause::Plugin), "{failure}");
        }
        let of = |error: SqlError| Cause::from(&error);
        assert_eq!((of(SqlError::Timeout), of(SqlError::Busy)), (Cause::Time, Cause::Host));
        assert_eq!(of(SqlError::Invalid(String::new())), Cause::Plugin);
    }

    #[test]
    fn what_was_not_begun_is_told_from_what_was() {
        let plugin = || "crm".to_owned();
        let resets_at = Timestamp::now() + SignedDuration::from_secs(600);
        let exceeded = Exceeded { quota: Quota::CpuTime, limit: 1, resets_at };
        let left = CallFailure::Quota { plugin: plugin(), exceeded }.not_begun().unwrap().as_secs();
        assert!((590..=601).contains(&left), "{left}");
        let begins = CallFailure::TenantBusy { tenant: plugin(), limit: 1 };
        for (failure, wait) in [
            (CallFailure::Busy { plugin: plugin() }, Some(Duration::ZERO)),
            (begins, Some(Duration::ZERO)),
            (CallFailure::Host { plugin: plugin() }, None),
            (CallFailure::Deadline { plugin: plugin(), waited: Duration::ZERO }, None),
            (CallFailure::CpuBudget { plugin: plugin() }, None),
        ] {
            assert_eq!(failure.not_begun(), wait, "{failure}");
        }
    }

    #[test]
    fn a_call_that_failed_of_the_host_and_took_its_caller_with_it_still_failed_of_the_host() {
        let limits = crate::config::LimitsConfig::default();
        let of = |failure: CallFailure| CallFailure::from_error("a", failure.into(), &limits).cause();
        assert_eq!(of(CallFailure::Busy { plugin: "b".into() }), Cause::Host);
        assert_eq!(of(CallFailure::CpuBudget { plugin: "b".into() }), Cause::Plugin);
    }
}
