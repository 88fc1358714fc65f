//! Connections on loan.
//!
//! Invariant: a lease that ends, however it ends and on whatever thread, leaves no open transaction and gives its
//! connection and its permit back, in that order. A lease to write begins a transaction only while half of the log is
//! free; else it waits until nobody reads, and has the log written back first. Beyond a sixteenth it does so if nobody
//! reads just now, so that somebody who reads for long holds up nobody who writes little.
//!
//! A thread is asked for last, once the lease is there: so whoever has a thread waits for no lease.

use super::super::{
    account::Terms,
    check::Checked,
    database::TenantDatabase,
    error::SqlError,
    files::LogUse,
    guard::{CancelOnDrop, Mode, Stop},
    link::{self, Link, Role},
    memory::Budget,
    value::{RowSet, Value},
};
use rusqlite::Connection;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The connections of one role: at most as many as there are permits, opened on demand and kept.
#[derive(Debug)]
pub(in super::super) struct Pool {
    pub idle: Mutex<Vec<Link>>,
    pub permits: Arc<Semaphore>,
}

impl Pool {
    pub fn new(size: usize) -> Self {
        Pool { idle: Mutex::new(Vec::with_capacity(size)), permits: Arc::new(Semaphore::new(size)) }
    }

    fn pop(&self) -> Option<Link> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub fn push(&self, link: Link) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link);
    }
}

/// The right to one connection, for one statement or one transaction.
#[derive(Debug)]
pub(in super::super) struct Lease {
    pub database: Arc<TenantDatabase>,
    role: Role,
    /// Of the statement or transaction that has it.
    terms: Terms,
    link: Option<Link>,
    /// Keeps readers away while the log is written back.
    quiet: Option<OwnedSemaphorePermit>,
    // Released after `drop` has put the connection back.
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// An open connection that nobody uses.
    pub fn idle(database: &Arc<TenantDatabase>, role: Role, terms: &Terms) -> Option<Self> {
        let pool = database.pool(role);
        let permit = pool.permits.clone().try_acquire_owned().ok()?;
        let link = pool.pop()?;
        let (database, terms) = (database.clone(), terms.clone());
        Some(Lease { database, role, terms, link: Some(link), quiet: None, _permit: permit })
    }

    /// Waits for a connection, at most `busy_wait_ms`. If none is open, the lease opens one when it runs.
    pub async fn wait(database: &Arc<TenantDatabase>, role: Role, terms: &Terms) -> Result<Self, SqlError> {
        let (pool, deadline) = (database.pool(role), terms.deadline);
        let permit = match pool.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let until = database.busy_until(deadline);
                match tokio::time::timeout_at(until.into(), pool.permits.clone().acquire_owned()).await {
                    Ok(permit) => permit.map_err(|_| SqlError::unavailable("it is closing"))?,
                    Err(_) if Instant::now() >= deadline => return Err(SqlError::Timeout),
                    Err(_) => return Err(SqlError::Busy),
                }
            }
        };
        let quiet = match (role, database.room.log_use()) {
            (Role::Reader, _) | (_, LogUse::Short) => None,
            (Role::Writer, LogUse::Long) => no_readers(database),
            (Role::Writer, LogUse::Full) => Some(readers_gone(database, deadline).await?),
        };
        let (link, database, terms) = (pool.pop(), database.clone(), terms.clone());
        Ok(Lease { database, role, terms, link, quiet, _permit: permit })
    }

    /// Whether a transaction could begin here and now, because the log is not to be written back first.
    pub fn may_begin_here(&self) -> bool {
        self.quiet.is_none()
    }

    /// The connection, if it is open already.
    pub fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// Runs a read here and now; see [`TenantDatabase::inline`].
    pub fn read_inline(
        &self,
        statement: &Checked,
        parameters: &[Value],
        deadline: Instant,
    ) -> Option<Result<RowSet, SqlError>> {
        let limits = &self.database.limits;
        self.inline(Mode::Plugin, deadline, |connection| link::rows(connection, statement.sql(), parameters, limits))
    }

    /// Reads here and now. `None` if there is no connection, or it would take too long.
    pub fn inline<T>(
        &self,
        mode: Mode,
        deadline: Instant,
        read: impl FnOnce(&Connection) -> Result<T, SqlError>,
    ) -> Option<Result<T, SqlError>> {
        let limits = &self.database.limits;
        let connection = match self.link()?.start(mode, Stop::inline(deadline, limits)) {
            Ok(connection) => connection,
            Err(error) => return Some(Err(error)),
        };
        let budget = Budget::new(limits.memory_bytes);
        match read(connection) {
            Err(SqlError::Timeout | SqlError::Busy) if Instant::now() < deadline => None,
            Err(error) => Some(Err(self.link()?.explain(error, &budget, limits))),
            found => Some(found),
        }
    }

    /// Runs `work` on a blocking thread. When the caller stops waiting, the statement is stopped, and the lease ends
    /// there.
    pub async fn run<T: Send + 'static>(
        self,
        mode: Mode,
        deadline: Instant,
        work: impl FnOnce(&Link, Instant) -> Result<T, SqlError> + Send + 'static,
    ) -> (Option<Lease>, Result<T, SqlError>) {
        let mut run = match (Terms { deadline, ..self.terms.clone() }).admit().await {
            Ok(run) => run,
            Err(refused) => return (Some(self), Err(refused)),
        };
        let cancel = CancelOnDrop::default();
        let flag = cancel.0.clone();
        let task = tokio::task::spawn_blocking(move || {
            run.begin();
            crate::fault::point("tenon:host/sql, its thread");
            let mut lease = self;
            let stop = Stop::at(deadline).or(flag).paid_by(run);
            let result = lease.run_here(mode, deadline, stop, work);
            (lease, result)
        });
        match task.await {
            Ok((lease, result)) => (Some(lease), result),
            Err(_) => (None, Err(SqlError::unavailable("the statement was given up; try again"))),
        }
    }

    fn run_here<T>(
        &mut self,
        mode: Mode,
        deadline: Instant,
        stop: Stop,
        work: impl FnOnce(&Link, Instant) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let (database, quiet) = (self.database.clone(), self.quiet.take());
        let link = self.opened(database.busy_until(deadline))?;
        let budget = Budget::new(database.limits.memory_bytes);
        let worked = link.start(mode, stop).and_then(|_| {
            // Not from before its turn.
            let busy_until = database.busy_until(deadline);
            let ready = match &quiet {
                Some(_) => link.empty_log(&database.room),
                None => Ok(()),
            };
            drop(quiet);
            match ready {
                // Another process reads; there is room without it.
                Err(SqlError::Busy) if database.room.log_use() != LogUse::Full => {}
                ready => ready?,
            }
            work(link, busy_until)
        });
        link.end(worked).map_err(|error| link.explain(error, &budget, &database.limits))
    }

    fn opened(&mut self, busy_until: Instant) -> Result<&Link, SqlError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.database.connect(self.role, busy_until)?,
        };
        Ok(self.link.insert(link))
    }
}

/// Keeps readers away, if nobody reads.
fn no_readers(database: &TenantDatabase) -> Option<OwnedSemaphorePermit> {
    database.pool(Role::Reader).permits.clone().try_acquire_many_owned(all_readers(database)).ok()
}

/// Waits until nobody reads, at most `busy_wait_ms`. Readers that come later wait behind.
pub(in super::super) async fn readers_gone(
    database: &Arc<TenantDatabase>,
    deadline: Instant,
) -> Result<OwnedSemaphorePermit, SqlError> {
    let readers = database.pool(Role::Reader).permits.clone();
    match tokio::time::timeout_at(
        database.busy_until(deadline).into(),
        readers.acquire_many_owned(all_readers(database)),
    )
    .await
    {
        Ok(permit) => permit.map_err(|_| SqlError::unavailable("it is closing")),
        Err(_) if Instant::now() >= deadline => Err(SqlError::Timeout),
        Err(_) => Err(SqlError::Busy),
    }
}

fn all_readers(database: &TenantDatabase) -> u32 {
    u32::try_from(database.limits.readers.max(1)).unwrap_or(u32::MAX)
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(link) = self.link.take() else { return };
        let _paid = link.is_in_transaction().then(|| self.terms.account.roll_back());
        let cleaned = link.clean();
        // Here and not where the call waits, which may have given up before the change was made.
        if self.role == Role::Writer {
            self.terms.account.wrote();
        }
        if cleaned {
            self.database.pool(self.role).push(link);
        }
    }
}
