//! Who may use the instance pool.
//!
//! The pool answers "full" at once, so callers wait here first. Places are set apart by depth: a call waits
//! only for calls of its own depth, and those of the greatest depth wait for nobody, so nested calls cannot
//! block each other for ever, whatever the load.
//!
//! The same holds for the places that one tenant may have, of which some are set apart for each depth too. Of
//! a tenant's requests, as many as it is allowed wait; one more is refused. A place that gets free goes to the
//! tenant that has the fewest at that depth, and among those to the one that was served the longest ago.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::tenant::Tenant;
use crate::config::TenantConfig;

pub(super) struct Slots {
    by_depth: Vec<Arc<Depth>>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The depth is over the limit.
    Depth,
    /// As many of the tenant's requests wait as may.
    TenantBusy { limit: usize },
}

impl Slots {
    /// Shares the instances of the pool, and those of each tenant, out over the depths 0 to `depth_max`.
    pub(super) fn new(instances: u32, tenant: &TenantConfig, depth_max: u8) -> Self {
        let all = share_out(instances, depth_max);
        let of_one = share_out(tenant.instances, depth_max);
        let mut waiting_max = tenant.waiting_requests as usize;
        let mut by_depth = Vec::with_capacity(all.len());
        for (depth, (free, held_max)) in all.into_iter().zip(of_one).enumerate() {
            let places = Places { free, number: 0, waiting: HashMap::new(), next: BTreeSet::new() };
            by_depth.push(Arc::new(Depth { depth, held_max, waiting_max, places: Mutex::new(places) }));
            // Those who make nested calls have places, so there are never more of them than places and
            // `limits.deferred_calls` allow.
            waiting_max = usize::MAX;
        }
        Self { by_depth }
    }

    /// Waits for a place at this depth. Dropping the future gives up the wait, or the place.
    pub(super) async fn acquire(&self, depth: u8, tenant: &Arc<Tenant>) -> Result<Place, Refused> {
        let depth = self.by_depth.get(usize::from(depth)).ok_or(Refused::Depth)?;
        let (_waiting, place) = match depth.ask(tenant)? {
            Asked::Given(place) => return Ok(place),
            Asked::Wait(waiting, place) => (waiting, place),
        };
        // The sender goes only with the wait, which is above.
        place.await.map_err(|_| Refused::TenantBusy { limit: depth.waiting_max })
    }
}

/// Half for the first depth, half of the rest for the next, and so on, at least one each.
fn share_out(instances: u32, depth_max: u8) -> Vec<u32> {
    let deepest = u32::from(depth_max);
    let mut left = instances;
    let share = |depth| {
        let deeper = deepest - depth;
        let share = if deeper == 0 { left } else { (left / 2).min(left.saturating_sub(deeper)) };
        left -= share;
        share
    };
    (0..=deepest).map(share).collect()
}

/// The places of one depth.
struct Depth {
    depth: usize,
    /// The most that one tenant has.
    held_max: u32,
    /// The most calls of one tenant that wait.
    waiting_max: usize,
    places: Mutex<Places>,
}

struct Places {
    free: u32,
    /// Counts what happens: calls that come to wait, and places that are given to them.
    number: u64,
    /// By the address of the tenant, which stays as long as the entry has it.
    waiting: HashMap<usize, Waiting>,
    /// Who of those that wait may have one more place, the next first. Empty while a place is free.
    next: BTreeSet<Rank>,
}

/// How many places the tenant has, when it was last served or came to wait, and its address.
type Rank = (u32, u64, usize);

/// The calls of one tenant that wait, in the order in which they came.
struct Waiting {
    tenant: Arc<Tenant>,
    since: u64,
    calls: BTreeMap<u64, oneshot::Sender<Place>>,
}

enum Asked {
    Given(Place),
    Wait(Wait, oneshot::Receiver<Place>),
}

impl Depth {
    fn ask(self: &Arc<Self>, tenant: &Arc<Tenant>) -> Result<Asked, Refused> {
        let mut places = self.places();
        let held = &tenant.held[self.depth];
        if places.free > 0 && places.next.is_empty() && held.load(Relaxed) < self.held_max {
            places.free -= 1;
            held.fetch_add(1, Relaxed);
            return Ok(Asked::Given(Place { depth: self.clone(), tenant: tenant.clone() }));
        }
        let key = key(tenant);
        places.number += 1;
        let number = places.number;
        let new = || Waiting { tenant: tenant.clone(), since: number, calls: BTreeMap::new() };
        let waiting = places.waiting.entry(key).or_insert_with(new);
        if waiting.calls.len() >= self.waiting_max {
            return Err(Refused::TenantBusy { limit: self.waiting_max });
        }
        let (sender, receiver) = oneshot::channel();
        waiting.calls.insert(number, sender);
        self.rank(&mut places, key);
        Ok(Asked::Wait(Wait { depth: self.clone(), tenant: key, number }, receiver))
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a tenant among those that may have the next place, if it waits for one and may have one more.
    fn rank(&self, places: &mut Places, key: usize) {
        if let Some(waiting) = places.waiting.get(&key) {
            let held = waiting.tenant.held[self.depth].load(Relaxed);
            if held < self.held_max {
                places.next.insert((held, waiting.since, key));
            }
        }
    }

    fn unrank(&self, places: &mut Places, key: usize) {
        if let Some(waiting) = places.waiting.get(&key) {
            let held = waiting.tenant.held[self.depth].load(Relaxed);
            places.next.remove(&(held, waiting.since, key));
        }
    }

    /// Gives the places that are free to those who wait.
    fn give(self: &Arc<Self>) {
        loop {
            let (sender, place) = {
                let mut places = self.places();
                if places.free == 0 {
                    return;
                }
                let Some((_, _, key)) = places.next.pop_first() else { return };
                places.number += 1;
                let number = places.number;
                let Some(waiting) = places.waiting.get_mut(&key) else { continue };
                let Some((_, sender)) = waiting.calls.pop_first() else { continue };
                waiting.since = number;
                let tenant = waiting.tenant.clone();
                if waiting.calls.is_empty() {
                    places.waiting.remove(&key);
                }
                tenant.held[self.depth].fetch_add(1, Relaxed);
                places.free -= 1;
                self.rank(&mut places, key);
                (sender, Place { depth: self.clone(), tenant })
            };
            // Whoever waited may be gone: then the place comes back, and is free again.
            _ = sender.send(place);
        }
    }
}

fn key(tenant: &Arc<Tenant>) -> usize {
    Arc::as_ptr(tenant).addr()
}

/// A place of the pool. Dropped, it goes to whoever is next.
pub(super) struct Place {
    depth: Arc<Depth>,
    tenant: Arc<Tenant>,
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut places = self.depth.places();
            let key = key(&self.tenant);
            self.depth.unrank(&mut places, key);
            self.tenant.held[self.depth.depth].fetch_sub(1, Relaxed);
            places.free += 1;
            if places.waiting.is_empty() {
                return;
            }
            self.depth.rank(&mut places, key);
        }
        self.depth.give();
    }
}

/// A call's entry in the queue. Dropped, it is taken out.
struct Wait {
    depth: Arc<Depth>,
    tenant: usize,
    number: u64,
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut places = self.depth.places();
        let Some(waiting) = places.waiting.get_mut(&self.tenant) else { return };
        waiting.calls.remove(&self.number);
        if waiting.calls.is_empty() {
            self.depth.unrank(&mut places, self.tenant);
            places.waiting.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests;
