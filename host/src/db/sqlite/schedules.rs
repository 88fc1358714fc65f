//! Schedules in SQLite.
//!
//! What is wanted at once is one transaction, so that many ticks of one minute cost one write to the disk. It begins with
//! the writer's lock: what one process has seen in it, no other changes.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Error;
use sqlx::sqlite::SqliteConnection;

use super::{SqliteControlPlane, transaction};
use crate::db::schedules::{
    RUN_AGAIN, RUN_CLOSE, RUN_COUNT, RUN_FETCH, RUN_GIVE_BACK, RUN_INSERT, RUN_LAST, RUN_LATER, RUN_LIST, RUN_OPEN,
    RUN_OVER, RUN_PRUNE, RUN_TRIM, SCHEDULE_DECIDE, SCHEDULE_FETCH, SCHEDULE_FORGET, SCHEDULE_LIST, SCHEDULE_PUT,
    SCHEDULE_RUN_FORGET,
};
use crate::db::{
    DbError, NewRun, RunClaim, RunEnd, RunLease, RunOutcome, RunPrune, RunState, ScheduleKey, ScheduleRun, Schedules,
    Standing,
};

#[async_trait]
impl Schedules for SqliteControlPlane {
    async fn schedule_put(&self, schedules: Vec<Standing>) -> Result<(), DbError> {
        transaction(&self.writer, "schedule_put", move |connection| {
            Box::pin(async move {
                for Standing { key, definition, decided, .. } in schedules {
                    let put = sqlx::query(SCHEDULE_PUT).bind(key.tenant).bind(key.plugin).bind(key.name);
                    let put = put.bind(definition).bind(decided.as_microsecond());
                    put.execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn schedule_list(&self, tenant: Option<&str>) -> Result<Vec<Standing>, DbError> {
        let list = sqlx::query_as(SCHEDULE_LIST).bind(tenant).fetch_all(&self.readers).await;
        list.map_err(DbError::during("schedule_list"))
    }

    async fn schedule_fetch(&self, key: ScheduleKey) -> Result<Option<Standing>, DbError> {
        let fetch = sqlx::query_as(SCHEDULE_FETCH).bind(key.tenant).bind(key.plugin).bind(key.name);
        fetch.fetch_optional(&self.readers).await.map_err(DbError::during("schedule_fetch"))
    }

    async fn schedule_forget(&self, tenant: &str, plugin: &str) -> Result<bool, DbError> {
        let (tenant, plugin) = (tenant.to_owned(), plugin.to_owned());
        transaction(&self.writer, "schedule_forget", move |connection| {
            Box::pin(async move {
                let mut gone = 0;
                for statement in [SCHEDULE_RUN_FORGET, SCHEDULE_FORGET] {
                    let delete = sqlx::query(statement).bind(&tenant).bind(&plugin);
                    gone += delete.execute(&mut *connection).await?.rows_affected();
                }
                Ok(gone > 0)
            })
        })
        .await
    }

    async fn run_claim(&self, claims: Vec<RunClaim>) -> Result<Vec<bool>, DbError> {
        transaction(&self.writer, "run_claim", move |connection| {
            Box::pin(async move {
                let mut done = Vec::with_capacity(claims.len());
                for claim in claims {
                    done.push(take(connection, claim).await?);
                }
                Ok(done)
            })
        })
        .await
    }

    async fn run_end(&self, ended: Vec<RunEnd>) -> Result<(), DbError> {
        transaction(&self.writer, "run_end", move |connection| {
            Box::pin(async move {
                for ended in ended {
                    end(connection, ended).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn run_list(&self, key: ScheduleKey, before: Option<&str>, limit: u32) -> Result<Vec<ScheduleRun>, DbError> {
        let list = sqlx::query_as(RUN_LIST).bind(key.tenant).bind(key.plugin).bind(key.name).bind(before).bind(limit);
        list.fetch_all(&self.readers).await.map_err(DbError::during("run_list"))
    }

    async fn run_fetch(&self, tenant: &str, id: &str) -> Result<Option<ScheduleRun>, DbError> {
        let fetch = sqlx::query_as(RUN_FETCH).bind(tenant).bind(id).fetch_optional(&self.readers).await;
        fetch.map_err(DbError::during("run_fetch"))
    }

    async fn run_last(&self, tenant: &str) -> Result<Vec<ScheduleRun>, DbError> {
        let last = sqlx::query_as(RUN_LAST).bind(tenant).fetch_all(&self.readers).await;
        last.map_err(DbError::during("run_last"))
    }

    async fn run_prune(&self, prune: RunPrune) -> Result<bool, DbError> {
        let RunPrune { ended, kept, rows } = prune;
        let failed = DbError::during("run_prune");
        let prune = async {
            let old = sqlx::query(RUN_PRUNE).bind(ended.as_microsecond()).bind(rows).execute(&self.writer).await?;
            let mut more = old.rows_affected() >= u64::from(rows);
            let over: Vec<ScheduleKey> = sqlx::query_as(RUN_COUNT).bind(kept).fetch_all(&self.readers).await?;
            for ScheduleKey { tenant, plugin, name } in over {
                let trim = sqlx::query(RUN_TRIM).bind(tenant).bind(plugin).bind(name).bind(kept).bind(rows);
                more |= trim.execute(&self.writer).await?.rows_affected() >= u64::from(rows);
            }
            Ok(more)
        };
        prune.await.map_err(failed)
    }
}

/// Whether it was done.
async fn take(connection: &mut SqliteConnection, claim: RunClaim) -> Result<bool, Error> {
    match claim {
        RunClaim::Begin { run, decided, lease } => {
            if is_open(connection, &run.key).await? || !decide(connection, &run, decided).await? {
                return Ok(false);
            }
            insert(connection, run, RunState::Open, Some(&lease), lease.now, None).await
        }
        RunClaim::Skip { run, decided, now, error } => {
            let is_first = decide(connection, &run, decided).await?;
            Ok(is_first && insert(connection, run, RunState::Skipped, None, now, Some(error)).await?)
        }
        RunClaim::ByHand { run, lease } => {
            let is_free = !is_open(connection, &run.key).await?;
            Ok(is_free && insert(connection, run, RunState::Open, Some(&lease), lease.now, None).await?)
        }
        RunClaim::Again { id, lease: RunLease { lease, now, until } } => {
            let again = sqlx::query(RUN_AGAIN).bind(id).bind(lease).bind(now.as_microsecond());
            Ok(again.bind(until.as_microsecond()).execute(connection).await?.rows_affected() > 0)
        }
        RunClaim::Close { id, now, state, error } => {
            let close = sqlx::query(RUN_CLOSE).bind(id).bind(now.as_microsecond()).bind(state.as_str()).bind(error);
            Ok(close.execute(connection).await?.rows_affected() > 0)
        }
    }
}

async fn is_open(connection: &mut SqliteConnection, key: &ScheduleKey) -> Result<bool, Error> {
    let open = sqlx::query_scalar::<_, i64>(RUN_OPEN).bind(&key.tenant).bind(&key.plugin).bind(&key.name);
    Ok(open.fetch_one(connection).await? > 0)
}

/// Decides all ticks up to that of the run. False if another has decided meanwhile.
async fn decide(connection: &mut SqliteConnection, run: &NewRun, decided: Timestamp) -> Result<bool, Error> {
    let ScheduleKey { tenant, plugin, name } = &run.key;
    let decide = sqlx::query(SCHEDULE_DECIDE).bind(tenant).bind(plugin).bind(name).bind(decided.as_microsecond());
    Ok(decide.bind(run.tick.as_microsecond()).execute(connection).await?.rows_affected() > 0)
}

async fn insert(
    connection: &mut SqliteConnection,
    run: NewRun,
    state: RunState,
    lease: Option<&RunLease>,
    now: Timestamp,
    error: Option<String>,
) -> Result<bool, Error> {
    let NewRun { id, key, tick, asked_by, passed, correlation_id } = run;
    let (begun, ended) = match lease {
        Some(_) => (Some(now.as_microsecond()), None),
        None => (None, Some(now.as_microsecond())),
    };
    let insert = sqlx::query(RUN_INSERT).bind(id).bind(key.tenant).bind(key.plugin).bind(key.name);
    let insert = insert.bind(tick.as_microsecond()).bind(asked_by).bind(passed).bind(correlation_id);
    let insert = insert.bind(state.as_str()).bind(i64::from(lease.is_some())).bind(lease.map(|lease| &lease.lease));
    let insert = insert.bind(lease.map(|lease| lease.until.as_microsecond())).bind(begun).bind(ended).bind(error);
    Ok(insert.execute(connection).await?.rows_affected() > 0)
}

async fn end(connection: &mut SqliteConnection, ended: RunEnd) -> Result<(), Error> {
    let RunEnd { id, lease, version, outcome } = ended;
    let statement = match outcome {
        RunOutcome::Over { state, at, error } => {
            let over = sqlx::query(RUN_OVER).bind(id).bind(lease).bind(version).bind(state.as_str());
            over.bind(at.as_microsecond()).bind(error)
        }
        RunOutcome::Later { due } => sqlx::query(RUN_LATER).bind(id).bind(lease).bind(due.as_microsecond()),
        RunOutcome::GivenBack { at } => sqlx::query(RUN_GIVE_BACK).bind(id).bind(lease).bind(at.as_microsecond()),
    };
    statement.execute(connection).await.map(drop)
}
