//! The tables of events in each plugin's database, and which databases hold events that are still to be taken on.
//!
//! Invariant: before an event is written into a database, the control plane has a mark that says so, and the mark goes only
//! when the outbox is empty and nobody writes into it. So a start looks into the marked databases and no others. A mark
//! costs a write when a database publishes after a pause, and one a minute as long as it goes on.
//!
//! Other hosts may publish into the same databases. None knows of another's transactions, but each writes its mark anew
//! every [`FRESH`] while it publishes. So what nobody has written for [`STALE`] is nobody's.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::draft::Draft;
use crate::capability::sql::Value;
use crate::config::{EventsConfig, SqlConfig};
use crate::db::{ControlPlane, DbError};
use crate::id::{PluginId, TenantId};
use crate::usage::Taken;

/// The host's own tables for events in each database. What is in the outbox is deleted when it was taken on, and no number
/// comes again: else a host that deletes what it took could delete what came after another had done so. The inbox holds the
/// ids of events that were handled: they are UUIDs of version 7, so their order is that of time and the oldest go first.
pub const SCHEMA: &str = "\
    CREATE TABLE IF NOT EXISTS _tenon_outbox (sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, topic TEXT NOT NULL, \
        key TEXT, subject TEXT, data TEXT NOT NULL, at_us INTEGER NOT NULL, correlation_id TEXT NOT NULL, \
        hops INTEGER NOT NULL) STRICT; \
    CREATE TABLE IF NOT EXISTS _tenon_inbox (event BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;";

/// Writes nothing when there are as many rows as may be.
pub(super) const OUTBOX_INSERT: &str = "\
    INSERT INTO _tenon_outbox (id, topic, key, subject, data, at_us, correlation_id, hops) \
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 \
    WHERE (SELECT coalesce(max(sequence) - min(sequence) + 1, 0) FROM _tenon_outbox) < ?9";

pub(super) const INBOX_INSERT: &str = "INSERT INTO _tenon_inbox (event) VALUES (?1) ON CONFLICT DO NOTHING";

/// A few more than come, so that it never takes long and the table does not grow.
pub(super) const INBOX_PRUNE: &str =
    "DELETE FROM _tenon_inbox WHERE event IN (SELECT event FROM _tenon_inbox WHERE event < ?1 ORDER BY event LIMIT 4)";

/// Whether a database has the table at all: a snapshot may be older.
pub(in crate::capability) const OUTBOX_EXISTS: &str = "SELECT 1 FROM sqlite_master WHERE name = '_tenon_outbox'";

pub const OUTBOX_ANY: &str = "SELECT 1 FROM _tenon_outbox LIMIT 1";

pub(in crate::capability) const OUTBOX_CLEAR: &str = "DELETE FROM _tenon_outbox";

/// What a row takes beside its texts, at most, when it is read.
pub const OUTBOX_BYTES: usize = 1 << 10;

/// One event as it lies in its publisher's database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub id: String,
    pub draft: Draft,
    pub at: Timestamp,
    pub correlation_id: String,
    pub hops: u8,
}

impl OutboxRow {
    pub(super) fn into_values(self, limits: &EventsConfig) -> Vec<Value> {
        let Self { id, draft: Draft { topic, key, subject, data }, at, correlation_id, hops } = self;
        let optional = |text: Option<String>| text.map_or(Value::Null, Value::Text);
        vec![
            Value::Text(id),
            Value::Text(topic),
            optional(key),
            optional(subject),
            Value::Text(data),
            Value::Integer(at.as_microsecond()),
            Value::Text(correlation_id),
            Value::Integer(hops.into()),
            Value::Integer(limits.pending.into()),
        ]
    }

    /// Reads what `id, topic, key, subject, data, at_us, correlation_id, hops` gave.
    pub fn read(values: Vec<Value>) -> Option<Self> {
        let values: [Value; 8] = values.try_into().ok()?;
        let [id, topic, key, subject, data, at, correlation_id, hops] = values;
        let text = |value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        };
        let (Value::Integer(at), Value::Integer(hops)) = (at, hops) else { return None };
        Some(Self {
            id: text(id)?,
            draft: Draft { topic: text(topic)?, key: text(key), subject: text(subject), data: text(data)? },
            at: Timestamp::from_microsecond(at).ok()?,
            correlation_id: text(correlation_id)?,
            hops: u8::try_from(hops).ok()?,
        })
    }
}

/// Time for which a mark is good for those who publish.
const FRESH: Duration = Duration::from_secs(60);
/// Time after which nobody publishes for whom a mark was good: longer than that and any call together.
const STALE: Duration = Duration::from_secs(300);

type Key = (TenantId, PluginId);

/// All outboxes, from the moment something is written into one.
pub struct Outboxes {
    control: Arc<dyn ControlPlane>,
    limits: EventsConfig,
    state: Mutex<State>,
    woken: Notify,
}

#[derive(Default)]
struct State {
    marks: HashMap<Key, Mark>,
    /// To be looked at, in this order, each once.
    due: VecDeque<Key>,
    is_due: HashSet<Key>,
    /// Those in which events may lie that have arrived already: an earlier run or another host has left them, or they
    /// could not be taken on whole.
    doubtful: HashSet<Key>,
    /// Deliveries that wait, for each tenant.
    pending: HashMap<TenantId, u64>,
}

impl State {
    fn look_at(&mut self, key: Key) {
        if self.is_due.insert(key.clone()) {
            self.due.push_back(key);
        }
    }
}

#[derive(Default)]
struct Mark {
    /// Whether it is in the control plane for sure.
    is_set: bool,
    /// When this host has written it.
    written: Option<Instant>,
    /// Transactions that may write into the outbox.
    publishing: usize,
    used: Option<Instant>,
    /// Held while the mark is set or removed.
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl Mark {
    fn is_fresh(&self) -> bool {
        self.is_set && self.written.is_some_and(|written| written.elapsed() < FRESH)
    }

    fn is_stale(&self) -> bool {
        self.written.is_none_or(|written| written.elapsed() > STALE)
    }
}

/// What became of a mark that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmarked {
    Removed,
    /// There is something in the outbox, or somebody writes into it.
    Stays,
}

impl Outboxes {
    /// An event is a row of its publisher's database, so its data are no larger than that can give back.
    pub fn new(control: Arc<dyn ControlPlane>, limits: &EventsConfig, sql: &SqlConfig) -> Arc<Self> {
        let (state, woken) = Default::default();
        let data_bytes = limits.data_bytes.min(sql.value_bytes).min(sql.result_bytes / 2);
        Arc::new(Self { control, limits: EventsConfig { data_bytes, ..limits.clone() }, state, woken })
    }

    pub fn limits(&self) -> &EventsConfig {
        &self.limits
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held while something is written into an outbox.
    ///
    /// # Errors
    ///
    /// When the mark cannot be written down.
    pub(super) async fn enter(self: &Arc<Self>, tenant: &TenantId, plugin: &PluginId) -> Result<Publishing, DbError> {
        let key = (tenant.clone(), plugin.clone());
        let changing = {
            let mut state = self.state();
            let mark = state.marks.entry(key.clone()).or_default();
            mark.publishing += 1;
            mark.used = Some(Instant::now());
            (!mark.is_fresh()).then(|| mark.changing.clone())
        };
        // Counted from here on, also when the wait is given up.
        let publishing = Publishing { outboxes: self.clone(), key, taken: Vec::new() };
        let Some(changing) = changing else { return Ok(publishing) };
        let _changing = changing.lock().await;
        let is_fresh = |state: &State| state.marks.get(&publishing.key).is_some_and(Mark::is_fresh);
        if !is_fresh(&self.state()) {
            let written = Instant::now();
            self.control.outbox_mark(tenant.as_str(), plugin.as_str(), Timestamp::now()).await?;
            self.set(&publishing.key, true);
            self.state().marks.entry(publishing.key.clone()).or_default().written = Some(written);
        }
        Ok(publishing)
    }

    /// Removes the mark of an outbox in which `is_empty` finds nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be removed; it stays then.
    pub async fn unmark<E: From<DbError>>(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
        is_empty: impl AsyncFnOnce() -> Result<bool, E>,
    ) -> Result<Unmarked, E> {
        let key = (tenant.clone(), plugin.clone());
        let changing = self.state().marks.entry(key.clone()).or_default().changing.clone();
        let _changing = changing.lock().await;
        {
            let mut state = self.state();
            let mark = state.marks.entry(key.clone()).or_default();
            if mark.publishing > 0 {
                return Ok(Unmarked::Stays);
            }
            // Whoever comes from here on waits for the change, and sets it anew.
            mark.is_set = false;
        }
        let empty = is_empty().await;
        if !matches!(empty, Ok(true)) {
            self.set(&key, true);
            return empty.map(|_| Unmarked::Stays);
        }
        self.set_doubtful(&key, false);
        let before = Timestamp::now().checked_sub(STALE).unwrap_or(Timestamp::MIN);
        let removed = self.control.outbox_unmark(tenant.as_str(), plugin.as_str(), before).await;
        let is_of_another = self.state().marks.get(&key).is_none_or(Mark::is_stale);
        if removed.is_err() || matches!(removed, Ok(false)) && !is_of_another {
            self.set(&key, true);
            self.state().marks.entry(key).or_default().used = Some(Instant::now());
            return removed.map(|_| Unmarked::Stays).map_err(E::from);
        }
        // Or it is left to the host that has written it since.
        let mut state = self.state();
        if state.marks.get(&key).is_some_and(|mark| mark.publishing == 0) {
            state.marks.remove(&key);
        }
        Ok(Unmarked::Removed)
    }

    fn set(&self, key: &Key, is_set: bool) {
        let mut state = self.state();
        let mark = state.marks.entry(key.clone()).or_default();
        mark.is_set = is_set;
        mark.used.get_or_insert_with(Instant::now);
    }

    /// Notes a mark of another host, whose outbox is to be looked at.
    pub fn found(&self, tenant: TenantId, plugin: PluginId) {
        let key = (tenant, plugin);
        if !self.state().marks.get(&key).is_some_and(|mark| mark.is_set) {
            self.left(key.0, key.1);
        }
    }

    /// Notes a mark of an earlier run, whose outbox is to be looked at whoever has published into it since.
    pub fn left(&self, tenant: TenantId, plugin: PluginId) {
        let key = (tenant, plugin);
        self.set(&key, true);
        let mut state = self.state();
        state.doubtful.insert(key.clone());
        state.look_at(key);
        drop(state);
        self.woken.notify_one();
    }

    /// Notes whether events may lie in an outbox that have arrived already. That is over when it was read to its end.
    pub fn set_doubtful(&self, key: &Key, is_doubtful: bool) {
        let mut state = self.state();
        match is_doubtful {
            true => state.doubtful.insert(key.clone()),
            false => state.doubtful.remove(key),
        };
    }

    /// Tenants of whom an event may arrive once more.
    pub fn doubtful_tenants(&self) -> Vec<String> {
        let tenants: BTreeSet<String> = self.state().doubtful.iter().map(|(tenant, _)| tenant.to_string()).collect();
        tenants.into_iter().collect()
    }

    /// Has an outbox looked at.
    pub fn wake(&self, tenant: &TenantId, plugin: &PluginId) {
        self.state().look_at((tenant.clone(), plugin.clone()));
        self.woken.notify_one();
    }

    /// Waits until an outbox is to be looked at.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }

    /// One that is to be looked at, and not among those `under_way`.
    pub fn next(&self, under_way: impl Fn(&Key) -> bool) -> Option<Key> {
        let mut state = self.state();
        let at = state.due.iter().position(|key| !under_way(key))?;
        let next = state.due.remove(at)?;
        state.is_due.remove(&next);
        Some(next)
    }

    /// The outboxes that are marked and into which nothing was written for so long.
    pub fn idle(&self, since: Duration) -> Vec<Key> {
        let state = self.state();
        let is_idle =
            |mark: &Mark| mark.is_set && mark.publishing == 0 && mark.used.is_none_or(|used| used.elapsed() >= since);
        state.marks.iter().filter(|(_, mark)| is_idle(mark)).map(|(key, _)| key.clone()).collect()
    }

    /// The most deliveries that may wait for a tenant, if as many do.
    pub fn is_full(&self, tenant: &TenantId) -> Option<u32> {
        let waiting = self.state().pending.get(tenant).copied().unwrap_or(0);
        (waiting >= u64::from(self.limits.pending)).then_some(self.limits.pending)
    }

    /// Notes how many deliveries there are.
    pub fn set_pending(&self, pending: impl Iterator<Item = (TenantId, u64)>) {
        self.state().pending = pending.collect();
    }

    pub fn add_pending(&self, tenant: &TenantId, deliveries: usize) {
        if deliveries > 0 {
            *self.state().pending.entry(tenant.clone()).or_default() += deliveries as u64;
        }
    }

    pub fn remove_pending(&self, tenant: &str) {
        let mut state = self.state();
        let Some(pending) = state.pending.get_mut(tenant) else { return };
        *pending = pending.saturating_sub(1);
        if *pending == 0 {
            state.pending.remove(tenant);
        }
    }

    /// The id that is older than those of events whose handling is remembered.
    pub(super) fn handled_since(&self) -> Vec<u8> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let oldest = now.saturating_sub(Duration::from_secs(self.limits.handled_kept_s));
        let milliseconds = u64::try_from(oldest.as_millis()).unwrap_or(0);
        milliseconds.to_be_bytes()[2..].to_vec()
    }
}

/// Something is being written into an outbox. Dropped, the outbox is looked at, and what was taken of quotas for it is
/// given back unless it was kept: whatever was written has been rolled back then.
pub struct Publishing {
    outboxes: Arc<Outboxes>,
    key: Key,
    taken: Vec<Taken>,
}

impl Publishing {
    /// Notes what a row has taken that stays if the transaction commits.
    pub(super) fn counts(&mut self, taken: Taken) {
        self.taken.push(taken);
    }

    /// What the rows have taken. It stays taken from now on.
    pub(in crate::capability) fn keep(&mut self) -> Vec<Taken> {
        std::mem::take(&mut self.taken)
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.taken.drain(..).for_each(Taken::give_back);
        let mut state = self.outboxes.state();
        if let Some(mark) = state.marks.get_mut(&self.key) {
            mark.publishing = mark.publishing.saturating_sub(1);
            mark.used = Some(Instant::now());
        }
        state.look_at(self.key.clone());
        drop(state);
        self.outboxes.woken.notify_one();
    }
}

impl std::fmt::Debug for Publishing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Publishing").field(&self.key).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DbConfig;
    use crate::db::{CONTROL_PLANE_FILE, SqliteControlPlane};

    #[tokio::test]
    async fn an_outbox_is_in_doubt_until_it_was_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let control = SqliteControlPlane::open(&dir.path().join(CONTROL_PLANE_FILE), &DbConfig::default()).await;
        let outboxes = Outboxes::new(Arc::new(control.unwrap()), &EventsConfig::default(), &SqlConfig::default());
        let key = |tenant: &str, plugin: &str| (TenantId::parse(tenant).unwrap(), PluginId::parse(plugin).unwrap());
        let (left, failed, own) = (key("left", "crm"), key("failed", "crm"), key("own", "crm"));
        drop(outboxes.enter(&own.0, &own.1).await.unwrap());
        assert!(outboxes.doubtful_tenants().is_empty(), "who publishes here keeps nothing from being removed");
        for (tenant, plugin) in [left.clone(), key("left", "other"), own.clone()] {
            outboxes.found(tenant, plugin);
        }
        outboxes.set_doubtful(&failed, true);
        assert_eq!(outboxes.doubtful_tenants(), ["failed", "left"], "the mark of this host's own says nothing");
        outboxes.set_doubtful(&failed, false);
        outboxes.set_doubtful(&left, false);
        assert_eq!(outboxes.doubtful_tenants(), ["left"], "another outbox of it is still to be read");
        // Whoever removes the mark has seen that it is empty.
        let is_empty = async || Ok::<_, DbError>(true);
        let unmarked = outboxes.unmark(&left.0, &PluginId::parse("other").unwrap(), is_empty).await.unwrap();
        assert_eq!((unmarked, outboxes.doubtful_tenants()), (Unmarked::Removed, Vec::new()));
        outboxes.left(own.0, own.1);
        assert_eq!(outboxes.doubtful_tenants(), ["own"], "what an earlier run left was there before");
    }
}
