//! Keeping time: what is due is claimed, run and written down.
//!
//! What is wanted at once is claimed together, and what ended is written down together, each in one transaction of the
//! control plane. While nothing can be written down nothing is claimed.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::by_hand::{Ask, Begun, ByHand, Refused};
use super::claim::{Step, new_id};
use super::plan;
use super::run::{Ran, over};
use super::timetable::Timetable;
use super::{Schedules, clock};
use crate::db::{DbError, NewRun, OpenRun, RunClaim, RunEnd, RunLease, RunOutcome, RunState, ScheduleKey};
use crate::id::TenantId;
use crate::log::chain;

/// Time until the control plane is asked again that could not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// Time for runs that go on when the host is stopped.
pub(super) const LAST: Duration = Duration::from_secs(2);

/// What this process runs.
#[derive(Default)]
pub(super) struct UnderWay {
    tasks: JoinSet<(ScheduleKey, Ran)>,
    pub runs: HashMap<ScheduleKey, Running>,
    /// How many of them are of one tenant.
    pub of: HashMap<TenantId, usize>,
    /// What ended and is to be written down.
    ended: Vec<(ScheduleKey, RunEnd, Option<oneshot::Sender<()>>)>,
}

pub(super) struct Running {
    id: String,
    lease: String,
    tenant: TenantId,
    /// Who asked for it and waits; none for the clock.
    asked: Option<oneshot::Sender<()>>,
}

impl UnderWay {
    fn end(&mut self, key: ScheduleKey, ran: Ran) {
        let Some(Running { id, lease, tenant, asked }) = self.runs.remove(&key) else { return };
        if let Some(running) = self.of.get_mut(&tenant) {
            *running -= 1;
            if *running == 0 {
                self.of.remove(&tenant);
            }
        }
        let Ran { version, outcome } = ran;
        self.ended.push((key, RunEnd { id, lease, version, outcome }, asked));
    }
}

impl Schedules {
    /// Runs what is due as it comes.
    pub(super) async fn keep_time(self: &Arc<Self>) {
        let (mut timetable, mut under_way) = (Timetable::default(), UnderWay::default());
        let mut asked = self.asked.lock().await;
        let mut stopping = self.stopping.subscribe();
        while !*stopping.borrow() {
            if let Err(error) = self.round(&mut timetable, &mut under_way).await {
                tracing::error!(error = chain(&error), "schedules cannot be run; it is tried again");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            tokio::select! {
                Some(Ok((key, ran))) = under_way.tasks.join_next() => {
                    under_way.end(key, ran);
                    while let Some(Ok((key, ran))) = under_way.tasks.try_join_next() {
                        under_way.end(key, ran);
                    }
                }
                Some(Ask { wanted, reply }) = asked.recv() => {
                    // Whoever asked may have gone.
                    _ = reply.send(self.begin_by_hand(&mut under_way, wanted).await);
                }
                () = self.woken.notified() => timetable.set_stale(),
                () = tokio::time::sleep(timetable.pause()) => {}
                _ = stopping.changed() => {}
            }
        }
        asked.close();
        if let Err(error) = self.last(&mut timetable, &mut under_way).await {
            tracing::warn!(error = chain(&error), "runs under way are begun again when their leases are over");
        }
        self.stopped.notify_one();
    }

    /// Writes down how runs under way end, and gives the rest back.
    async fn last(&self, timetable: &mut Timetable, under_way: &mut UnderWay) -> Result<(), DbError> {
        let end = tokio::time::Instant::now() + LAST;
        while let Ok(Some(ended)) = tokio::time::timeout_at(end, under_way.tasks.join_next()).await {
            ended.into_iter().for_each(|(key, ran)| under_way.end(key, ran));
        }
        under_way.tasks.abort_all();
        let left: Vec<(ScheduleKey, bool)> =
            under_way.runs.iter().map(|(key, running)| (key.clone(), running.asked.is_some())).collect();
        for (key, is_asked) in left {
            let outcome = match is_asked {
                true => over(RunState::Lost, Some(plan::ENDED.to_owned())),
                false => RunOutcome::GivenBack { at: clock::now() },
            };
            under_way.end(key, Ran { version: None, outcome });
        }
        self.write_down(timetable, under_way).await
    }

    async fn round(self: &Arc<Self>, timetable: &mut Timetable, under_way: &mut UnderWay) -> Result<(), DbError> {
        self.write_down(timetable, under_way).await?;
        self.read(timetable).await?;
        let (claims, steps) = self.claims(timetable, under_way);
        if claims.is_empty() {
            return Ok(());
        }
        let made = self.control.run_claim(claims.clone()).await?;
        for (((key, step), claim), is_made) in steps.into_iter().zip(claims).zip(made) {
            if is_made {
                self.take(timetable, under_way, &key, step, claim);
                continue;
            }
            // Another process was first, or somebody's run by hand goes on.
            let standing = self.control.schedule_fetch(key.clone()).await?;
            match (timetable.get_mut(&key), standing) {
                (Some(entry), Some(standing)) => entry.follow(standing),
                _ => timetable.set_stale(),
            }
        }
        Ok(())
    }

    /// Does what was claimed.
    fn take(
        self: &Arc<Self>,
        timetable: &mut Timetable,
        under_way: &mut UnderWay,
        key: &ScheduleKey,
        step: Step,
        claim: RunClaim,
    ) {
        let Some(entry) = timetable.get_mut(key) else { return };
        match (step, claim) {
            (Step::Begin(run, attempt), RunClaim::Begin { lease, .. } | RunClaim::Again { lease, .. }) => {
                entry.decided = entry.decided.max(run.tick);
                entry.open = Some(OpenRun {
                    id: run.id.clone(),
                    tick: run.tick,
                    asked_by: None,
                    passed: run.passed,
                    attempts: attempt,
                    until: lease.until,
                    correlation_id: run.correlation_id.clone(),
                });
                let tenant = entry.tenant.clone();
                self.begin(under_way, tenant, run, attempt, lease.lease, None);
            }
            (Step::Skip, RunClaim::Skip { run, .. }) => entry.decided = run.tick,
            _ => entry.open = None,
        }
    }

    fn begin(
        self: &Arc<Self>,
        under_way: &mut UnderWay,
        tenant: TenantId,
        run: NewRun,
        attempt: i64,
        lease: String,
        asked: Option<oneshot::Sender<()>>,
    ) {
        let running = Running { id: run.id.clone(), lease, tenant: tenant.clone(), asked };
        under_way.runs.insert(run.key.clone(), running);
        *under_way.of.entry(tenant.clone()).or_default() += 1;
        let this = self.clone();
        under_way.tasks.spawn(async move {
            let ran = AssertUnwindSafe(this.carry_out(&tenant, &run, attempt)).catch_unwind().await;
            let failed = || over(RunState::Failed, Some("the host failed on it".to_owned()));
            (run.key, ran.unwrap_or_else(|_| Ran { version: None, outcome: failed() }))
        });
    }

    async fn begin_by_hand(self: &Arc<Self>, under_way: &mut UnderWay, wanted: ByHand) -> Result<Begun, Refused> {
        let ByHand { tenant, key, asked_by, correlation_id } = wanted;
        if under_way.runs.contains_key(&key) {
            return Err(Refused::Running);
        }
        let running = under_way.of.get(&tenant).copied().unwrap_or(0);
        if under_way.runs.len() >= self.concurrency.0 || running >= self.concurrency.1 {
            return Err(Refused::Busy);
        }
        let now = clock::now();
        let lease = RunLease { lease: new_id(), now, until: clock::after(now, self.limits.lease()) };
        let run = NewRun { id: new_id(), key, tick: now, asked_by: Some(asked_by), passed: 0, correlation_id };
        let claim = RunClaim::ByHand { run: run.clone(), lease: lease.clone() };
        if !self.control.run_claim(vec![claim]).await?.iter().all(|is_made| *is_made) {
            return Err(Refused::Running);
        }
        let ((asked, ended), id) = (oneshot::channel(), run.id.clone());
        self.begin(under_way, tenant, run, 1, lease.lease, Some(asked));
        Ok(Begun { id, ended })
    }

    /// Writes down what ended. What came meanwhile is looked at then.
    async fn write_down(&self, timetable: &mut Timetable, under_way: &mut UnderWay) -> Result<(), DbError> {
        if under_way.ended.is_empty() {
            return Ok(());
        }
        self.control.run_end(under_way.ended.iter().map(|(_, ended, _)| ended.clone()).collect()).await?;
        for (key, ended, asked) in under_way.ended.drain(..) {
            if let Some(entry) = timetable.get_mut(&key) {
                entry.end(&ended.outcome);
            }
            // Whoever asked may have gone.
            asked.map(|asked| asked.send(()));
        }
        Ok(())
    }
}
