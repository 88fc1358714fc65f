//! The database of one plugin for one tenant: a file, some readers, one writer.
//!
//! Invariants: one writer at a time, held by a lease; a lease that ends, however it ends, leaves no open transaction and gives
//! its connection and its permit back. A read holds the calling thread for at most `inline_read_steps`; what takes longer, and
//! all that waits for the disk, runs on tokio's blocking threads. Reads have no side effects, so one that was stopped
//! inline begins anew there.

mod lease;

pub(super) use lease::Lease;

use super::{
    check::Checked,
    error::SqlError,
    guard::{Mode, Stop},
    link::{self, Link, Role},
    migrate::Digest,
    transaction::Transaction,
    value::{RowSet, Value},
};
use crate::config::SqlConfig;
use lease::Pool;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, RwLock, atomic::Ordering},
    time::{Duration, Instant},
};

/// Calls that go straight to a thread of their own after one was stopped inline.
const PATIENCE: u8 = 64;

/// One plugin's tables for one tenant. Get it from [`Databases`](super::registry::Databases).
#[derive(Debug)]
pub struct TenantDatabase {
    file: PathBuf,
    pub(super) limits: Arc<SqlConfig>,
    readers: Pool,
    writer: Pool,
    pub(super) applied: RwLock<Vec<Digest>>,
    pub(super) migrating: tokio::sync::Mutex<()>,
}

impl TenantDatabase {
    /// Opens or makes the file and runs `host_schema`, which makes the host's own `_tenon…` tables. Blocks.
    pub(super) fn open(file: &Path, limits: Arc<SqlConfig>, host_schema: &str) -> Result<Self, SqlError> {
        create(file).map_err(|_| SqlError::unavailable("its file cannot be made"))?;
        let until = Instant::now() + Duration::from_millis(limits.busy_wait_ms);
        let link = link::patiently(until, || {
            let link = Link::open(file, Role::Writer, &limits)?;
            link.start(Mode::Host, Stop::at(until))?.execute_batch(host_schema)?;
            Ok(link)
        })?;
        let database = TenantDatabase {
            file: file.to_owned(),
            readers: Pool::new(limits.readers.max(1)),
            writer: Pool::new(1),
            limits,
            applied: RwLock::default(),
            migrating: tokio::sync::Mutex::default(),
        };
        database.writer.push(link);
        Ok(database)
    }

    /// Runs a statement that returns rows; one that also changes rows runs in a transaction of its own.
    ///
    /// # Errors
    /// `Quota` when the result is larger than the limits allow; nothing was changed then.
    pub async fn query(
        self: &Arc<Self>,
        statement: &Arc<Checked>,
        parameters: Vec<Value>,
        deadline: Instant,
    ) -> Result<RowSet, SqlError> {
        link::accept(statement, &parameters, true)?;
        let (statement, limits) = (statement.clone(), self.limits.clone());
        if !statement.is_read_only() {
            let lease = Lease::wait(self, Role::Writer, deadline).await?;
            return lease
                .run(Mode::Host, deadline, move |link, busy_until| {
                    returning(link, busy_until, &statement, &parameters, &limits)
                })
                .await
                .1;
        }
        if let Some(result) = self.inline(&statement, &parameters, deadline) {
            return result;
        }
        let lease = Lease::wait(self, Role::Reader, deadline).await?;
        lease
            .run(Mode::Plugin, deadline, move |link, busy_until| {
                let connection = link.switch(Mode::Plugin);
                link::patiently(busy_until, || link::rows(connection, statement.sql(), &parameters, &limits))
            })
            .await
            .1
    }

    /// Runs a statement that changes rows, and returns how many. The change is on disk then.
    pub async fn execute(
        self: &Arc<Self>,
        statement: &Arc<Checked>,
        parameters: Vec<Value>,
        deadline: Instant,
    ) -> Result<u64, SqlError> {
        link::accept(statement, &parameters, false)?;
        let statement = statement.clone();
        let lease = Lease::wait(self, Role::Writer, deadline).await?;
        lease
            .run(Mode::Plugin, deadline, move |link, busy_until| {
                let connection = link.switch(Mode::Plugin);
                link::patiently(busy_until, || link::change(connection, statement.sql(), &parameters))
            })
            .await
            .1
    }

    /// Waits for the writer and begins.
    pub async fn begin(self: &Arc<Self>, deadline: Instant) -> Result<Transaction, SqlError> {
        let lease = Lease::wait(self, Role::Writer, deadline).await?;
        Transaction::begin(lease, deadline).await
    }

    /// Reads with a statement of the host's own, which may name `_tenon…` tables.
    pub async fn host_query(
        self: &Arc<Self>,
        sql: &'static str,
        parameters: Vec<Value>,
        deadline: Instant,
    ) -> Result<RowSet, SqlError> {
        let lease = Lease::wait(self, Role::Reader, deadline).await?;
        let limits = self.limits.clone();
        lease
            .run(Mode::Host, deadline, move |link, busy_until| {
                let connection = link.switch(Mode::Host);
                link::patiently(busy_until, || link::rows(connection, sql, &parameters, &limits))
            })
            .await
            .1
    }

    /// Changes rows with a statement of the host's own.
    pub async fn host_execute(
        self: &Arc<Self>,
        sql: &'static str,
        parameters: Vec<Value>,
        deadline: Instant,
    ) -> Result<u64, SqlError> {
        let lease = Lease::wait(self, Role::Writer, deadline).await?;
        lease
            .run(Mode::Host, deadline, move |link, busy_until| {
                let connection = link.switch(Mode::Host);
                link::patiently(busy_until, || link::change(connection, sql, &parameters))
            })
            .await
            .1
    }

    /// Reads on the calling thread. `None` if that is not possible, or would take too long.
    fn inline(
        self: &Arc<Self>,
        statement: &Checked,
        parameters: &[Value],
        deadline: Instant,
    ) -> Option<Result<RowSet, SqlError>> {
        if !statement.may_run_inline() {
            return None;
        }
        let patience = statement.patience.load(Ordering::Relaxed);
        if patience > 0 {
            statement.patience.store(patience - 1, Ordering::Relaxed);
            return None;
        }
        let lease = Lease::idle(self, Role::Reader)?;
        let result = lease.read_inline(statement, parameters, deadline);
        if result.is_none() {
            statement.patience.store(PATIENCE, Ordering::Relaxed);
        }
        result
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn pool(&self, role: Role) -> &Pool {
        match role {
            Role::Reader => &self.readers,
            Role::Writer => &self.writer,
        }
    }

    pub(super) fn busy_until(&self, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + Duration::from_millis(self.limits.busy_wait_ms))
    }
}

/// A change that returns rows. SQLite makes the change before the first row, so only a transaction can take it back when
/// the result turns out too large.
fn returning(
    link: &Link,
    busy_until: Instant,
    statement: &Checked,
    parameters: &[Value],
    limits: &SqlConfig,
) -> Result<RowSet, SqlError> {
    let connection = link.switch(Mode::Host);
    link::patiently(busy_until, || link::command(connection, "BEGIN IMMEDIATE"))?;
    link.switch(Mode::Plugin);
    let rows = link::rows(connection, statement.sql(), parameters, limits)?;
    link.switch(Mode::Host);
    link::command(connection, "COMMIT")?;
    Ok(rows)
}

/// Makes the file and its directories, readable by the host's user alone.
fn create(file: &Path) -> std::io::Result<()> {
    let mut directory = fs::DirBuilder::new();
    directory.recursive(true);
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        directory.mode(0o700);
        options.mode(0o600);
    }
    if let Some(parent) = file.parent() {
        directory.create(parent)?;
    }
    options.open(file).map(drop)
}

#[cfg(test)]
mod tests;
