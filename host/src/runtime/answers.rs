//! Answers that are kept for a while and given again.
//!
//! A function whose endpoints have a `cacheTTL` is asked once for all who would see the same: the [`key`] holds all
//! that its plugin can see of a call, so no answer reaches another tenant, user or caller. An answer is given again
//! while its time lasts and nothing that it was made from may have changed ([`super::changes`]): its own plugin's data,
//! that of every plugin asked on the way, and the shared data that was read.
//!
//! Who asks for what somebody else is just being told waits for that answer, for half of its own time at most, and then
//! asks for itself; it also does when that call fails, so a failure is nobody's but its own. Whoever is waited for
//! waits for nobody: a call that computes an answer to be kept, and all calls below it, never join. And the depth is
//! part of the key, so that whoever waits holds no place that the other needs. So nobody waits in a circle.
//!
//! Bounds: `cache.bytes` for all answers with their keys, counted as they lie in memory, and `cache.entry_bytes` for one.
//! What is kept beyond that for a moment is one entry for each thread.

mod key;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;
use tokio::sync::Semaphore;
use wasmtime::component::Val;

use self::key::Key;
use super::changes::{Grounds, NoteOnDrop, Source, Sources};
use super::context::CallContext;
use super::held::weight;
use super::prepared::PreparedPlugin;
use super::rules::Effect;
use super::signature::ExportedFunction;
use super::{CallFailure, Runtime};
use crate::config::CacheConfig;

/// What an entry takes with its key, beside its value and what it was made from.
const ENTRY_BYTES: usize = 512;
/// What one source of an entry takes.
const SOURCE_BYTES: usize = 96;

/// A function's answer, and where it comes from.
pub struct Answered {
    value: Value,
    pub origin: Origin,
}

enum Value {
    Own(Option<Val>),
    Kept(Arc<Kept>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The function's answers are not kept.
    Call,
    /// It was asked, because no answer is kept.
    Miss,
    /// It was asked, because the client wanted that.
    Bypass,
    /// It was answered so long ago.
    Kept(Duration),
}

/// Whether an answer that is kept will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    Any,
    /// One that is made now; it takes the place of what is kept.
    Fresh,
}

impl Answered {
    fn call(value: Option<Val>) -> Self {
        Self { value: Value::Own(value), origin: Origin::Call }
    }

    fn kept(kept: Arc<Kept>, context: &CallContext) -> Self {
        context.sources.iter().for_each(|above| above.take_over(&kept.grounds));
        Self { origin: Origin::Kept(kept.made.elapsed()), value: Value::Kept(kept) }
    }

    pub fn value(&self) -> Option<&Val> {
        match &self.value {
            Value::Own(value) => value.as_ref(),
            Value::Kept(kept) => Some(&kept.value),
        }
    }

    /// The value to have for oneself. One that is kept is copied.
    pub fn into_value(self) -> Option<Val> {
        match self.value {
            Value::Own(value) => value,
            Value::Kept(kept) => Some(kept.value.clone()),
        }
    }
}

/// An answer in the cache.
struct Kept {
    value: Val,
    made: Instant,
    keep_for: Duration,
    grounds: Grounds,
    bytes: u32,
}

impl Kept {
    /// Whether it may be given again.
    fn stands(&self) -> bool {
        self.made.elapsed() < self.keep_for && self.grounds.hold()
    }
}

pub(super) struct Answers {
    cache: Cache<Key, Arc<Kept>>,
    flights: Mutex<HashMap<Key, Arc<Flight>>>,
    entry_bytes: usize,
}

/// A call whose answer others wait for.
struct Flight {
    /// Closed when it is over; there is never a permit.
    over: Semaphore,
    landed: OnceLock<Arc<Kept>>,
}

impl Answers {
    pub(super) fn new(config: &CacheConfig) -> Self {
        let weigher = |_: &Key, kept: &Arc<Kept>| kept.bytes;
        let cache = Cache::builder().max_capacity(config.bytes).weigher(weigher).expire_after(KeepFor).build();
        Self { cache, flights: Mutex::default(), entry_bytes: config.entry_bytes }
    }

    fn find(&self, key: &Key) -> Option<Arc<Kept>> {
        let kept = self.cache.get(key)?;
        if kept.stands() {
            return Some(kept);
        }
        self.cache.invalidate(key);
        None
    }

    fn keep(&self, key: &Key, kept: Arc<Kept>) {
        self.cache.insert(*key, kept);
        // At once, and not after some hundred entries more: the bound is to hold.
        self.cache.run_pending_tasks();
    }

    /// Joins the flight of this key, or begins one.
    fn board(self: &Arc<Self>, key: &Key) -> Boarded {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key) {
            return Boarded::Joins(flight.clone());
        }
        let flight = Arc::new(Flight { over: Semaphore::new(0), landed: OnceLock::new() });
        flights.insert(*key, flight.clone());
        Boarded::Leads(Lead { answers: self.clone(), key: *key, flight })
    }
}

enum Boarded {
    Leads(Lead),
    Joins(Arc<Flight>),
}

/// A flight under way. However it ends, those who wait are told.
struct Lead {
    answers: Arc<Answers>,
    key: Key,
    flight: Arc<Flight>,
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.answers.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.flight.over.close();
    }
}

impl Runtime {
    /// Calls a function as its rules say, its rate apart: an answer that is kept is given again, and a call that may
    /// change something counts as a change when it is over.
    ///
    /// # Errors
    ///
    /// As [`Runtime::call`].
    pub async fn answer(
        self: &Arc<Self>,
        plugin: &Arc<PreparedPlugin>,
        function: &ExportedFunction,
        context: CallContext,
        args: &[Val],
        want: Want,
    ) -> Result<Answered, CallFailure> {
        let Some(keep_for) = function.rules.keep_for else {
            let writes = function.rules.effect == Effect::Writes;
            let _noted = writes.then(|| NoteOnDrop::new(context.tenant(), &plugin.key().id));
            return self.call(plugin, function, context, args).await.map(Answered::call);
        };
        let Some(key) = Key::of(plugin, function, &context, args, self.answers.entry_bytes) else {
            return self.call(plugin, function, context, args).await.map(Answered::call);
        };
        // Boxed: most calls have no such rule, and should not carry the room for it.
        Box::pin(self.answer_kept(plugin, function, context, args, (key, keep_for, want))).await
    }

    /// An answer that was kept, if there is one that can be given again.
    pub(super) fn kept_answer(
        &self,
        plugin: &PreparedPlugin,
        function: &ExportedFunction,
        context: &CallContext,
        args: &[Val],
    ) -> Option<Answered> {
        function.rules.keep_for?;
        let key = Key::of(plugin, function, context, args, self.answers.entry_bytes)?;
        self.answers.find(&key).map(|kept| Answered::kept(kept, context))
    }

    async fn answer_kept(
        self: &Arc<Self>,
        plugin: &Arc<PreparedPlugin>,
        function: &ExportedFunction,
        mut context: CallContext,
        args: &[Val],
        (key, keep_for, want): (Key, Duration, Want),
    ) -> Result<Answered, CallFailure> {
        if want == Want::Any
            && let Some(kept) = self.answers.find(&key)
        {
            return Ok(Answered::kept(kept, &context));
        }
        let lead = match self.boarded(&key, &context, want).await {
            Ok(lead) => lead,
            Err(kept) => return Ok(Answered::kept(kept, &context)),
        };
        let sources = Arc::new(Sources::default());
        sources.ask(&context.tenant().changes, &Source::Plugin(plugin.key().id.clone()));
        let above = context.sources.replace(sources.clone());
        let outcome = self.call(plugin, function, context, args).await;
        above.iter().for_each(|above| above.include(&sources));
        let origin = if want == Want::Fresh { Origin::Bypass } else { Origin::Miss };
        let value = match outcome?.map(|value| self.kept(value, keep_for, &sources)) {
            Some(Ok(kept)) => {
                self.answers.keep(&key, kept.clone());
                if let Some(lead) = &lead {
                    _ = lead.flight.landed.set(kept.clone());
                }
                Value::Kept(kept)
            }
            Some(Err(value)) => Value::Own(Some(value)),
            None => Value::Own(None),
        };
        Ok(Answered { value, origin })
    }

    /// The right to ask, with others who wait for it or for oneself alone; or the answer that another asked for.
    async fn boarded(&self, key: &Key, context: &CallContext, want: Want) -> Result<Option<Lead>, Arc<Kept>> {
        if want == Want::Fresh || context.sources.is_some() {
            return Ok(None);
        }
        match self.answers.board(key) {
            Boarded::Leads(lead) => Ok(Some(lead)),
            Boarded::Joins(flight) => {
                _ = tokio::time::timeout(context.remaining() / 2, flight.over.acquire()).await;
                match flight.landed.get().filter(|kept| kept.stands()) {
                    Some(kept) => Err(kept.clone()),
                    None => Ok(None),
                }
            }
        }
    }

    /// The value as it is kept; itself, if it is none to be kept: an error, incomplete, or too large.
    fn kept(&self, value: Val, keep_for: Duration, sources: &Sources) -> Result<Arc<Kept>, Val> {
        let Some(grounds) = sources.complete().filter(|_| !matches!(value, Val::Result(Err(_)))) else {
            return Err(value);
        };
        let bytes = weight(&value) + grounds.len() * SOURCE_BYTES + ENTRY_BYTES;
        match u32::try_from(bytes) {
            Ok(weighs) if bytes <= self.answers.entry_bytes => {
                let keep_for = grounds.last(keep_for);
                Ok(Arc::new(Kept { value, made: Instant::now(), keep_for, grounds, bytes: weighs }))
            }
            _ => Err(value),
        }
    }
}

/// Each entry stays as long as its function's rule says, and no longer.
struct KeepFor;

impl Expiry<Key, Arc<Kept>> for KeepFor {
    fn expire_after_create(&self, _: &Key, kept: &Arc<Kept>, _: Instant) -> Option<Duration> {
        Some(kept.keep_for)
    }

    fn expire_after_update(&self, _: &Key, kept: &Arc<Kept>, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(kept.keep_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PluginId;
    use crate::runtime::changes::Changes;

    fn kept(bytes: u32) -> Arc<Kept> {
        let (made, keep_for) = (Instant::now(), Duration::from_secs(60));
        Arc::new(Kept { value: Val::Bool(true), made, keep_for, grounds: Grounds::default(), bytes })
    }

    #[test]
    fn a_flood_of_distinct_answers_stays_within_the_bytes() {
        let answers = Answers::new(&CacheConfig { bytes: 100_000, entry_bytes: 10_000 });
        for number in 0..5_000u64 {
            answers.keep(&Key::test(&number.to_be_bytes()), kept(10_000));
            assert!(answers.cache.weighted_size() <= 100_000 + 10_000, "{}", answers.cache.weighted_size());
        }
        assert!(answers.cache.entry_count() > 0);
    }

    #[test]
    fn an_answer_is_gone_when_something_it_was_made_from_has_changed() {
        let answers = Answers::new(&CacheConfig { bytes: 100_000, entry_bytes: 10_000 });
        let (changes, crm) = (Changes::default(), Source::Plugin(PluginId::parse("crm").unwrap()));
        let entry = Arc::into_inner(kept(100)).unwrap();
        let key = Key::test(b"key");
        answers.keep(&key, Arc::new(Kept { grounds: Grounds::of(vec![(crm.clone(), changes.watch(&crm))]), ..entry }));
        assert!(answers.find(&key).is_some() && answers.find(&Key::test(b"kez")).is_none());
        changes.note(&crm);
        assert!(answers.find(&key).is_none());
    }

    #[tokio::test]
    async fn whoever_joins_is_told_when_the_flight_is_over_or_given_up() {
        let answers = Arc::new(Answers::new(&CacheConfig { bytes: 100_000, entry_bytes: 10_000 }));
        let key = Key::test(b"key");
        let Boarded::Leads(lead) = answers.board(&key) else { panic!("nobody was first") };
        let Boarded::Joins(flight) = answers.board(&key) else { panic!("two lead") };
        drop(lead);
        assert!(flight.over.acquire().await.is_err() && flight.landed.get().is_none());
        assert!(matches!(answers.board(&key), Boarded::Leads(_)), "the next begins a flight of its own");
    }
}
