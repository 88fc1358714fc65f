//! The room for answers that lie ready for their clients, all together: `http.answers_bytes`.
//!
//! An answer counts from when it is whole until the socket, or its HTTP/2 stream, has taken its last byte. A quarter
//! of the room is open: small answers go there, counted by one atomic number and nothing else. Larger ones, and
//! small ones when the open part is full, are kept in a list: whose they are, and how far behind their client is.
//! When that part is full, whoever is furthest behind is given up, first of the tenant that holds most, and never for
//! a tenant that holds more. So clients that take nothing cost their own tenant's clients first, and who holds little
//! finds room. When nobody is behind, the new answer is refused; it does not wait, because it would lie in memory
//! for as long.
//!
//! What is given up counts no more, although its memory is free only when its task has run. Its answers had lain
//! there for `http.wait_min_ms`, so that is at most as much again, for a moment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::waits::Taker;
use crate::config::HttpConfig;
use crate::id::TenantId;

/// An answer up to this may go into the open part, and in the list none counts less. It is about what a socket takes.
const SMALL_BYTES: usize = 64 << 10;

/// What counts for an answer that is still written: a chunk at the plugin, one on its way, and the server's buffer.
const STREAMED_BYTES: usize = 256 << 10;

/// Whose answer it is, among an answer's extensions. The host's own have none, and count as one tenant's.
#[derive(Clone)]
pub struct Owner(pub TenantId);

/// What an answer holds at most that goes on for as long as its client listens, among its extensions.
#[derive(Clone, Copy)]
pub struct Lasting {
    pub bytes: usize,
}

pub struct Room {
    open_max: usize,
    kept_max: usize,
    wait_min: Duration,
    open: AtomicUsize,
    kept: Mutex<Kept>,
}

/// The list. It has at most one entry for each [`SMALL_BYTES`] of the room.
#[derive(Default)]
struct Kept {
    bytes: usize,
    last: u64,
    answers: HashMap<u64, Answer>,
    tenants: HashMap<Option<TenantId>, usize>,
}

struct Answer {
    tenant: Option<TenantId>,
    bytes: usize,
    taker: Taker,
}

/// What one answer takes of the room, until it is dropped.
pub struct Held {
    room: Arc<Room>,
    part: Part,
    /// Kept, so that an HTTP/2 stream counts as waiting as long as any of its bytes do.
    _taker: Taker,
}

enum Part {
    Open(usize),
    Kept(u64),
}

/// There is no room, and nobody to give his up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host holds as many answers as it can (http.answers_bytes); try again")]
pub struct Full;

impl Room {
    pub fn new(config: &HttpConfig) -> Arc<Self> {
        let open_max = config.answers_bytes / 4;
        let (open, kept) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { open_max, kept_max: config.answers_bytes - open_max, wait_min: config.wait_min(), open, kept })
    }

    /// Takes room for an answer of so many bytes, or for one that is still written.
    ///
    /// # Errors
    ///
    /// [`Full`], and then the answer is to be dropped.
    pub fn take(self: &Arc<Self>, owner: Option<Owner>, bytes: Option<u64>, taker: Taker) -> Result<Held, Full> {
        let bytes = bytes.map_or(STREAMED_BYTES, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let part = match self.open(bytes) {
            Some(part) => part,
            None => Part::Kept(self.keep(owner.map(|Owner(tenant)| tenant), bytes.max(SMALL_BYTES), &taker)?),
        };
        Ok(Held { room: self.clone(), part, _taker: taker })
    }

    fn open(&self, bytes: usize) -> Option<Part> {
        if bytes > SMALL_BYTES {
            return None;
        }
        if self.open.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.open_max {
            return Some(Part::Open(bytes));
        }
        self.open.fetch_sub(bytes, Ordering::Relaxed);
        None
    }

    fn keep(&self, tenant: Option<TenantId>, bytes: usize, taker: &Taker) -> Result<u64, Full> {
        let (number, given_up) = {
            let mut kept = self.kept();
            let given_up = kept.make_room(&tenant, bytes, self.kept_max, self.wait_min)?;
            let given_up: Vec<Answer> = given_up.into_iter().filter_map(|number| kept.remove(number)).collect();
            (kept.add(Answer { tenant, bytes, taker: taker.clone() }), given_up)
        };
        if !given_up.is_empty() {
            tracing::debug!(answers = given_up.len(), "no room for an answer; clients that are behind are given up");
        }
        given_up.iter().for_each(|answer| answer.taker.give_up());
        Ok(number)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        match self.part {
            Part::Open(bytes) => _ = self.room.open.fetch_sub(bytes, Ordering::Relaxed),
            Part::Kept(number) => _ = self.room.kept().remove(number),
        }
    }
}

impl Kept {
    fn add(&mut self, answer: Answer) -> u64 {
        self.bytes += answer.bytes;
        *self.tenants.entry(answer.tenant.clone()).or_default() += answer.bytes;
        self.last += 1;
        self.answers.insert(self.last, answer);
        self.last
    }

    /// Nothing if it was given up before.
    fn remove(&mut self, number: u64) -> Option<Answer> {
        let answer = self.answers.remove(&number)?;
        self.bytes -= answer.bytes;
        if let Some(held) = self.tenants.get_mut(&answer.tenant) {
            *held -= answer.bytes;
            if *held == 0 {
                self.tenants.remove(&answer.tenant);
            }
        }
        Some(answer)
    }

    /// Who is to go for so many bytes. Nobody is, unless that is enough.
    fn make_room(
        &self,
        tenant: &Option<TenantId>,
        bytes: usize,
        max: usize,
        wait_min: Duration,
    ) -> Result<Vec<u64>, Full> {
        let mut missing = self.bytes.saturating_add(bytes).saturating_sub(max);
        if missing == 0 {
            return Ok(Vec::new());
        }
        let mut mine = self.tenants.get(tenant).copied().unwrap_or(0).saturating_add(bytes);
        let (mut others, mut chosen) = (self.behind(wait_min), Vec::new());
        while missing > 0 {
            // Most first; one's own, if nobody has more.
            let more = others.iter_mut().filter(|late| late.tenant == tenant || late.held > mine);
            let Some(late) = more.max_by_key(|late| if late.tenant == tenant { mine } else { late.held }) else {
                return Err(Full);
            };
            let Some((_, number, given_up)) = late.answers.pop() else {
                return Err(Full);
            };
            chosen.push(number);
            missing = missing.saturating_sub(given_up);
            late.held -= given_up;
            if late.tenant == tenant {
                mine -= given_up;
            }
            others.retain(|late| !late.answers.is_empty());
        }
        Ok(chosen)
    }

    /// The tenants with clients that are behind for so long at least.
    fn behind(&self, wait_min: Duration) -> Vec<Late<'_>> {
        let mut tenants = HashMap::<&Option<TenantId>, Late<'_>>::new();
        for (number, answer) in &self.answers {
            let behind = answer.taker.behind();
            if behind.is_zero() || behind < wait_min {
                continue;
            }
            let held = self.tenants.get(&answer.tenant).copied().unwrap_or(0);
            let new = || Late { tenant: &answer.tenant, held, answers: Vec::new() };
            tenants.entry(&answer.tenant).or_insert_with(new).answers.push((behind, *number, answer.bytes));
        }
        let mut tenants: Vec<_> = tenants.into_values().collect();
        tenants.iter_mut().for_each(|late| late.answers.sort_unstable());
        tenants
    }
}

/// A tenant, what it holds, and its answers that could go: time behind, number, bytes, the first to go at the end.
struct Late<'a> {
    tenant: &'a Option<TenantId>,
    held: usize,
    answers: Vec<(Duration, u64, usize)>,
}

#[cfg(test)]
mod tests;
