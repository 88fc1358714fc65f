//! What plugins do by the clock: how far each schedule has got, and its runs.
//!
//! Invariants: a tick has one run. Of one tenant's schedule one run is open at a time. A run that was claimed is changed by
//! nobody but the holder of its lease, until the lease is over. What is decided of a schedule's ticks is not decided again.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::FromRow;

use super::DbError;
use super::rows::{MaybeMicros, Micros, words};

/// A schedule of a plugin, for a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, FromRow)]
pub struct ScheduleKey {
    pub tenant: String,
    pub plugin: String,
    pub name: String,
}

/// How far a schedule has got.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Standing {
    #[sqlx(flatten)]
    pub key: ScheduleKey,
    /// Its cron pattern and time zone.
    pub definition: String,
    /// It is decided what becomes of all ticks up to then.
    #[sqlx(rename = "decided_us", try_from = "Micros")]
    pub decided: Timestamp,
    #[sqlx(flatten, try_from = "OpenColumns")]
    pub open: Option<OpenRun>,
}

/// A run that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRun {
    pub id: String,
    pub tick: Timestamp,
    /// Who asked for it; none for the clock.
    pub asked_by: Option<String>,
    pub passed: i64,
    /// How often it was begun.
    pub attempts: i64,
    /// Nobody else begins it before then.
    pub until: Timestamp,
    pub correlation_id: String,
}

#[derive(FromRow)]
struct OpenColumns {
    id: Option<String>,
    #[sqlx(rename = "tick_us", try_from = "MaybeMicros")]
    tick: Option<Timestamp>,
    asked_by: Option<String>,
    passed: Option<i64>,
    attempts: Option<i64>,
    #[sqlx(rename = "leased_us", try_from = "MaybeMicros")]
    until: Option<Timestamp>,
    correlation_id: Option<String>,
}

impl From<OpenColumns> for Option<OpenRun> {
    fn from(columns: OpenColumns) -> Self {
        Some(OpenRun {
            id: columns.id?,
            tick: columns.tick?,
            asked_by: columns.asked_by,
            passed: columns.passed?,
            attempts: columns.attempts?,
            until: columns.until.unwrap_or(Timestamp::MIN),
            correlation_id: columns.correlation_id?,
        })
    }
}

words! {
    /// Where a run stands.
    RunState, "state of a run" {
        /// It is not over.
        Open = "open",
        Done = "done",
        /// The plugin said so, or its call failed.
        Failed = "failed",
        /// It never began.
        Skipped = "skipped",
        /// It began, and the process that ran it has ended.
        Lost = "lost",
    }
}

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ScheduleRun {
    pub id: String,
    #[sqlx(flatten)]
    pub key: ScheduleKey,
    pub version: Option<String>,
    #[sqlx(rename = "tick_us", try_from = "Micros")]
    pub tick: Timestamp,
    pub asked_by: Option<String>,
    pub passed: i64,
    #[sqlx(try_from = "String")]
    pub state: RunState,
    pub attempts: i64,
    /// Present while somebody runs it.
    pub lease: Option<String>,
    #[sqlx(rename = "begun_at_us", try_from = "MaybeMicros")]
    pub begun_at: Option<Timestamp>,
    #[sqlx(rename = "ended_at_us", try_from = "MaybeMicros")]
    pub ended_at: Option<Timestamp>,
    pub error: Option<String>,
    pub correlation_id: String,
}

/// A run that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    pub id: String,
    pub key: ScheduleKey,
    pub tick: Timestamp,
    pub asked_by: Option<String>,
    pub passed: i64,
    pub correlation_id: String,
}

/// Who runs something, from now until others may take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLease {
    pub lease: String,
    pub now: Timestamp,
    pub until: Timestamp,
}

/// What somebody wants to do about a schedule. Nothing is done if another was first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunClaim {
    /// Begins a tick, while ticks are decided up to `decided` and no run is open.
    Begin { run: NewRun, decided: Timestamp, lease: RunLease },
    /// Decides that a tick and those before it have no run.
    Skip { run: NewRun, decided: Timestamp, now: Timestamp, error: String },
    /// Begins a run, while none is open. No tick is decided by that.
    ByHand { run: NewRun, lease: RunLease },
    /// Begins an open run again whose lease is over.
    Again { id: String, lease: RunLease },
    /// Closes an open run whose lease is over.
    Close { id: String, now: Timestamp, state: RunState, error: String },
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    pub id: String,
    pub lease: String,
    /// The version of the plugin that ran.
    pub version: Option<String>,
    pub outcome: RunOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOutcome {
    Over {
        state: RunState,
        at: Timestamp,
        error: Option<String>,
    },
    /// It could not be begun, which was no attempt. It is tried again then.
    Later {
        due: Timestamp,
    },
    /// It is given up by a process that ends, and can be begun again at once.
    GivenBack {
        at: Timestamp,
    },
}

/// Which runs are no longer kept. Open ones are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPrune {
    /// Those that ended before.
    pub ended: Timestamp,
    /// Runs of one schedule of a tenant.
    pub kept: u32,
    /// Rows removed at once.
    pub rows: u32,
}

/// Where schedules are kept.
#[async_trait]
pub trait Schedules {
    /// Notes schedules that are new or have another definition: from then on they have ticks. Time goes on only.
    async fn schedule_put(&self, schedules: Vec<Standing>) -> Result<(), DbError>;

    /// Those of a tenant; all if none is named.
    async fn schedule_list(&self, tenant: Option<&str>) -> Result<Vec<Standing>, DbError>;

    async fn schedule_fetch(&self, key: ScheduleKey) -> Result<Option<Standing>, DbError>;

    /// Forgets a plugin's schedules for a tenant, with their runs. False if there are none.
    async fn schedule_forget(&self, tenant: &str, plugin: &str) -> Result<bool, DbError>;

    /// Does what is wanted, as far as nobody else was first. Tells of each whether it was done.
    async fn run_claim(&self, claims: Vec<RunClaim>) -> Result<Vec<bool>, DbError>;

    /// Writes down what became of runs. Those whose lease another has by now stay as they are.
    async fn run_end(&self, ended: Vec<RunEnd>) -> Result<(), DbError>;

    /// The latest runs of a schedule, the newest first; those before one of them if it is named.
    async fn run_list(&self, key: ScheduleKey, before: Option<&str>, limit: u32) -> Result<Vec<ScheduleRun>, DbError>;

    async fn run_fetch(&self, tenant: &str, id: &str) -> Result<Option<ScheduleRun>, DbError>;

    /// The latest run of each schedule of a tenant.
    async fn run_last(&self, tenant: &str) -> Result<Vec<ScheduleRun>, DbError>;

    /// Removes runs that are no longer kept. True when there may be more.
    async fn run_prune(&self, prune: RunPrune) -> Result<bool, DbError>;
}

pub(super) const SCHEDULE_PUT: &str = "\
    INSERT INTO schedule (tenant, plugin, name, definition, decided_us) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (tenant, plugin, name) DO UPDATE SET definition = excluded.definition, \
        decided_us = CASE WHEN excluded.decided_us > schedule.decided_us THEN excluded.decided_us \
            ELSE schedule.decided_us END";

macro_rules! standing {
    ($rest:literal) => {
        concat!(
            "SELECT schedule.tenant, schedule.plugin, schedule.name, schedule.definition, schedule.decided_us, \
                run.id, run.tick_us, run.asked_by, run.passed, run.attempts, run.leased_us, run.correlation_id \
             FROM schedule LEFT JOIN schedule_run AS run ON run.tenant = schedule.tenant \
                AND run.plugin = schedule.plugin AND run.name = schedule.name AND run.state = 'open' ",
            $rest
        )
    };
}

pub(super) const SCHEDULE_LIST: &str =
    standing!("WHERE ($1 IS NULL OR schedule.tenant = $1) ORDER BY schedule.tenant, schedule.plugin, schedule.name");

pub(super) const SCHEDULE_FETCH: &str =
    standing!("WHERE schedule.tenant = $1 AND schedule.plugin = $2 AND schedule.name = $3");

pub(super) const SCHEDULE_FORGET: &str = "DELETE FROM schedule WHERE tenant = $1 AND plugin = $2";

pub(super) const SCHEDULE_RUN_FORGET: &str = "DELETE FROM schedule_run WHERE tenant = $1 AND plugin = $2";

pub(super) const SCHEDULE_DECIDE: &str = "\
    UPDATE schedule SET decided_us = $5 WHERE tenant = $1 AND plugin = $2 AND name = $3 AND decided_us = $4";

/// Nothing for a tick that has its run, and for a second one that would be open.
pub(super) const RUN_INSERT: &str = "\
    INSERT INTO schedule_run (id, tenant, plugin, name, tick_us, asked_by, passed, correlation_id, state, attempts, \
        lease, leased_us, begun_at_us, ended_at_us, error) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING";

pub(super) const RUN_OPEN: &str =
    "SELECT count(*) FROM schedule_run WHERE tenant = $1 AND plugin = $2 AND name = $3 AND state = 'open'";

pub(super) const RUN_AGAIN: &str = "\
    UPDATE schedule_run SET attempts = attempts + 1, lease = $2, begun_at_us = $3, leased_us = $4 \
    WHERE id = $1 AND state = 'open' AND leased_us <= $3";

pub(super) const RUN_CLOSE: &str = "\
    UPDATE schedule_run SET state = $3, ended_at_us = $2, error = $4, lease = NULL, leased_us = NULL \
    WHERE id = $1 AND state = 'open' AND leased_us <= $2";

pub(super) const RUN_OVER: &str = "\
    UPDATE schedule_run SET version = $3, state = $4, ended_at_us = $5, error = $6, lease = NULL, leased_us = NULL \
    WHERE id = $1 AND state = 'open' AND lease = $2";

/// What could not be begun was not begun.
pub(super) const RUN_LATER: &str = "\
    UPDATE schedule_run SET attempts = attempts - 1, begun_at_us = NULL, lease = NULL, leased_us = $3 \
    WHERE id = $1 AND state = 'open' AND lease = $2";

pub(super) const RUN_GIVE_BACK: &str =
    "UPDATE schedule_run SET lease = NULL, leased_us = $3 WHERE id = $1 AND state = 'open' AND lease = $2";

macro_rules! run {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant, plugin, name, version, tick_us, asked_by, passed, state, attempts, lease, begun_at_us, \
                ended_at_us, error, correlation_id FROM schedule_run ",
            $rest
        )
    };
}

/// A run of somebody else says no more than one that never was.
pub(super) const RUN_LIST: &str = run!(
    "\
    WHERE tenant = $1 AND plugin = $2 AND name = $3 AND ($4 IS NULL OR id < $4 AND EXISTS (SELECT 1 FROM schedule_run \
        AS known WHERE known.id = $4 AND known.tenant = $1 AND known.plugin = $2 AND known.name = $3)) \
    ORDER BY id DESC LIMIT $5"
);

pub(super) const RUN_FETCH: &str = run!("WHERE tenant = $1 AND id = $2");

pub(super) const RUN_LAST: &str =
    run!("WHERE id IN (SELECT max(id) FROM schedule_run WHERE tenant = $1 GROUP BY plugin, name)");

pub(super) const RUN_PRUNE: &str = "\
    DELETE FROM schedule_run WHERE id IN \
        (SELECT id FROM schedule_run WHERE ended_at_us < $1 ORDER BY ended_at_us LIMIT $2)";

pub(super) const RUN_COUNT: &str =
    "SELECT tenant, plugin, name FROM schedule_run GROUP BY tenant, plugin, name HAVING count(*) > $1";

/// Those of a schedule beyond the latest so many.
pub(super) const RUN_TRIM: &str = "\
    DELETE FROM schedule_run WHERE id IN ( \
        SELECT id FROM schedule_run WHERE tenant = $1 AND plugin = $2 AND name = $3 AND state <> 'open' \
          AND id <= (SELECT id FROM schedule_run WHERE tenant = $1 AND plugin = $2 AND name = $3 \
            ORDER BY id DESC LIMIT 1 OFFSET $4) \
        ORDER BY id LIMIT $5)";
