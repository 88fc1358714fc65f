//! Places for connections, and who gives one up when there is none left.
//!
//! At most `connections_max` connections have a place. When all are taken, the next connection gets that of the
//! one which has waited longest for its own client: for a request, for a body, or for room to write. A
//! connection whose request is being worked on never gives up its place, and none does that has waited for less
//! than `wait_min_ms`. So sockets that are only held open shut nobody out, and whoever comes has the time to ask.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::pace::Pace;

/// All places of one server.
pub struct Places {
    free: Arc<Semaphore>,
    max: usize,
    wait_min: Duration,
    /// Places that were asked for and are not free yet.
    coming: AtomicUsize,
    taken: Mutex<Taken>,
    began: Instant,
}

#[derive(Default)]
struct Taken {
    last: u64,
    peers: HashMap<u64, Arc<Peer>>,
}

/// The place of one connection. Dropped, it is free for another.
pub struct Place {
    places: Arc<Places>,
    number: u64,
    peer: Arc<Peer>,
    _permit: OwnedSemaphorePermit,
}

/// What is known of one connection: is it worked for, or waited for?
pub struct Peer {
    began: Instant,
    /// A request has arrived.
    requested: AtomicBool,
    /// Requests that were not answered to the end.
    under_way: AtomicU32,
    /// Those of them whose client is late with the body.
    late: AtomicU32,
    /// Those of them, on HTTP/2, whose client takes nothing more of the answer.
    stalled: AtomicU32,
    /// The socket takes nothing more of what was answered.
    blocked: AtomicBool,
    /// When one of these changed last, in milliseconds since the server began.
    since: AtomicU64,
    /// How far its client is behind with what the socket is to take.
    pace: Pace,
    /// Its place is wanted for somebody else.
    asked: AtomicBool,
    /// What its answers hold is.
    ended: AtomicBool,
    give_up: Notify,
}

impl Places {
    pub fn new(max: usize, wait_min: Duration) -> Arc<Self> {
        let (free, taken) = (Arc::new(Semaphore::new(max)), Mutex::default());
        let coming = AtomicUsize::new(0);
        Arc::new(Self { free, max, wait_min, coming, taken, began: Instant::now() })
    }

    /// A place for one more connection, as soon as there is one.
    pub async fn take(self: &Arc<Self>) -> Place {
        /// Those that did not wait, or not long enough, may by now.
        const AGAIN: Duration = Duration::from_millis(20);

        let permit = loop {
            if let Ok(permit) = self.free.clone().try_acquire_owned() {
                break permit;
            }
            // One search for many, lest a flood make us search for each of its connections.
            if self.coming.load(Ordering::Relaxed) == 0 {
                self.make_room();
            }
            if let Ok(Ok(permit)) = tokio::time::timeout(AGAIN, self.free.clone().acquire_owned()).await {
                break permit;
            }
        };
        let peer = Arc::new(Peer::new(self.began));
        let mut taken = self.taken();
        taken.last += 1;
        let number = taken.last;
        taken.peers.insert(number, peer.clone());
        drop(taken);
        Place { places: self.clone(), number, peer, _permit: permit }
    }

    /// Tells a part of those that wait to give up.
    fn make_room(&self) {
        let taken = self.taken();
        let waits = taken.peers.values().filter(|peer| peer.waits() && peer.unchanged() >= self.wait_min);
        let mut waiting: Vec<(u64, &Arc<Peer>)> = waits.map(|peer| (peer.since(), peer)).collect();
        let part = (self.max / 64).max(1).min(waiting.len());
        if part == 0 {
            return;
        }
        waiting.select_nth_unstable_by_key(part - 1, |(since, _)| *since);
        for (_, peer) in &waiting[..part] {
            if !peer.asked.swap(true, Ordering::Relaxed) {
                self.coming.fetch_add(1, Ordering::Relaxed);
                peer.give_up.notify_one();
            }
        }
        tracing::debug!(closed = part, "all places were taken; connections that wait for their clients are closed");
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Whether it does give up, now that it was asked to: not if a request has come in meanwhile.
    pub fn gives_up(&self) -> bool {
        let _taken = self.places.taken();
        let waits = self.peer.waits();
        if !waits && self.peer.asked.swap(false, Ordering::Relaxed) {
            self.places.coming.fetch_sub(1, Ordering::Relaxed);
        }
        waits
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Under the lock, so that nobody asks a peer that is not counted any more.
        let mut taken = self.places.taken();
        taken.peers.remove(&self.number);
        if self.peer.asked.load(Ordering::Relaxed) {
            self.places.coming.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Peer {
    fn new(began: Instant) -> Self {
        let peer = Self {
            began,
            requested: AtomicBool::new(false),
            under_way: AtomicU32::new(0),
            late: AtomicU32::new(0),
            stalled: AtomicU32::new(0),
            blocked: AtomicBool::new(false),
            since: AtomicU64::new(0),
            pace: Pace::new(began),
            asked: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            give_up: Notify::new(),
        };
        peer.touch();
        peer
    }

    /// Ends when the place is wanted for somebody else, or [`Self::end`] was called.
    pub async fn asked_to_give_up(&self) {
        self.give_up.notified().await;
    }

    /// Its connection is to end, whatever it waits for.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.give_up.notify_one();
    }

    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Whether no request is under way.
    pub fn idle(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) == 0
    }

    /// The time since anything changed.
    pub fn unchanged(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.since()))
    }

    /// A request has arrived. It is under way until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.requested.store(true, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.touch();
        UnderWay(self.clone())
    }

    /// The client is late with a body, until the guard is dropped.
    pub fn late(self: &Arc<Self>) -> Late {
        self.late.fetch_add(1, Ordering::Relaxed);
        self.touch();
        Late(self.clone())
    }

    /// The client of one HTTP/2 stream has something to take, or took all there was.
    pub fn set_stalled(&self, stalled: bool) {
        match stalled {
            true => self.stalled.fetch_add(1, Ordering::Relaxed),
            false => self.stalled.fetch_sub(1, Ordering::Relaxed),
        };
        self.touch();
    }

    /// The client took something.
    pub fn moved(&self) {
        self.touch();
    }

    /// Whether the socket takes nothing more.
    pub fn set_blocked(&self, blocked: bool) {
        if self.blocked.swap(blocked, Ordering::Relaxed) != blocked {
            self.touch();
        }
    }

    fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    fn touch(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(now, Ordering::Relaxed);
    }

    /// Whether its client is to do something next.
    fn waits(&self) -> bool {
        let for_the_client = self.late.load(Ordering::Relaxed) + self.stalled.load(Ordering::Relaxed);
        for_the_client >= self.under_way.load(Ordering::Relaxed) || self.blocked.load(Ordering::Relaxed)
    }
}

/// A request that was not answered to the end.
pub struct UnderWay(Arc<Peer>);

impl UnderWay {
    pub fn peer(&self) -> &Arc<Peer> {
        &self.0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.touch();
    }
}

/// A request whose client is late.
pub struct Late(Arc<Peer>);

impl Drop for Late {
    fn drop(&mut self) {
        self.0.late.fetch_sub(1, Ordering::Relaxed);
        self.0.touch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_is_worked_for_waits_for_nobody() {
        let peer = Arc::new(Peer::new(Instant::now()));
        assert!(peer.waits(), "for its first request");
        let request = peer.begin();
        assert!(!peer.waits());
        let late = peer.late();
        assert!(peer.waits(), "for a body");
        let second = peer.begin();
        assert!(!peer.waits(), "one of its two requests is worked on");
        drop((late, second));
        peer.set_stalled(true);
        assert!(peer.waits(), "for a window");
        peer.set_stalled(false);
        peer.set_blocked(true);
        assert!(peer.waits(), "for room to write");
        peer.set_blocked(false);
        drop(request);
        assert!(peer.waits(), "for its next request");
    }

    #[tokio::test]
    async fn a_request_that_comes_in_just_then_keeps_its_place() {
        let places = Places::new(1, Duration::ZERO);
        let place = places.take().await;
        places.make_room();
        place.peer().asked_to_give_up().await;
        let request = place.peer().begin();
        assert!(!place.gives_up());
        drop(request);
        places.make_room();
        place.peer().asked_to_give_up().await;
        assert!(place.gives_up());
        drop(place);
        assert_eq!(places.coming.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_one_that_has_waited_longest_gives_up_and_nobody_at_once() {
        const PATIENCE: Duration = Duration::from_secs(10);

        let places = Places::new(2, Duration::from_millis(100));
        let (first, second) = (places.take().await, places.take().await);
        tokio::time::sleep(Duration::from_millis(5)).await;
        // It asked for something, so the other waits longer.
        drop(first.peer().begin());
        let begun = Instant::now();
        let third = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        tokio::time::timeout(PATIENCE, second.peer().asked_to_give_up()).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(90), "it had no time to ask");
        drop(second);
        drop(tokio::time::timeout(PATIENCE, third).await.unwrap().unwrap());
        let asked = tokio::time::timeout(Duration::ZERO, first.peer().asked_to_give_up()).await;
        assert!(asked.is_err(), "there was a place to be had without it");
    }
}
