//! From plans to claims: whose turn it is, and what is asked of the control plane for it.

use uuid::Uuid;

use super::keep::UnderWay;
use super::plan::{self, Plan, Terms};
use super::timetable::{Entry, Timetable};
use super::{Schedules, clock};
use crate::db::{NewRun, OpenRun, RunClaim, RunLease, ScheduleKey};
use crate::id::CorrelationId;

/// Claims made at once.
pub(super) const CLAIMS: usize = 200;

/// A claim, and what comes of it when it is made.
pub(super) enum Step {
    Begin(NewRun, i64),
    Skip,
    Close,
}

impl Schedules {
    /// What is to be claimed now, as far as there are places, from where the last look ended.
    pub(super) fn claims(
        &self,
        timetable: &mut Timetable,
        under_way: &UnderWay,
    ) -> (Vec<RunClaim>, Vec<(ScheduleKey, Step)>) {
        let terms = Terms { late: self.limits.late(), attempts: self.limits.attempts };
        let (now, count) = (clock::now(), timetable.entries.len());
        let mut free = self.concurrency.0.saturating_sub(under_way.runs.len());
        let mut of = under_way.of.clone();
        let (mut claims, mut steps) = (Vec::new(), Vec::new());
        let begins = timetable.turn;
        for index in (0..count).map(|step| (begins + step) % count) {
            // Who has no place is not even looked at: there may be thousands.
            if free == 0 || claims.len() >= CLAIMS {
                break;
            }
            let entry = &mut timetable.entries[index];
            if entry.due > now || under_way.runs.contains_key(&entry.key) {
                continue;
            }
            let running = of.get(&entry.tenant).copied().unwrap_or(0);
            if running >= self.concurrency.1 {
                continue;
            }
            let plan = plan::plan(entry.schedule(), entry.decided, entry.open.as_ref(), now, terms);
            if let Plan::Wait(until) = plan {
                entry.due = until;
                continue;
            }
            if matches!(plan, Plan::Begin { .. } | Plan::Again) {
                of.insert(entry.tenant.clone(), running + 1);
                free -= 1;
                timetable.turn = index + 1;
            }
            let lease = RunLease { lease: new_id(), now, until: clock::after(now, self.limits.lease()) };
            let Some((claim, step)) = wanted(entry, plan, lease) else { continue };
            claims.push(claim);
            steps.push((entry.key.clone(), step));
        }
        (claims, steps)
    }
}

/// The claim that a plan takes, and what comes of it.
fn wanted(entry: &Entry, plan: Plan, lease: RunLease) -> Option<(RunClaim, Step)> {
    let (decided, now) = (entry.decided, lease.now);
    let new = |tick, passed| NewRun {
        id: new_id(),
        key: entry.key.clone(),
        tick,
        asked_by: None,
        passed: i64::from(passed),
        correlation_id: CorrelationId::new().to_string(),
    };
    Some(match (plan, &entry.open) {
        (Plan::Begin { tick, passed }, _) => {
            let run = new(tick, passed);
            (RunClaim::Begin { run: run.clone(), decided, lease }, Step::Begin(run, 1))
        }
        (Plan::Skip { tick, passed }, _) => {
            (RunClaim::Skip { run: new(tick, passed), decided, now, error: plan::LATE.to_owned() }, Step::Skip)
        }
        (Plan::Again, Some(open)) => {
            let OpenRun { id, tick, passed, attempts, correlation_id, .. } = open.clone();
            let run = NewRun { id: id.clone(), passed, correlation_id, ..new(tick, 0) };
            (RunClaim::Again { id, lease }, Step::Begin(run, attempts + 1))
        }
        (Plan::Close(state, error), Some(open)) => {
            (RunClaim::Close { id: open.id.clone(), now, state, error: error.to_owned() }, Step::Close)
        }
        (Plan::Wait(_) | Plan::Again | Plan::Close(..), _) => return None,
    })
}

pub(super) fn new_id() -> String {
    Uuid::now_v7().to_string()
}
