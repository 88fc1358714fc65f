//! CPU time of a request, counted while it runs and never while it waits.
//!
//! [`CpuClock::run`] wraps a task's future and reads the thread's CPU clock around each poll. Between polls
//! the request waits, and nothing is charged. Inside a poll the epoch callback asks [`CpuAllowance::spent`],
//! so that a guest that never yields is still found out within a tick.
//!
//! Statements on threads of their own are counted apart from that, by [`super::statements`].

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use super::tenant::Tenant;
use crate::usage::{Meter, Quota};

/// The CPU time of one task of a request. All tasks of a request add to one total.
pub struct CpuClock {
    tenant: Arc<Tenant>,
    totals: Arc<Totals>,
    /// The thread's CPU time when the running poll began.
    poll_began: AtomicU64,
    /// Whether an epoch tick ended the task's last poll.
    stepped_aside: AtomicBool,
}

/// Nanoseconds used over all tasks of a request.
#[derive(Default)]
struct Totals {
    /// By polls that have ended.
    polls: AtomicU64,
    /// By statements on threads of their own.
    statements: AtomicU64,
    /// Where all of it counts once the request is over, however it ends.
    meter: OnceLock<Arc<Meter>>,
}

impl Drop for Totals {
    fn drop(&mut self) {
        if let Some(meter) = self.meter.get() {
            let nanos = self.polls.get_mut().saturating_add(*self.statements.get_mut());
            meter.add(Quota::CpuTime, nanos.div_ceil(1_000));
        }
    }
}

impl CpuClock {
    /// The clock of a new request of this tenant.
    pub fn start(tenant: Arc<Tenant>) -> Arc<Self> {
        let (totals, poll_began, stepped_aside) = Default::default();
        Arc::new(Self { tenant, totals, poll_began, stepped_aside })
    }

    /// The clock of a further task of the same request. Until that task is polled by itself, what it does is
    /// done within the poll of this one.
    pub fn fork(&self) -> Arc<Self> {
        let poll_began = self.poll_began.load(Ordering::Relaxed).into();
        Arc::new(Self {
            tenant: self.tenant.clone(),
            totals: self.totals.clone(),
            poll_began,
            stepped_aside: false.into(),
        })
    }

    /// Says of which plugin's use the whole request is; the first word counts.
    pub(super) fn counts_for(&self, meter: &Arc<Meter>) {
        self.totals.meter.get_or_init(|| meter.clone());
    }

    /// Whose request it is.
    pub fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// What a call may use, with everything it calls, out of the request's totals: in polls, and for statements.
    pub fn allowance(self: &Arc<Self>, polls: Duration, statements: Duration) -> CpuAllowance {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        CpuAllowance { limit: nanos(polls), statements_limit: nanos(statements), clock: self.clone() }
    }

    /// Runs a task's future on this clock.
    pub fn run<F: Future>(self: &Arc<Self>, future: F) -> Timed<F> {
        Timed { clock: self.clone(), future: Box::pin(future) }
    }

    /// True once after an epoch tick ended a poll.
    pub(super) fn stepped_aside(&self) -> bool {
        self.stepped_aside.load(Ordering::Relaxed) && self.stepped_aside.swap(false, Ordering::Relaxed)
    }

    /// Adds what the running poll has used so far. To be asked from inside a poll of the clock's task.
    pub(super) fn settle(&self) {
        let now = thread_nanos();
        let used = now.saturating_sub(self.poll_began.swap(now, Ordering::Relaxed));
        self.totals.polls.fetch_add(used, Ordering::Relaxed);
        self.tenant.charge(Duration::from_nanos(used));
    }

    /// Adds what a statement has used on a thread of its own.
    pub(super) fn charge_statement(&self, used: Duration) {
        let nanos = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        self.totals.statements.fetch_add(nanos, Ordering::Relaxed);
        self.tenant.charge(used);
    }

    /// How long the running poll has lasted. To be asked from inside a poll of the clock's task.
    pub(super) fn poll_lasts(&self) -> Duration {
        Duration::from_nanos(thread_nanos().saturating_sub(self.poll_began.load(Ordering::Relaxed)))
    }

    fn used(&self) -> u64 {
        let running = thread_nanos().saturating_sub(self.poll_began.load(Ordering::Relaxed));
        self.totals.polls.load(Ordering::Relaxed).saturating_add(running)
    }
}

/// How far the request's CPU time may go while one call runs.
#[derive(Clone)]
pub struct CpuAllowance {
    clock: Arc<CpuClock>,
    /// Nanoseconds on the clock at which the call is stopped.
    limit: u64,
    /// Nanoseconds on the clock at which its statements are.
    statements_limit: u64,
}

impl CpuAllowance {
    /// True when nothing is left. To be asked from inside a poll of the clock's task.
    pub fn spent(&self) -> bool {
        self.clock.used() >= self.limit
    }

    /// What was left of it when the last poll ended.
    pub(super) fn left(&self) -> Duration {
        Duration::from_nanos(self.limit.saturating_sub(self.clock.totals.polls.load(Ordering::Relaxed)))
    }

    /// True when nothing is left for statements on threads of their own.
    pub(super) fn statements_spent(&self) -> bool {
        self.clock.totals.statements.load(Ordering::Relaxed) >= self.statements_limit
    }

    /// Says that the guest is still computing at a tick, and that this ends the poll.
    pub(super) fn step_aside(&self) {
        self.clock.stepped_aside.store(true, Ordering::Relaxed);
    }

    pub fn clock(&self) -> &Arc<CpuClock> {
        &self.clock
    }

    /// The same allowance for a further task of the request.
    pub fn on(&self, clock: &Arc<CpuClock>) -> Self {
        Self { clock: clock.clone(), ..*self }
    }

    pub(super) fn child(&self, reserve_percent: u8) -> Self {
        let less = |limit: u64, used: &AtomicU64| {
            let left = limit.saturating_sub(used.load(Ordering::Relaxed));
            limit - left / 100 * u64::from(reserve_percent.min(100))
        };
        let totals = &self.clock.totals;
        Self {
            clock: self.clock.clone(),
            limit: less(self.limit, &totals.polls),
            statements_limit: less(self.statements_limit, &totals.statements),
        }
    }
}

/// A task's future with its CPU time counted.
pub struct Timed<F> {
    clock: Arc<CpuClock>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Timed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.clock.poll_began.store(thread_nanos(), Ordering::Relaxed);
        let poll = self.future.as_mut().poll(context);
        self.clock.settle();
        poll
    }
}

/// Nanoseconds of CPU time this thread has used.
pub(super) fn thread_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::tenant::tests::{tenant, tenants};
    use std::time::Instant;

    fn burn(time: Duration) {
        let end = thread_nanos() + time.as_nanos() as u64;
        while thread_nanos() < end {
            std::hint::black_box(0);
        }
    }

    #[tokio::test]
    async fn waiting_costs_nothing_and_computing_does() {
        let clock = CpuClock::start(tenant(&tenants(), "acme"));
        let allowance = clock.allowance(Duration::from_millis(30), Duration::ZERO);
        clock
            .run(async {
                let begun = Instant::now();
                tokio::time::sleep(Duration::from_millis(80)).await;
                assert!(begun.elapsed() >= Duration::from_millis(80));
                assert!(!allowance.spent());
                burn(Duration::from_millis(31));
                assert!(allowance.spent());
            })
            .await;
    }

    #[test]
    fn statements_of_all_tasks_count_together_and_apart_from_polls() {
        let clock = CpuClock::start(tenant(&tenants(), "acme"));
        let allowance = clock.allowance(Duration::from_secs(100), Duration::from_millis(100));
        let child = allowance.child(10);
        clock.fork().charge_statement(Duration::from_millis(90));
        assert!(child.statements_spent() && !allowance.statements_spent() && !allowance.spent());
        clock.charge_statement(Duration::from_millis(10));
        assert!(allowance.statements_spent());
        assert_eq!(allowance.child(10).statements_limit, allowance.statements_limit);
    }

    #[tokio::test]
    async fn tasks_of_one_request_share_a_total() {
        let clock = CpuClock::start(tenant(&tenants(), "acme"));
        let allowance = clock.allowance(Duration::from_millis(20), Duration::ZERO);
        let other = clock.fork();
        other.run(async { burn(Duration::from_millis(21)) }).await;
        clock.run(async { assert!(allowance.spent()) }).await;
    }
}
