//! What is to be done about a schedule now: a pure function of how far it has got and what time it is.
//!
//! Of the ticks that have come since the last that was decided, the latest is begun if it is on time, or if the schedule
//! wants one run for those that were missed. The others have passed. A run that is open comes first.

use std::time::Duration;

use jiff::Timestamp;

use super::{clock, ticks};
use crate::db::{OpenRun, RunState};
use crate::registry::manifest::{Missed, Schedule};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing before then.
    Wait(Timestamp),
    /// A tick, after so many that have passed.
    Begin { tick: Timestamp, passed: u32 },
    /// This tick and so many before it came to nothing.
    Skip { tick: Timestamp, passed: u32 },
    /// The run that is open.
    Again,
    /// The run that is open has come to nothing.
    Close(RunState, &'static str),
}

/// What bounds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub late: Duration,
    pub attempts: u32,
}

/// Why a run by hand is over whose process has ended.
pub(super) const ENDED: &str = "the process that ran it has ended";
pub(super) const LATE: &str = "it could not be begun in time (schedules.late_ms)";
const UNABLE: &str = "it could not be begun in time (schedules.late_ms): the plugin was not there, or there was no place \
    or no quota left for it";
const LATE_AGAIN: &str = "the process that ran it has ended, and it is too late to begin it again (schedules.late_ms)";
const OFTEN: &str = "each process that ran it has ended in the middle of it (schedules.attempts)";

pub(super) fn plan(
    schedule: &Schedule,
    decided: Timestamp,
    open: Option<&OpenRun>,
    now: Timestamp,
    terms: Terms,
) -> Plan {
    let is_wanted = |tick| schedule.missed == Missed::Once || now <= clock::after(tick, terms.late);
    if let Some(open) = open {
        return match open {
            OpenRun { until, .. } if *until > now => Plan::Wait(*until),
            OpenRun { asked_by: Some(_), .. } => Plan::Close(RunState::Lost, ENDED),
            OpenRun { attempts, .. } if *attempts >= i64::from(terms.attempts) => Plan::Close(RunState::Lost, OFTEN),
            OpenRun { tick, .. } if is_wanted(*tick) => Plan::Again,
            OpenRun { attempts: 0, .. } => Plan::Close(RunState::Skipped, UNABLE),
            OpenRun { .. } => Plan::Close(RunState::Lost, LATE_AGAIN),
        };
    }
    match ticks::passed(schedule, decided, now) {
        None => Plan::Wait(ticks::next(schedule, decided).unwrap_or(Timestamp::MAX)),
        Some((tick, count)) if is_wanted(tick) => Plan::Begin { tick, passed: count - 1 },
        Some((tick, count)) => Plan::Skip { tick, passed: count - 1 },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TERMS: Terms = Terms { late: Duration::from_secs(300), attempts: 2 };

    fn at(time: &str) -> Timestamp {
        format!("2026-11-22T{time}Z").parse().unwrap()
    }

    fn planned(missed: &str, decided: &str, open: Option<&OpenRun>, now: &str) -> Plan {
        let schedule = json!({ "name": "s", "cron": "0 * * * *", "missed": missed });
        plan(&serde_json::from_value(schedule).unwrap(), at(decided), open, at(now), TERMS)
    }

    #[test]
    fn a_tick_is_begun_while_it_is_on_time() {
        for missed in ["skip", "once"] {
            assert_eq!(planned(missed, "10:00:00", None, "10:59:59"), Plan::Wait(at("11:00:00")));
            let begin = Plan::Begin { tick: at("11:00:00"), passed: 0 };
            assert_eq!(planned(missed, "10:00:00", None, "11:00:00"), begin);
            assert_eq!(planned(missed, "10:00:00", None, "11:05:00"), begin);
        }
    }

    #[test]
    fn what_was_missed_is_skipped_or_has_one_run() {
        assert_eq!(planned("skip", "10:00:00", None, "13:30:00"), Plan::Skip { tick: at("13:00:00"), passed: 2 });
        assert_eq!(planned("once", "10:00:00", None, "13:30:00"), Plan::Begin { tick: at("13:00:00"), passed: 2 });
        let on_time = Plan::Begin { tick: at("13:00:00"), passed: 2 };
        assert_eq!(planned("skip", "10:00:00", None, "13:01:00"), on_time, "the last of them is on time");
    }

    #[test]
    fn a_run_that_is_open_comes_first() {
        let open = |asked_by: Option<&str>, attempts, until: &str| OpenRun {
            id: "r".into(),
            tick: at("10:00:00"),
            asked_by: asked_by.map(Into::into),
            passed: 0,
            attempts,
            until: at(until),
            correlation_id: "c".into(),
        };
        let plan = |missed, open: OpenRun, now| planned(missed, "10:00:00", Some(&open), now);
        assert_eq!(plan("once", open(None, 1, "12:00:00"), "11:30:00"), Plan::Wait(at("12:00:00")));
        assert_eq!(plan("skip", open(None, 1, "10:02:00"), "10:02:00"), Plan::Again);
        assert_eq!(plan("once", open(None, 1, "10:02:00"), "13:00:00"), Plan::Again);
        assert_eq!(plan("skip", open(None, 1, "10:02:00"), "10:06:00"), Plan::Close(RunState::Lost, LATE_AGAIN));
        assert_eq!(plan("skip", open(None, 0, "10:02:00"), "10:06:00"), Plan::Close(RunState::Skipped, UNABLE));
        assert_eq!(plan("once", open(None, 2, "10:02:00"), "10:03:00"), Plan::Close(RunState::Lost, OFTEN));
        assert_eq!(plan("once", open(Some("jo"), 1, "10:02:00"), "10:03:00"), Plan::Close(RunState::Lost, ENDED));
    }
}
