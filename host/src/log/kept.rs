//! The last lines of each plugin for each tenant, in memory, for `tenon logs`.
//!
//! Bounds: `log.kept_lines` and `log.kept_bytes` for one plugin and tenant, `log.kept_total_bytes` for all; the oldest
//! go, and over the total the lines of whoever was quiet for longest. Nobody who reads holds anything here: a reader
//! comes back with the number of the last line it has, and is told if lines went since. So a slow one costs nothing and
//! whoever writes waits for nobody. A line's number is the microsecond it came in, or one more than the last: so it tells
//! a reader nothing of what others say, and after a restart, which forgets all lines, it is an old one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use semver::Version;
use tokio::sync::{Semaphore, watch};

use super::said::{Level, Line, Source, Speaker};
use crate::config::LogConfig;
use crate::id::{CorrelationId, PluginId, TenantId};

/// What a line takes beside its text.
const LINE_BYTES: usize = 256;

/// Time between two looks of a reader that waits, however many lines come.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A line as it was written.
#[derive(Debug)]
pub struct KeptLine {
    pub sequence: u64,
    pub at: Timestamp,
    pub plugin: PluginId,
    pub version: Version,
    pub tenant: TenantId,
    pub correlation: CorrelationId,
    pub source: Source,
    pub context: Option<Box<str>>,
    pub text: Box<str>,
}

/// What a reader asks for.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    pub plugin: &'a str,
    /// All, if none is named.
    pub tenant: Option<&'a TenantId>,
    pub level: Level,
    /// Only lines that came after this one.
    pub after: Option<u64>,
    /// The last so many; with `after` the first so many.
    pub lines: usize,
}

/// What a reader gets.
#[derive(Debug, Default)]
pub struct Found {
    pub lines: Vec<Arc<KeptLine>>,
    /// Where to go on.
    pub cursor: u64,
    /// Lines that it asked for were gone already.
    pub skipped: bool,
}

/// All lines that are kept.
pub struct Kept {
    lines_each: usize,
    bytes_each: usize,
    bytes: usize,
    follow_wait: Duration,
    followers: Semaphore,
    inner: Mutex<Inner>,
    /// The number of the last line.
    news: watch::Sender<u64>,
    is_stopping: AtomicBool,
}

struct Inner {
    /// Of the last line, or the moment of the last look.
    sequence: u64,
    tails: HashMap<PluginId, HashMap<TenantId, Tail>>,
    /// Whose lines they are, by their last line.
    by_last: BTreeMap<u64, (PluginId, TenantId)>,
    bytes: usize,
    /// No line up to this one is kept of those who are no longer here.
    forgotten: u64,
}

#[derive(Default)]
struct Tail {
    lines: VecDeque<Arc<KeptLine>>,
    bytes: usize,
    /// The last line that went.
    gone: u64,
}

impl Kept {
    pub fn new(config: &LogConfig) -> Self {
        let start = microsecond();
        let inner =
            Inner { sequence: start, tails: HashMap::new(), by_last: BTreeMap::new(), bytes: 0, forgotten: start };
        Self {
            lines_each: config.kept_lines,
            bytes_each: config.kept_bytes,
            bytes: config.kept_total_bytes,
            follow_wait: config.follow_wait(),
            followers: Semaphore::new(config.followers.min(Semaphore::MAX_PERMITS)),
            inner: Mutex::new(inner),
            news: watch::Sender::new(start),
            is_stopping: AtomicBool::new(false),
        }
    }

    pub(super) fn push(&self, speaker: &Speaker, line: Line<'_>) {
        let Speaker { plugin, version, tenant, correlation } = speaker.clone();
        let (context, text) = (line.context.map(Box::from), Box::from(line.text));
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        // In one order, by number and by time.
        let (at, source) = (Timestamp::now(), line.source);
        let sequence = microsecond().max(inner.sequence + 1);
        inner.sequence = sequence;
        let line = KeptLine { sequence, at, plugin, version, tenant, correlation, source, context, text };
        inner.push(line, self.lines_each, self.bytes_each);
        inner.forget(self.bytes);
        drop(guard);
        self.news.send_replace(sequence);
    }

    /// What there is now.
    pub fn read(&self, asked: &Asked<'_>) -> Found {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // What comes later has a greater number.
        inner.sequence = inner.sequence.max(microsecond());
        let (first, mut skipped) = match asked.after {
            Some(after) => (after, after < inner.forgotten),
            None => (0, false),
        };
        let mut lines: Vec<&Arc<KeptLine>> = Vec::new();
        let of_plugin = inner.tails.get(asked.plugin).into_iter().flatten();
        for (_, tail) in of_plugin.filter(|(tenant, _)| asked.tenant.is_none_or(|asked| asked == *tenant)) {
            skipped |= asked.after.is_some_and(|after| after < tail.gone);
            let new = tail.lines.iter().rev().take_while(|line| line.sequence > first);
            lines.extend(new.filter(|line| line.source.level() >= asked.level));
        }
        lines.sort_unstable_by_key(|line| line.sequence);
        let over = lines.len().saturating_sub(asked.lines);
        let (lines, cursor) = match asked.after {
            Some(_) if over > 0 => {
                lines.truncate(asked.lines);
                let last = lines.last().map_or(first, |line| line.sequence);
                (lines, last)
            }
            _ => (lines.split_off(over), inner.sequence),
        };
        Found { lines: lines.into_iter().cloned().collect(), cursor, skipped }
    }

    /// The same, and if there is nothing, waits for it: `log.follow_wait_ms` at most, and not if too many wait already or
    /// the host stops.
    pub async fn follow(&self, asked: Asked<'_>) -> Found {
        let mut news = self.news.subscribe();
        let found = self.read(&asked);
        let has_come_for_nothing = asked.after.is_some() && found.lines.is_empty() && !found.skipped;
        if !has_come_for_nothing || self.is_stopping.load(Ordering::Relaxed) {
            return found;
        }
        let Ok(_place) = self.followers.try_acquire() else { return found };
        let until = tokio::time::Instant::now() + self.follow_wait;
        let mut asked = Asked { after: Some(found.cursor), ..asked };
        loop {
            let changed = tokio::time::timeout_at(until, news.changed()).await;
            let found = self.read(&asked);
            let is_over = !matches!(changed, Ok(Ok(()))) || self.is_stopping.load(Ordering::Relaxed);
            if is_over || !found.lines.is_empty() || found.skipped {
                return found;
            }
            asked.after = Some(found.cursor);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Nobody waits any longer.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.news.send_modify(|_| ());
    }
}

impl Inner {
    fn push(&mut self, line: KeptLine, lines: usize, bytes: usize) {
        let (plugin, tenant, sequence) = (line.plugin.clone(), line.tenant.clone(), line.sequence);
        let tail = self.tails.entry(plugin.clone()).or_default().entry(tenant.clone()).or_default();
        if let Some(last) = tail.lines.back() {
            self.by_last.remove(&last.sequence);
        }
        tail.bytes += line.weight();
        self.bytes += line.weight();
        tail.lines.push_back(Arc::new(line));
        while tail.lines.len() > 1 && (tail.lines.len() > lines || tail.bytes > bytes) {
            let Some(oldest) = tail.lines.pop_front() else { break };
            tail.bytes -= oldest.weight();
            self.bytes -= oldest.weight();
            tail.gone = oldest.sequence;
        }
        self.by_last.insert(sequence, (plugin, tenant));
    }

    /// Lets go of those who were quiet for longest, but for the last one who spoke.
    fn forget(&mut self, bytes: usize) {
        while self.bytes > bytes && self.by_last.len() > 1 {
            let Some((last, (plugin, tenant))) = self.by_last.pop_first() else { break };
            let Some(tenants) = self.tails.get_mut(&plugin) else { continue };
            self.bytes -= tenants.remove(&tenant).map_or(0, |tail| tail.bytes);
            if tenants.is_empty() {
                self.tails.remove(&plugin);
            }
            self.forgotten = self.forgotten.max(last);
        }
    }
}

fn microsecond() -> u64 {
    u64::try_from(Timestamp::now().as_microsecond()).unwrap_or(0)
}

impl KeptLine {
    fn weight(&self) -> usize {
        LINE_BYTES + self.text.len() + self.context.as_ref().map_or(0, |context| context.len())
    }
}

#[cfg(test)]
mod tests;
