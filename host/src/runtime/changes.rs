//! What answers that are kept were made from, and whether it may have changed since, for one tenant.
//!
//! A counter for each [`Source`] that a kept answer depends on: a plugin's data, or a namespace of shared data. Whoever keeps
//! an answer notes the counters before the call that computes it begins ([`Changes::watch`]); everything that may change a
//! source counts when it is over ([`Changes::note`]). So an answer whose counters stand as they were noted was computed from
//! what is there now: a change that ended before the note was seen by the call, and any other moves the counter. What was
//! read and expires says so too ([`Sources::lasts`]), since no change tells of that.
//!
//! Invariant: a counter lives for as long as an answer refers to it ([`Changes::are_watched`]). A source that nobody keeps
//! answers of has no counter, and a change of it costs one read of an atomic.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::tenant::Tenant;
use crate::capability::shared_data::Dependent;
use crate::id::{Namespace, PluginId};

/// What an answer can be made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// All that a plugin can answer with, its tables above all.
    Plugin(PluginId),
    /// A namespace of shared data. It changes far less often than all that its owner has.
    Namespace(Namespace),
}

#[derive(Default)]
pub(super) struct Changes {
    /// Whether there is any counter.
    watched: AtomicBool,
    counters: RwLock<HashMap<Source, Arc<AtomicU64>>>,
}

/// How a counter stood.
#[derive(Clone)]
pub(super) struct Seen {
    counter: Arc<AtomicU64>,
    at: u64,
}

impl Changes {
    /// Notes how a source stands now.
    pub(super) fn watch(&self, source: &Source) -> Seen {
        if let Some(counter) = self.counters.read().unwrap_or_else(PoisonError::into_inner).get(source) {
            return Seen { counter: counter.clone(), at: counter.load(Ordering::SeqCst) };
        }
        let mut counters = self.counters.write().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.entry(source.clone()).or_default().clone();
        self.watched.store(true, Ordering::SeqCst);
        Seen { at: counter.load(Ordering::SeqCst), counter }
    }

    /// Says that a source may have changed.
    pub(super) fn note(&self, source: &Source) {
        if !self.watched.load(Ordering::SeqCst) {
            return;
        }
        if let Some(counter) = self.counters.read().unwrap_or_else(PoisonError::into_inner).get(source) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Says that all that a plugin has may have changed, its namespaces among it.
    pub(super) fn note_all_of(&self, plugin: &PluginId) {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        for (_, counter) in counters.iter().filter(|(source, _)| source.is_of(plugin)) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Whether an answer that is kept refers to one of the counters.
    pub(super) fn are_watched(&self) -> bool {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        counters.values().any(|counter| Arc::strong_count(counter) > 1)
    }
}

impl Source {
    fn is_of(&self, plugin: &PluginId) -> bool {
        match self {
            Self::Plugin(own) => own == plugin,
            Self::Namespace(namespace) => namespace.owner() == plugin.as_str(),
        }
    }
}

/// Notes a change of a plugin's data when it is dropped: when a call that may make one is over, however it ends.
pub(super) struct NoteOnDrop {
    tenant: Arc<Tenant>,
    source: Source,
}

impl NoteOnDrop {
    pub(super) fn new(tenant: &Arc<Tenant>, plugin: &PluginId) -> Self {
        Self { tenant: tenant.clone(), source: Source::Plugin(plugin.clone()) }
    }
}

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        self.tenant.changes.note(&self.source);
    }
}

/// What an answer was made from.
#[derive(Clone, Default)]
pub(super) struct Grounds {
    seen: Vec<(Source, Seen)>,
    /// When something of it expires.
    until: Option<Instant>,
}

impl Grounds {
    /// Whether all of it is as it was.
    pub(super) fn hold(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
            && self.seen.iter().all(|(_, Seen { counter, at })| counter.load(Ordering::SeqCst) == *at)
    }

    /// How long it holds if nothing changes, but no longer than this.
    pub(super) fn last(&self, most: Duration) -> Duration {
        self.until.map_or(most, |until| most.min(until.saturating_duration_since(Instant::now())))
    }

    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    #[cfg(test)]
    pub(super) fn of(seen: Vec<(Source, Seen)>) -> Self {
        Self { seen, until: None }
    }
}

/// What an answer is made from, noted while the call that computes it runs, with all calls below it. At most one entry
/// for each source.
#[derive(Default)]
pub struct Sources(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    seen: HashMap<Source, Seen>,
    until: Option<Instant>,
    /// A call below gave no answer, so this one says less than it could.
    incomplete: bool,
}

impl Sources {
    /// Notes that this source is about to be asked. What was noted first counts.
    pub(super) fn ask(&self, changes: &Changes, source: &Source) {
        let mut noted = self.noted();
        if !noted.seen.contains_key(source) {
            noted.seen.insert(source.clone(), changes.watch(source));
        }
    }

    /// Notes that something that was read is gone by then.
    pub(super) fn lasts(&self, until: Instant) {
        let mut noted = self.noted();
        noted.until = Some(noted.until.map_or(until, |earlier| earlier.min(until)));
    }

    /// Adds what a kept answer was made from.
    pub(super) fn take_over(&self, grounds: &Grounds) {
        let mut noted = self.noted();
        for (source, seen) in &grounds.seen {
            noted.seen.entry(source.clone()).or_insert_with(|| seen.clone());
        }
        drop(noted);
        grounds.until.iter().for_each(|until| self.lasts(*until));
    }

    /// Notes that a call below gave no answer.
    pub(super) fn lack(&self) {
        self.noted().incomplete = true;
    }

    /// All of it; none where something was lacking.
    pub(super) fn complete(&self) -> Option<Grounds> {
        let noted = self.noted();
        let seen = noted.seen.iter().map(|(source, seen)| (source.clone(), seen.clone()));
        (!noted.incomplete).then(|| Grounds { seen: seen.collect(), until: noted.until })
    }

    /// Adds what the call below noted to what this one has.
    pub(super) fn include(&self, below: &Sources) {
        match below.complete() {
            Some(grounds) => self.take_over(&grounds),
            None => self.lack(),
        }
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes what a call reads of shared data.
pub(super) struct Reads {
    tenant: Arc<Tenant>,
    sources: Arc<Sources>,
}

impl Reads {
    pub(super) fn noted_in(sources: &Arc<Sources>, tenant: &Arc<Tenant>) -> Box<dyn Dependent> {
        Box::new(Self { tenant: tenant.clone(), sources: sources.clone() })
    }
}

impl Dependent for Reads {
    fn reads(&self, namespace: &Namespace) {
        self.sources.ask(&self.tenant.changes, &Source::Namespace(namespace.clone()));
    }

    fn lasts(&self, left: Duration) {
        // So far ahead that no clock gets there is for good.
        Instant::now().checked_add(left).iter().for_each(|until| self.sources.lasts(*until));
    }

    fn lacks(&self) {
        self.sources.lack();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(id: &str) -> Source {
        Source::Plugin(PluginId::parse(id).unwrap())
    }

    fn namespace(name: &str) -> Source {
        Source::Namespace(Namespace::parse(name).unwrap())
    }

    fn holds(seen: &Seen) -> bool {
        Grounds::of(vec![(plugin("any"), seen.clone())]).hold()
    }

    #[test]
    fn a_change_is_seen_by_who_noted_before_it_and_by_nobody_else() {
        let changes = Changes::default();
        changes.note(&plugin("crm"));
        let (crm, other) = (changes.watch(&plugin("crm")), changes.watch(&plugin("other")));
        assert!(holds(&crm) && holds(&other));
        changes.note(&plugin("crm"));
        assert!(!holds(&crm) && holds(&other));
        assert!(holds(&changes.watch(&plugin("crm"))));
    }

    #[test]
    fn a_namespace_changes_apart_from_its_owner_unless_all_of_that_may_have() {
        let changes = Changes::default();
        let watch = || ["crm.events", "crm.rates", "crm-2.events"].map(|name| changes.watch(&namespace(name)));
        let [events, rates, other] = watch();
        changes.note(&plugin("crm"));
        assert!(holds(&events));
        changes.note(&namespace("crm.events"));
        assert!(!holds(&events) && holds(&rates) && holds(&other));
        let [events, rates, other] = watch();
        changes.note_all_of(&PluginId::parse("crm").unwrap());
        assert!(!holds(&events) && !holds(&rates) && holds(&other));
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
        assert!(all.len() == 2 && !all.hold());
        below.lack();
        above.include(&below);
        assert!(above.complete().is_none());
    }

    #[test]
    fn an_answer_lasts_no_longer_than_the_first_that_expires_of_what_it_was_made_from() {
        let (above, below, now) = (Sources::default(), Sources::default(), Instant::now());
        above.lasts(now + Duration::from_secs(900));
        let minute = Duration::from_secs(60);
        assert_eq!(above.complete().unwrap().last(minute), minute);
        below.lasts(now + Duration::from_secs(30));
        above.include(&below);
        let grounds = above.complete().unwrap();
        assert!(grounds.hold() && grounds.last(minute) <= Duration::from_secs(30));
        above.lasts(now);
        let grounds = above.complete().unwrap();
        assert!(!grounds.hold() && grounds.last(minute) == Duration::ZERO);
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
