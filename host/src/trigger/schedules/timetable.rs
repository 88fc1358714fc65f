//! Every schedule of every tenant, how far it has got, and when it is to be looked at.
//!
//! What is here is only a hint: the rows are in the control plane, and it is read again every so often.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Schedules, clock};
use crate::db::{DbError, OpenRun, RunClaim, RunOutcome, RunState, ScheduleKey, Standing};
use crate::id::TenantId;
use crate::registry::manifest::Schedule;
use crate::registry::{Plugin, Snapshot};

/// Time until everything is read anew: what other processes have done, and what was missed here.
const RESCAN: Duration = Duration::from_secs(15);
/// Why a run is over that nobody can begin again.
const GONE: &str = "the plugin is no longer active for the tenant, or no longer has the schedule";

#[derive(Default)]
pub(super) struct Timetable {
    pub entries: Vec<Entry>,
    by_key: HashMap<ScheduleKey, usize>,
    /// Where the next look begins, so that nobody is always the last.
    pub turn: usize,
    /// What it was made of, and when that is to be done again.
    of: Weak<Snapshot>,
    stale_at: Option<Instant>,
}

/// A schedule of a tenant.
pub(super) struct Entry {
    pub key: ScheduleKey,
    pub tenant: TenantId,
    plugin: Arc<Plugin>,
    /// Its place in the manifest.
    index: usize,
    pub decided: Timestamp,
    pub open: Option<OpenRun>,
    /// There is nothing to do before then.
    pub due: Timestamp,
}

impl Entry {
    pub fn schedule(&self) -> &Schedule {
        &self.plugin.manifest.schedules[self.index]
    }

    /// Takes over what the control plane says.
    pub fn follow(&mut self, standing: Standing) {
        (self.decided, self.open, self.due) = (standing.decided, standing.open, Timestamp::MIN);
    }

    /// Notes that its run has ended, or is to be begun later.
    pub fn end(&mut self, outcome: &RunOutcome) {
        self.due = Timestamp::MIN;
        match (outcome, &mut self.open) {
            (RunOutcome::Later { due }, Some(open)) => (open.attempts, open.until) = (open.attempts - 1, *due),
            (_, open) => *open = None,
        }
    }
}

impl Timetable {
    pub fn get_mut(&mut self, key: &ScheduleKey) -> Option<&mut Entry> {
        self.by_key.get(key).map(|index| &mut self.entries[*index])
    }

    /// Has it made anew at the next look.
    pub fn set_stale(&mut self) {
        self.stale_at = None;
    }

    fn is_stale(&self, snapshot: &Arc<Snapshot>) -> bool {
        !std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(snapshot)) || self.stale_at.is_none_or(|at| at <= Instant::now())
    }

    /// Time until there may be something to do. Who waits for a place is not waited for.
    pub fn pause(&self) -> Duration {
        let now = clock::now();
        let next = self.entries.iter().map(|entry| entry.due).filter(|due| *due > now).min();
        clock::until(next.unwrap_or(Timestamp::MAX))
    }
}

impl Schedules {
    /// Makes the timetable anew, if it is time. What was not in it before begins now: ticks count for those alone who had
    /// the schedule when they came. But what this process finds as it starts goes on where it was; so it is not looked at
    /// before everything that lay there is loaded.
    pub(super) async fn read(&self, timetable: &mut Timetable) -> Result<(), DbError> {
        if !self.registry.is_complete() {
            return Ok(());
        }
        let snapshot = self.registry.snapshot();
        if !timetable.is_stale(&snapshot) {
            return Ok(());
        }
        let (now, is_first) = (clock::now(), timetable.of.ptr_eq(&Weak::new()));
        let standings = self.control.schedule_list(None).await?;
        let mut standings: HashMap<ScheduleKey, Standing> =
            standings.into_iter().map(|standing| (standing.key.clone(), standing)).collect();
        let (mut entries, mut new) = (Vec::new(), Vec::new());
        for (tenant, plugin, index) in self.scheduled(&snapshot).await? {
            let schedule = &plugin.manifest.schedules[index];
            let key = key(&tenant, &plugin, schedule);
            let went_on = is_first || timetable.by_key.contains_key(&key);
            let definition = schedule.definition();
            let known = standings.remove(&key);
            let (is_known, open) = match &known {
                Some(known) => (went_on && known.definition == definition, known.open.clone()),
                None => (false, None),
            };
            let decided = known.filter(|_| is_known).map_or(now, |known| known.decided);
            if !is_known {
                new.push(Standing { key: key.clone(), definition, decided, open: None });
            }
            entries.push(Entry { key, tenant, plugin, index, decided, open, due: Timestamp::MIN });
        }
        if !new.is_empty() {
            self.control.schedule_put(new).await?;
        }
        self.close_abandoned(standings.into_values(), now).await?;
        timetable.by_key = entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
        timetable.entries = entries;
        timetable.of = Arc::downgrade(&snapshot);
        timetable.stale_at = Some(Instant::now() + RESCAN);
        Ok(())
    }

    /// Who has which schedules now, tenant after tenant.
    async fn scheduled(&self, snapshot: &Snapshot) -> Result<Vec<(TenantId, Arc<Plugin>, usize)>, DbError> {
        let mut scheduled = Vec::new();
        if snapshot.plugins().iter().all(|plugin| plugin.manifest.schedules.is_empty()) {
            return Ok(scheduled);
        }
        for tenant in self.control.tenant_list().await? {
            let Ok(tenant) = TenantId::parse(&tenant.id) else { continue };
            for plugin in snapshot.view(&tenant).active() {
                let indexes = 0..plugin.manifest.schedules.len();
                scheduled.extend(indexes.map(|index| (tenant.clone(), plugin.clone(), index)));
            }
        }
        Ok(scheduled)
    }

    /// Closes runs that nobody will begin again.
    async fn close_abandoned(&self, left: impl Iterator<Item = Standing>, now: Timestamp) -> Result<(), DbError> {
        let open = left.filter_map(|standing| standing.open).filter(|open| open.until <= now);
        let close = |open: OpenRun| {
            let state = if open.attempts == 0 { RunState::Skipped } else { RunState::Lost };
            RunClaim::Close { id: open.id, now, state, error: GONE.to_owned() }
        };
        let closes: Vec<RunClaim> = open.map(close).collect();
        if closes.is_empty() {
            return Ok(());
        }
        self.control.run_claim(closes).await.map(drop)
    }
}

fn key(tenant: &TenantId, plugin: &Plugin, schedule: &Schedule) -> ScheduleKey {
    ScheduleKey { tenant: tenant.to_string(), plugin: plugin.key().id.to_string(), name: schedule.name.to_string() }
}
