//! CPU time of a request, counted while it runs and never while it waits.
//!
//! [`CpuClock::run`] wraps a task's future and reads the thread's CPU clock around each poll. Between polls
//! the request waits, and nothing is charged. Inside a poll the epoch callback asks [`CpuAllowance::spent`],
//! so that a guest that never yields is still found out within a tick.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// The CPU time of one task of a request. All tasks of a request add to one total.
#[derive(Default)]
pub struct CpuClock {
    /// Nanoseconds that ended polls have used, over all tasks of the request.
    total: Arc<AtomicU64>,
    /// The thread's CPU time when the running poll began.
    poll_began: AtomicU64,
}

impl CpuClock {
    /// The clock of a new request.
    pub fn start() -> Arc<Self> {
        Arc::default()
    }

    /// The clock of a further task of the same request. Until that task is polled by itself, what it does is
    /// done within the poll of this one.
    pub fn fork(&self) -> Arc<Self> {
        let poll_began = self.poll_began.load(Ordering::Relaxed).into();
        Arc::new(Self { total: self.total.clone(), poll_began })
    }

    /// What a call may use, with everything it calls, out of the request's total.
    pub fn allowance(self: &Arc<Self>, budget: Duration) -> CpuAllowance {
        let limit = u64::try_from(budget.as_nanos()).unwrap_or(u64::MAX);
        CpuAllowance { limit, clock: self.clone() }
    }

    /// Runs a task's future on this clock.
    pub fn run<F: Future>(self: &Arc<Self>, future: F) -> Timed<F> {
        Timed { clock: self.clone(), future: Box::pin(future) }
    }

    fn used(&self) -> u64 {
        let running = thread_nanos().saturating_sub(self.poll_began.load(Ordering::Relaxed));
        self.total.load(Ordering::Relaxed).saturating_add(running)
    }
}

/// How far the request's CPU time may go while one call runs.
#[derive(Clone)]
pub struct CpuAllowance {
    clock: Arc<CpuClock>,
    /// Nanoseconds on the clock at which the call is stopped.
    limit: u64,
}

impl CpuAllowance {
    /// True when nothing is left. To be asked from inside a poll of the clock's task.
    pub fn spent(&self) -> bool {
        self.clock.used() >= self.limit
    }

    pub fn clock(&self) -> &Arc<CpuClock> {
        &self.clock
    }

    /// The same allowance for a further task of the request.
    pub fn on(&self, clock: &Arc<CpuClock>) -> Self {
        Self { clock: clock.clone(), limit: self.limit }
    }

    pub(super) fn child(&self, reserve_percent: u8) -> Self {
        let left = self.limit.saturating_sub(self.clock.total.load(Ordering::Relaxed));
        let reserve = left / 100 * u64::from(reserve_percent.min(100));
        Self { clock: self.clock.clone(), limit: self.limit - reserve }
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
        let began = self.clock.poll_began.load(Ordering::Relaxed);
        self.clock.total.fetch_add(thread_nanos().saturating_sub(began), Ordering::Relaxed);
        poll
    }
}

/// Nanoseconds of CPU time this thread has used.
fn thread_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn burn(time: Duration) {
        let end = thread_nanos() + time.as_nanos() as u64;
        while thread_nanos() < end {
            std::hint::black_box(0);
        }
    }

    #[tokio::test]
    async fn waiting_costs_nothing_and_computing_does() {
        let clock = CpuClock::start();
        let allowance = clock.allowance(Duration::from_millis(30));
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

    #[tokio::test]
    async fn tasks_of_one_request_share_a_total() {
        let clock = CpuClock::start();
        let allowance = clock.allowance(Duration::from_millis(20));
        let other = clock.fork();
        other.run(async { burn(Duration::from_millis(21)) }).await;
        clock.run(async { assert!(allowance.spent()) }).await;
    }
}
