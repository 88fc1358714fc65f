//! Who an answer is for, how far behind it is, and how it is given up: the connection over HTTP/1, the stream alone
//! over HTTP/2.
//!
//! A client may read its socket and still never open a stream's window, which no socket can tell. So each answer on
//! HTTP/2 has a pace of its own, from its first piece until nothing of it lies ready.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures::future::{AbortHandle, Abortable};
use hyper::rt::Executor;

use super::pace::Pace;
use super::places::Peer;

/// Whoever is to take an answer.
#[derive(Clone)]
pub enum Taker {
    Connection(Arc<Peer>),
    Stream(Arc<Wait>),
}

impl Taker {
    pub fn behind(&self) -> Duration {
        match self {
            Self::Connection(peer) => peer.pace().behind(),
            Self::Stream(wait) => wait.pace.behind(),
        }
    }

    /// Ends it, and with it what it holds.
    pub fn give_up(&self) {
        match self {
            Self::Connection(peer) => peer.end(),
            Self::Stream(wait) if wait.end_stream() => {}
            Self::Stream(wait) => wait.peer.end(),
        }
    }
}

/// One answer on an HTTP/2 stream.
pub struct Wait {
    pub pace: Pace,
    peer: Arc<Peer>,
    /// Ends the task that serves the stream. HTTP/2 then throws away what lies ready and resets the stream.
    task: Option<AbortHandle>,
    /// The task cannot be ended, because it has ended or was told to.
    over: AtomicBool,
}

impl Wait {
    /// Of the stream whose task asks.
    fn new(peer: &Arc<Peer>, began: Instant) -> Self {
        let task = TASK.try_with(Clone::clone).ok();
        Self { pace: Pace::new(began), peer: peer.clone(), over: AtomicBool::new(task.is_none()), task }
    }

    /// The last of the answer is in HTTP/2's own hands.
    pub fn handed_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// False if it is over already, and what still lies ready goes only with the connection.
    fn end_stream(&self) -> bool {
        let ends = !self.over.swap(true, Ordering::Relaxed);
        if ends && let Some(task) = &self.task {
            task.abort();
        }
        ends
    }
}

/// The answers of one HTTP/2 connection that may wait for its client.
pub struct Waits {
    began: Instant,
    in_use: AtomicBool,
    answers: Mutex<Vec<Weak<Wait>>>,
}

impl Waits {
    pub fn new() -> Self {
        Self { began: Instant::now(), in_use: AtomicBool::new(false), answers: Mutex::default() }
    }

    /// Whether this is an HTTP/2 connection.
    pub fn in_use(&self) -> bool {
        self.in_use.load(Ordering::Relaxed)
    }

    pub fn use_them(&self) {
        self.in_use.store(true, Ordering::Relaxed);
    }

    /// One more, on the stream whose task asks.
    pub fn add(&self, peer: &Arc<Peer>) -> Arc<Wait> {
        let wait = Arc::new(Wait::new(peer, self.began));
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that ended are dropped when there is no room, so there are never more than twice as many.
        if answers.len() == answers.capacity() {
            answers.retain(|answer| answer.strong_count() > 0);
        }
        answers.push(Arc::downgrade(&wait));
        wait
    }

    /// Ends the streams that are behind for as long as this. False if one was ended before and is still there.
    pub fn end_those_behind(&self, time: Duration) -> bool {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut behind = answers.iter().filter_map(Weak::upgrade).filter(|wait| wait.pace.behind() >= time);
        behind.all(|wait| wait.end_stream())
    }
}

tokio::task_local! {
    /// Ends the task of one HTTP/2 stream. It says nothing of what the stream asks, or for whom.
    static TASK: AbortHandle;
}

/// Runs each HTTP/2 stream in a task that can be ended by itself.
#[derive(Clone)]
pub struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (task, registration) = AbortHandle::new_pair();
        tokio::spawn(TASK.scope(task, Abortable::new(stream, registration)));
    }
}
