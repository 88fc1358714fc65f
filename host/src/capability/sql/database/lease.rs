//! Connections on loan.
//!
//! Invariant: a lease that ends, however it ends and on whatever thread, leaves no open transaction and gives its connection
//! and its permit back, in that order.

use super::super::{
    check::Checked,
    database::TenantDatabase,
    error::SqlError,
    guard::{CancelOnDrop, Mode, Stop},
    link::{self, Link, Role},
    value::{RowSet, Value},
};
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
    link: Option<Link>,
    // Released after `drop` has put the connection back.
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// An open connection that nobody uses.
    pub fn idle(database: &Arc<TenantDatabase>, role: Role) -> Option<Self> {
        let pool = database.pool(role);
        let permit = pool.permits.clone().try_acquire_owned().ok()?;
        let link = pool.pop()?;
        Some(Lease { database: database.clone(), role, link: Some(link), _permit: permit })
    }

    /// Waits for a connection, at most `busy_wait_ms`. If none is open, the lease opens one when it runs.
    pub async fn wait(database: &Arc<TenantDatabase>, role: Role, deadline: Instant) -> Result<Self, SqlError> {
        let pool = database.pool(role);
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
        Ok(Lease { database: database.clone(), role, link: pool.pop(), _permit: permit })
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
        let connection = match self.link()?.start(Mode::Plugin, Stop::inline(deadline, limits)) {
            Ok(connection) => connection,
            Err(error) => return Some(Err(error)),
        };
        match link::rows(connection, statement.sql(), parameters, limits) {
            Err(SqlError::Timeout | SqlError::Busy) if Instant::now() < deadline => None,
            other => Some(other),
        }
    }

    /// Runs `work` on a blocking thread. When the caller stops waiting, the statement is stopped, and the lease ends there.
    pub async fn run<T: Send + 'static>(
        mut self,
        mode: Mode,
        deadline: Instant,
        work: impl FnOnce(&Link, Instant) -> Result<T, SqlError> + Send + 'static,
    ) -> (Option<Lease>, Result<T, SqlError>) {
        let cancel = CancelOnDrop::default();
        let flag = cancel.0.clone();
        let task = tokio::task::spawn_blocking(move || {
            let busy_until = self.database.busy_until(deadline);
            let result = self.opened(busy_until).and_then(|link| {
                link.start(mode, Stop::at(deadline).or(flag))?;
                work(link, busy_until)
            });
            (self, result)
        });
        match task.await {
            Ok((lease, result)) => (Some(lease), result),
            Err(_) => (None, Err(SqlError::unavailable("the statement was given up; try again"))),
        }
    }

    fn opened(&mut self, busy_until: Instant) -> Result<&Link, SqlError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => link::patiently(busy_until, || Link::open(self.database.file(), self.role, &self.database.limits))?,
        };
        Ok(self.link.insert(link))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(link) = self.link.take() else { return };
        if link.clean() {
            self.database.pool(self.role).push(link);
        }
    }
}
