//! The database of one plugin for one tenant: a file, some readers, one writer.
//!
//! Invariants: one writer at a time, held by a lease; a lease that ends, however it ends, leaves no open transaction
//! and gives its connection and its permit back. A read holds the calling thread for at most `inline_read_steps`; what
//! takes longer, and all that waits for the disk, runs on tokio's blocking threads. Reads have no side effects, so one
//! that was stopped inline begins anew there.

mod lease;

pub(super) use lease::{Lease, readers_gone};

use super::{
    account::Terms,
    check::Checked,
    error::SqlError,
    files::Room,
    guard::{Mode, Stop},
    history::{History, Known},
    link::{self, Link, Role},
    memory::Budget,
    rows,
    transaction::Transaction,
    value::{RowSet, Value},
};
use crate::config::SqlConfig;
use crate::usage::Meter;
use lease::Pool;
use rusqlite::Connection;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// Calls that go straight to a thread of their own after one was stopped inline.
const PATIENCE: u8 = 64;

/// One plugin's tables for one tenant. Get it from [`Databases`](super::registry::Databases).
#[derive(Debug)]
pub struct TenantDatabase {
    file: PathBuf,
    pub(super) room: Arc<Room>,
    pub(super) limits: Arc<SqlConfig>,
    readers: Pool,
    writer: Pool,
    /// What migrations have done to it, which only whoever holds [`Sole`](super::registry::Sole) changes.
    pub(super) known: Known,
}

impl TenantDatabase {
    /// Opens or makes the file and runs `host_schema`, which makes the host's own `_tenon…` tables. Blocks.
    pub(super) fn open(
        file: &Path,
        limits: Arc<SqlConfig>,
        quotas: Arc<Meter>,
        host_schema: &str,
    ) -> Result<Self, SqlError> {
        create(file).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull => SqlError::disk_full(),
            _ => SqlError::unavailable("its file cannot be made"),
        })?;
        let until = Instant::now() + Duration::from_millis(limits.busy_wait_ms);
        let room = Room::new(&limits, quotas, log_bytes(file));
        let (link, history) = link::patiently(until, || {
            let link = Link::open(file, Role::Writer, &limits, &room)?;
            let connection = link.start(Mode::Host, Stop::at(until))?;
            let made = match make(connection, host_schema) {
                // What is there can still be read; the tables are made when there is room.
                Err(SqlError::Full) => Ok(()),
                made => made,
            };
            let made = made.and_then(|()| rows::prepare(connection));
            let history = made.and_then(|()| History::read(connection));
            let history = history.map_err(|error| link.explain(error, &Budget::new(limits.memory_bytes), &limits))?;
            Ok((link, history))
        })?;
        let database = TenantDatabase {
            file: file.to_owned(),
            room,
            readers: Pool::new(limits.readers.max(1)),
            writer: Pool::new(1),
            limits,
            known: Known::new(history),
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
        terms: &Terms,
    ) -> Result<RowSet, SqlError> {
        link::accept(statement, &parameters, true)?;
        let (statement, limits) = (statement.clone(), self.limits.clone());
        if !statement.is_read_only() {
            let lease = Lease::wait(self, Role::Writer, terms).await?;
            return lease
                .run(Mode::Host, terms.deadline, move |link, busy_until| {
                    returning(link, busy_until, &statement, &parameters, &limits)
                })
                .await
                .1;
        }
        if let Some(result) = self.inline(&statement, &parameters, terms) {
            return result;
        }
        let lease = Lease::wait(self, Role::Reader, terms).await?;
        lease
            .run(Mode::Plugin, terms.deadline, move |link, busy_until| {
                let connection = link.switch(Mode::Plugin);
                link.patiently(busy_until, || link::rows(connection, statement.sql(), &parameters, &limits))
            })
            .await
            .1
    }

    /// Runs a statement that changes rows, and returns how many. The change is on disk then.
    pub async fn execute(
        self: &Arc<Self>,
        statement: &Arc<Checked>,
        parameters: Vec<Value>,
        terms: &Terms,
    ) -> Result<u64, SqlError> {
        link::accept(statement, &parameters, false)?;
        let statement = statement.clone();
        let lease = Lease::wait(self, Role::Writer, terms).await?;
        lease
            .run(Mode::Plugin, terms.deadline, move |link, busy_until| {
                link.patiently(busy_until, || link.begin())?;
                let changed = link::change(link.switch(Mode::Plugin), statement.sql(), &parameters)?;
                link.commit()?;
                Ok(changed)
            })
            .await
            .1
    }

    /// Waits for the writer and begins.
    pub async fn begin(self: &Arc<Self>, terms: &Terms) -> Result<Transaction, SqlError> {
        let lease = Lease::wait(self, Role::Writer, terms).await?;
        Transaction::begin(lease, terms.deadline).await
    }

    /// Reads with a statement of the host's own, which may name `_tenon…` tables.
    pub async fn host_query(
        self: &Arc<Self>,
        sql: &'static str,
        parameters: Vec<Value>,
        terms: &Terms,
    ) -> Result<RowSet, SqlError> {
        let lease = Lease::wait(self, Role::Reader, terms).await?;
        let limits = self.limits.clone();
        lease
            .run(Mode::Host, terms.deadline, move |link, busy_until| {
                let connection = link.switch(Mode::Host);
                link.patiently(busy_until, || link::rows(connection, sql, &parameters, &limits))
            })
            .await
            .1
    }

    /// Changes rows with a statement of the host's own.
    pub async fn host_execute(
        self: &Arc<Self>,
        sql: &'static str,
        parameters: Vec<Value>,
        terms: &Terms,
    ) -> Result<u64, SqlError> {
        let lease = Lease::wait(self, Role::Writer, terms).await?;
        lease
            .run(Mode::Host, terms.deadline, move |link, busy_until| {
                let connection = link.switch(Mode::Host);
                link.patiently(busy_until, || link::change(connection, sql, &parameters))
            })
            .await
            .1
    }

    /// Reads on the calling thread. `None` if that is not possible, or would take too long.
    fn inline(
        self: &Arc<Self>,
        statement: &Checked,
        parameters: &[Value],
        terms: &Terms,
    ) -> Option<Result<RowSet, SqlError>> {
        if !statement.may_run_inline() {
            return None;
        }
        let patience = statement.patience.load(Ordering::Relaxed);
        if patience > 0 {
            statement.patience.store(patience - 1, Ordering::Relaxed);
            return None;
        }
        let lease = Lease::idle(self, Role::Reader, terms)?;
        let result = lease.read_inline(statement, parameters, terms.deadline);
        if result.is_none() {
            statement.patience.store(PATIENCE, Ordering::Relaxed);
        }
        result
    }

    /// Opens one more connection. Blocks.
    pub(super) fn connect(&self, role: Role, until: Instant) -> Result<Link, SqlError> {
        link::patiently(until, || Link::open(&self.file, role, &self.limits, &self.room))
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

/// A change that returns rows. SQLite makes the change before the first row, so only a transaction can take it back
/// when the result turns out too large.
fn returning(
    link: &Link,
    busy_until: Instant,
    statement: &Checked,
    parameters: &[Value],
    limits: &SqlConfig,
) -> Result<RowSet, SqlError> {
    link.patiently(busy_until, || link.begin())?;
    let rows = link::rows(link.switch(Mode::Plugin), statement.sql(), parameters, limits)?;
    link.commit()?;
    Ok(rows)
}

/// Makes the host's own tables, all or none; where they are, nothing is written.
fn make(connection: &Connection, host_schema: &str) -> Result<(), SqlError> {
    let made = connection.execute_batch(&format!("BEGIN; {host_schema}; COMMIT"));
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    Ok(made?)
}

/// What an earlier run of the host left in the log.
fn log_bytes(file: &Path) -> u64 {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(log).map_or(0, |found| found.len())
}

/// Makes the file and its directories, readable by the host's user alone.
fn create(file: &Path) -> io::Result<()> {
    if let Some(parent) = file.parent() {
        private_directory(parent)?;
    }
    private_file(file)
}

pub(super) fn private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Makes the file if it is not there.
pub(super) fn private_file(file: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}

#[cfg(test)]
mod tests;
