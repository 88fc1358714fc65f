//! Keys that were used lately, as they stand in the database.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use jiff::Timestamp;

use crate::access::Principal;
use crate::id::KeyId;

/// A key without its secret.
pub(super) struct Cached {
    pub(super) principal: Principal,
    pub(super) mac: Vec<u8>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) revoked: bool,
    /// The use that was written down last, in microseconds.
    noted_us: AtomicI64,
}

impl Cached {
    pub(super) fn new(
        principal: Principal,
        mac: Vec<u8>,
        expires_at: Option<Timestamp>,
        revoked: bool,
        used_at: Option<Timestamp>,
    ) -> Self {
        let noted_us = AtomicI64::new(used_at.map_or(i64::MIN, |at| at.as_microsecond()));
        Self { principal, mac, expires_at, revoked, noted_us }
    }

    /// Whether this use is to be written down. Only one of several at the same moment is told so.
    pub(super) fn is_use_due(&self, now: Timestamp, interval: Duration) -> bool {
        let (noted, now) = (self.noted_us.load(Ordering::Relaxed), now.as_microsecond());
        let interval = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX);
        noted.saturating_add(interval) <= now
            && self.noted_us.compare_exchange(noted, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Invariant: what was forgotten while somebody read it from the database is not put in, so a key that is revoked
/// meanwhile does not come back.
pub(super) struct Cache {
    most: usize,
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    keys: HashMap<KeyId, Arc<Cached>>,
    /// How often something was forgotten.
    forgotten: u64,
}

/// The moment at which somebody began to read a key.
pub(super) struct Reading(u64);

impl Cache {
    pub(super) fn new(most: usize) -> Self {
        Self { most, inner: RwLock::default() }
    }

    pub(super) fn get(&self, key: &KeyId) -> Option<Arc<Cached>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).keys.get(key).cloned()
    }

    /// To be asked before the key is read.
    pub(super) fn reading(&self) -> Reading {
        Reading(self.inner.read().unwrap_or_else(PoisonError::into_inner).forgotten)
    }

    pub(super) fn put(&self, id: KeyId, key: Arc<Cached>, since: Reading) {
        let mut inner = self.write();
        if inner.forgotten != since.0 {
            return;
        }
        if inner.keys.len() >= self.most
            && !inner.keys.contains_key(&id)
            && let Some(other) = inner.keys.keys().next().cloned()
        {
            inner.keys.remove(&other);
        }
        inner.keys.insert(id, key);
    }

    pub(super) fn forget(&self, key: &KeyId) {
        let mut inner = self.write();
        inner.keys.remove(key);
        inner.forgotten += 1;
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.inner.read().unwrap().keys.len()
    }
}
