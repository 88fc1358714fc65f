//! Which plugins' data may have changed since an answer was computed, for one tenant.
//!
//! A counter for each plugin whose data a kept answer depends on. Whoever keeps an answer notes the counters before the
//! call that computes it begins ([`Changes::watch`]); everything that may change the plugin's data counts when it is
//! over ([`Changes::note`]). So an answer whose counters stand as they were noted was computed from what is there now: a
//! change that ended before the note was seen by the call, and any other moves the counter.
//!
//! Invariant: a counter lives for as long as an answer refers to it ([`Changes::are_watched`]). A plugin that nobody
//! keeps answers of has no counter, and a change of it costs one read of an atomic.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::tenant::Tenant;
use crate::id::PluginId;

#[derive(Default)]
pub(super) struct Changes {
    /// Whether there is any counter.
    watched: AtomicBool,
    counters: RwLock<HashMap<PluginId, Arc<AtomicU64>>>,
}

/// How a counter stood.
#[derive(Clone)]
pub(super) struct Seen {
    counter: Arc<AtomicU64>,
    at: u64,
}

impl Changes {
    /// Notes how the plugin's data stands now.
    pub(super) fn watch(&self, plugin: &PluginId) -> Seen {
        if let Some(counter) = self.counters.read().unwrap_or_else(PoisonError::into_inner).get(plugin) {
            return Seen { counter: counter.clone(), at: counter.load(Ordering::SeqCst) };
        }
        let mut counters = self.counters.write().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.entry(plugin.clone()).or_default().clone();
        self.watched.store(true, Ordering::SeqCst);
        Seen { at: counter.load(Ordering::SeqCst), counter }
    }

    /// Says that the plugin's data may have changed.
    pub(super) fn note(&self, plugin: &PluginId) {
        if !self.watched.load(Ordering::SeqCst) {
            return;
        }
        if let Some(counter) = self.counters.read().unwrap_or_else(PoisonError::into_inner).get(plugin) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Whether an answer that is kept refers to one of the counters.
    pub(super) fn are_watched(&self) -> bool {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        counters.values().any(|counter| Arc::strong_count(counter) > 1)
    }
}

impl Seen {
    /// Whether nothing has changed since.
    pub(super) fn holds(&self) -> bool {
        self.counter.load(Ordering::SeqCst) == self.at
    }
}

/// Notes a change of a plugin's data when it is dropped: when a call that may make one is over, however it ends.
pub(super) struct NoteOnDrop {
    tenant: Arc<Tenant>,
    plugin: PluginId,
}

impl NoteOnDrop {
    pub(super) fn new(tenant: &Arc<Tenant>, plugin: &PluginId) -> Self {
        Self { tenant: tenant.clone(), plugin: plugin.clone() }
    }
}

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        self.tenant.changes.note(&self.plugin);
    }
}

/// What an answer is made from, noted while the call that computes it runs, with all calls below it. At most one entry
/// for each plugin.
#[derive(Default)]
pub struct Sources(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    seen: HashMap<PluginId, Seen>,
    /// A call below gave no answer, so this one says less than it could.
    incomplete: bool,
}

impl Sources {
    /// Notes that this plugin is about to be asked. What was noted first counts.
    pub(super) fn ask(&self, changes: &Changes, plugin: &PluginId) {
        let mut noted = self.noted();
        if !noted.seen.contains_key(plugin) {
            noted.seen.insert(plugin.clone(), changes.watch(plugin));
        }
    }

    /// Adds what a kept answer was made from.
    pub(super) fn take_over(&self, sources: &[(PluginId, Seen)]) {
        let mut noted = self.noted();
        for (plugin, seen) in sources {
            noted.seen.entry(plugin.clone()).or_insert_with(|| seen.clone());
        }
    }

    /// Notes that a call below gave no answer.
    pub(super) fn lack(&self) {
        self.noted().incomplete = true;
    }

    /// All of it; none where something was lacking.
    pub(super) fn complete(&self) -> Option<Vec<(PluginId, Seen)>> {
        let noted = self.noted();
        let seen = noted.seen.iter().map(|(plugin, seen)| (plugin.clone(), seen.clone()));
        (!noted.incomplete).then(|| seen.collect())
    }

    /// Adds what the call below noted to what this one has.
    pub(super) fn include(&self, below: &Sources) {
        match below.complete() {
            Some(sources) => self.take_over(&sources),
            None => self.lack(),
        }
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(id: &str) -> PluginId {
        PluginId::parse(id).unwrap()
    }

    #[test]
    fn a_change_is_seen_by_who_noted_before_it_and_by_nobody_else() {
        let changes = Changes::default();
        changes.note(&plugin("crm"));
        let (crm, other) = (changes.watch(&plugin("crm")), changes.watch(&plugin("other")));
        assert!(crm.holds() && other.holds());
        changes.note(&plugin("crm"));
        assert!(!crm.holds() && other.holds());
        assert!(changes.watch(&plugin("crm")).holds());
    }

    #[test]
    fn an_answer_is_made_from_what_the_answers_below_were_made_from() {
        let changes = Changes::default();
        let (above, below) = (Sources::default(), Sources::default());
        above.ask(&changes, &plugin("analytics"));
        below.ask(&changes, &plugin("crm"));
        changes.note(&plugin("crm"));
        // Asked again after the change: what was noted first counts.
        below.ask(&changes, &plugin("crm"));
        above.include(&below);
        let all = above.complete().unwrap();
        assert_eq!(all.len(), 2);
        assert!(!all.iter().all(|(_, seen)| seen.holds()));
        below.lack();
        above.include(&below);
        assert!(above.complete().is_none());
    }

    #[test]
    fn counters_are_in_use_as_long_as_somebody_noted_them() {
        let changes = Changes::default();
        assert!(!changes.are_watched());
        let seen = changes.watch(&plugin("crm"));
        assert!(changes.are_watched());
        drop(seen);
        assert!(!changes.are_watched());
    }
}
