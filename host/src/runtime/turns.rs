//! Whose code runs next when there is more to do than the processors can do at once.
//!
//! A call runs in polls. The executor takes whatever is ready in the order it got ready, whoever it belongs
//! to, so a tenant with many requests, or with requests that compute for long, would make all others wait for
//! all of its own. Therefore a poll has to wait for a turn here when its tenant is over its share
//! ([`Tenant::is_over_share`]) or when the call stepped aside because an epoch tick found it still computing.
//! All other polls go ahead at once.
//!
//! An executor gives as many turns at a time as it has threads, the next to the tenant that has lately used
//! the least CPU time. While others want threads too ([`Demand`]), the last of several is not for a tenant at
//! more than twice its share, but for whoever comes next. A turn begins only after everything else that was
//! ready on the executor has run and new input has been looked for. So a poll that needs no turn waits at most
//! for one poll on each thread, and those end within `limits.epoch_tick_ms`, unless the host itself has to
//! handle a large value. A turn is never kept while its call waits for anything, so turns cannot deadlock.
//!
//! Statements on threads of their own take turns of the same kind, for a tick each ([`super::statements`]), so that
//! a tenant has no more of the processors by computing in its database.
//!
//! Each executor has turns of its own: it makes no difference here whether connections share one executor of
//! many threads or have one for each processor.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Id};

use super::clock::CpuClock;
use super::engine::Ticks;
use super::tenant::Tenant;

pub(super) struct Turns {
    executors: RwLock<HashMap<Id, Arc<Executor>>>,
    demand: Arc<Demand>,
}

impl Turns {
    pub(super) fn new(ticks: Ticks) -> Self {
        Self { executors: RwLock::default(), demand: Arc::new(Demand::new(ticks)) }
    }

    /// Runs a call of the clock's tenant in turns. To be wrapped around what runs as a task of its own, and
    /// only once: what the call does within its polls is within its turns.
    pub(super) async fn run<F: Future>(&self, clock: &CpuClock, call: F) -> F::Output {
        let mut call = pin!(call);
        let mut turn = None;
        poll_fn(|context| {
            if self.is_to_wait(&mut turn, clock, context) {
                return Poll::Pending;
            }
            let poll = call.as_mut().poll(context);
            if turn.is_some() {
                // Before it is decided who is next.
                clock.settle();
                turn = None;
            }
            poll
        })
        .await
    }

    /// Waits for a turn on a thread that does work for this tenant apart from any poll, if the tenant is over its share.
    /// None also when the work `is_due` to end.
    pub(super) fn wait_here(&self, tenant: &Arc<Tenant>, is_due: &dyn Fn() -> bool) -> Option<Turn> {
        if !tenant.is_over_share() {
            return None;
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let turn = Turn::ask(self.executor()?, tenant, &waker);
        while turn.is_to_come(&waker) {
            if is_due() {
                return None;
            }
            thread::park_timeout(LOOK_AT_THE_TIME);
        }
        Some(turn)
    }

    fn is_to_wait(&self, turn: &mut Option<Turn>, clock: &CpuClock, context: &Context<'_>) -> bool {
        if let Some(turn) = turn {
            return turn.is_to_come(context.waker());
        }
        let tenant = clock.tenant();
        if !clock.stepped_aside() && !tenant.is_over_share() {
            self.demand.note();
            return false;
        }
        // Outside an executor there is nobody to let pass.
        let Some(executor) = self.executor() else { return false };
        *turn = Some(Turn::ask(executor, tenant, context.waker()));
        true
    }

    fn executor(&self) -> Option<Arc<Executor>> {
        let handle = Handle::try_current().ok()?;
        let id = handle.id();
        if let Some(executor) = self.executors.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Some(executor.clone());
        }
        let mut executors = self.executors.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Executor::new(handle.metrics().num_workers(), self.demand.clone());
        Some(executors.entry(id).or_insert_with(new).clone())
    }
}

/// So many ticks after a poll of theirs, those who are not far over their share still count as wanting a thread.
const WANTED_TICKS: u64 = 2;

/// Whether tenants that are not far over their share have lately wanted a thread, with a turn or without. It is the
/// same for all executors, since to find a poll's own would cost every poll.
struct Demand {
    ticks: Ticks,
    /// The tick of the last poll.
    noted: AtomicU64,
}

impl Demand {
    fn new(ticks: Ticks) -> Self {
        Self { ticks, noted: AtomicU64::new(0) }
    }

    /// To be said of each poll. All processors read the number, and only the first of a tick writes it.
    fn note(&self) {
        let now = self.ticks.now();
        if self.noted.load(Ordering::Relaxed) != now {
            self.noted.store(now, Ordering::Relaxed);
        }
    }

    fn is_recent(&self) -> bool {
        self.ticks.now().saturating_sub(self.noted.load(Ordering::Relaxed)) < WANTED_TICKS
    }
}

/// How often a thread that waits for its turn looks whether it is still to do its work.
const LOOK_AT_THE_TIME: Duration = Duration::from_millis(10);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The turns of one executor.
struct Executor {
    threads: usize,
    demand: Arc<Demand>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Turns that were given and are not over.
    given: usize,
    next: u64,
    /// By the address of the tenant, which stays as long as the entry has it.
    waiting: HashMap<usize, Waiting>,
}

/// The calls of one tenant that wait, in the order in which they came.
struct Waiting {
    tenant: Arc<Tenant>,
    calls: BTreeMap<u64, Waker>,
}

impl Executor {
    fn new(threads: usize, demand: Arc<Demand>) -> Arc<Self> {
        Arc::new(Self { threads, demand, queue: Mutex::default() })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the turns that are free. One that is kept free is looked at again when another ends, within a tick.
    fn give(&self) {
        loop {
            let waker = {
                let mut queue = self.queue();
                let free = self.threads.saturating_sub(queue.given);
                let is_kept = free == 1 && self.threads > 1 && self.demand.is_recent();
                let Some(waker) = queue.take_next(free, is_kept) else { return };
                queue.given += 1;
                waker
            };
            wake_after_what_is_ready(&waker);
        }
    }
}

impl Queue {
    /// The next call of the tenant that has lately used the least, if one of the `free` turns is for it. One that
    /// `is_kept` is not for those far over their share.
    fn take_next(&mut self, free: usize, is_kept: bool) -> Option<Waker> {
        if free == 0 {
            return None;
        }
        let now = Instant::now();
        let used = |(key, waiting): (&usize, &Waiting)| (waiting.tenant.used_lately(now), *key);
        let (_, key) = match self.waiting.len() {
            0 => return None,
            1 => self.waiting.keys().next().map(|key| (0.0, *key))?,
            _ => self.waiting.iter().map(used).min_by(|one, other| one.0.total_cmp(&other.0))?,
        };
        let waiting = self.waiting.get_mut(&key)?;
        if is_kept && waiting.tenant.is_far_over_share() {
            return None;
        }
        let (_, waker) = waiting.calls.pop_first()?;
        if waiting.calls.is_empty() {
            self.waiting.remove(&key);
        }
        Some(waker)
    }
}

/// A turn that was asked for, and is given when it is no longer in the queue. Dropped, it is over.
pub(super) struct Turn {
    executor: Arc<Executor>,
    tenant: usize,
    number: u64,
}

impl Turn {
    fn ask(executor: Arc<Executor>, tenant: &Arc<Tenant>, waker: &Waker) -> Self {
        if !tenant.is_far_over_share() {
            executor.demand.note();
        }
        let key = Arc::as_ptr(tenant).addr();
        let mut queue = executor.queue();
        let number = queue.next;
        queue.next += 1;
        let new = || Waiting { tenant: tenant.clone(), calls: BTreeMap::new() };
        queue.waiting.entry(key).or_insert_with(new).calls.insert(number, waker.clone());
        drop(queue);
        executor.give();
        Self { executor, tenant: key, number }
    }

    /// Sees to it that the waker is woken when the turn is given, if it was not given already.
    fn is_to_come(&self, waker: &Waker) -> bool {
        let mut queue = self.executor.queue();
        let waiting = queue.waiting.get_mut(&self.tenant);
        let known = waiting.and_then(|waiting| waiting.calls.get_mut(&self.number));
        known.map(|known| known.clone_from(waker)).is_some()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let mut queue = self.executor.queue();
            let waiting = queue.waiting.get_mut(&self.tenant);
            match waiting.and_then(|waiting| waiting.calls.remove(&self.number).map(|_| waiting.calls.is_empty())) {
                Some(true) => _ = queue.waiting.remove(&self.tenant),
                Some(false) => {}
                None => queue.given -= 1,
            }
        }
        self.executor.give();
    }
}

/// Wakes a task once the executor has run everything that is ready and has looked for new input, which is what
/// yielding means to tokio. Merely woken, the task would stand before all input that is not seen yet.
fn wake_after_what_is_ready(waker: &Waker) {
    let yielding = pin!(tokio::task::yield_now());
    _ = yielding.poll(&mut Context::from_waker(waker));
}

#[cfg(test)]
mod tests;
