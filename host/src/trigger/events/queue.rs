//! Which tenants have deliveries that may be due, and whose turn it is.
//!
//! What is here is only a hint: the rows are in the control plane, and it is read again every so often.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::id::{PluginId, TenantId};

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    woken: Notify,
}

#[derive(Default)]
struct State {
    /// When each is to be looked at.
    tenants: HashMap<TenantId, Instant>,
    /// The same tenants, in the order of their turns.
    turns: VecDeque<TenantId>,
    /// Subscribers that were not there, until they are asked for again.
    absent: HashMap<TenantId, HashMap<PluginId, Instant>>,
}

/// A tenant whose turn it is.
pub(super) struct Turn {
    pub tenant: TenantId,
    /// Deliveries that it may have now.
    pub room: usize,
    pub absent: Vec<String>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tenant has deliveries that may be due now.
    pub(super) fn wake(&self, tenant: &TenantId) {
        self.look_at(tenant, Instant::now());
        self.woken.notify_one();
    }

    /// A tenant is to be looked at then, or earlier if that was said before.
    pub(super) fn look_at(&self, tenant: &TenantId, at: Instant) {
        let mut state = self.state();
        if let Some(known) = state.tenants.get_mut(tenant) {
            *known = at.min(*known);
            return;
        }
        state.tenants.insert(tenant.clone(), at);
        state.turns.push_back(tenant.clone());
    }

    /// Takes out those who are to be looked at now, with `free` deliveries in all. Whoever waited for longest comes first,
    /// and comes last when it is put back.
    pub(super) fn take(&self, mut free: usize, room: impl Fn(&TenantId) -> usize) -> Vec<Turn> {
        let now = Instant::now();
        let mut state = self.state();
        let mut taken = Vec::new();
        for _ in 0..state.turns.len() {
            let Some(tenant) = state.turns.pop_front() else { break };
            let room = room(&tenant).min(free);
            if room == 0 || state.tenants.get(&tenant).is_some_and(|at| *at > now) {
                state.turns.push_back(tenant);
                continue;
            }
            state.tenants.remove(&tenant);
            let absent = state.absent.get_mut(&tenant).map_or_else(Vec::new, |absent| {
                absent.retain(|_, until| *until > now);
                absent.keys().map(ToString::to_string).collect()
            });
            if absent.is_empty() {
                state.absent.remove(&tenant);
            }
            free -= room;
            taken.push(Turn { tenant, room, absent });
        }
        taken
    }

    /// Notes that a subscriber is not there, and is not to be asked for until then.
    pub(super) fn is_absent(&self, tenant: &TenantId, subscriber: &PluginId, until: Instant) {
        self.look_at(tenant, until);
        self.state().absent.entry(tenant.clone()).or_default().insert(subscriber.clone(), until);
    }

    /// When the first of a tenant's absent subscribers is asked for again.
    pub(super) fn absent_until(&self, tenant: &TenantId) -> Option<Instant> {
        self.state().absent.get(tenant)?.values().min().copied()
    }

    /// Waits until somebody is woken or a tenant is to be looked at.
    pub(super) async fn woken(&self, longest: Duration) {
        let now = Instant::now();
        let next = self.state().tenants.values().filter(|at| **at > now).min().copied();
        let until = next.unwrap_or(now + longest).min(now + longest);
        tokio::select! {
            () = self.woken.notified() => {}
            () = tokio::time::sleep_until(until.into()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn taken(queue: &Queue, free: usize, room: usize) -> Vec<(String, usize)> {
        queue.take(free, |_| room).into_iter().map(|turn| (turn.tenant.to_string(), turn.room)).collect()
    }

    #[test]
    fn tenants_take_turns_and_none_has_more_than_its_room() {
        let queue = Queue::default();
        for id in ["a", "b", "c", "b"] {
            queue.wake(&tenant(id));
        }
        assert_eq!(taken(&queue, 5, 4), [("a".to_owned(), 4), ("b".to_owned(), 1)]);
        queue.wake(&tenant("a"));
        assert_eq!(taken(&queue, 8, 4), [("c".to_owned(), 4), ("a".to_owned(), 4)], "who had its turn comes last");
        assert_eq!(taken(&queue, 8, 4), [], "who was taken out says when it is to be looked at again");
    }

    #[test]
    fn nobody_is_looked_at_before_its_time() {
        let queue = Queue::default();
        queue.look_at(&tenant("a"), Instant::now() + Duration::from_secs(60));
        assert_eq!(taken(&queue, 8, 4), []);
        queue.wake(&tenant("a"));
        queue.look_at(&tenant("a"), Instant::now() + Duration::from_secs(60));
        assert_eq!(taken(&queue, 8, 4).len(), 1, "the earliest word counts");
    }

    #[test]
    fn who_is_absent_is_told_until_its_time_is_over() {
        let (queue, a) = (Queue::default(), tenant("a"));
        let [here, gone] = ["here", "gone"].map(|id| PluginId::parse(id).unwrap());
        queue.is_absent(&a, &here, Instant::now());
        queue.is_absent(&a, &gone, Instant::now() + Duration::from_secs(60));
        queue.wake(&a);
        assert_eq!(queue.take(1, |_| 1)[0].absent, ["gone"]);
        assert!(queue.absent_until(&a).is_some_and(|until| until > Instant::now()));
    }
}
