//! Several statements that take effect together or not at all.
//!
//! Invariant: the transaction owns the writer. Its lease is either here or on the thread that runs its statement;
//! wherever it is dropped, it rolls back first and gives the writer back after. A statement never runs outside the
//! transaction: when SQLite has rolled back on its own (storage full, interrupted), every later call says so.

use super::{
    check::Checked,
    database::Lease,
    error::SqlError,
    guard::{Mode, Stop},
    link::{self, Link},
    value::{RowSet, Value},
};
use crate::config::SqlConfig;
use std::{sync::Arc, time::Instant};

/// An open transaction; dropped without a commit it rolls back.
#[derive(Debug)]
pub struct Transaction {
    lease: Option<Lease>,
}

impl Transaction {
    pub(super) async fn begin(lease: Lease, deadline: Instant) -> Result<Self, SqlError> {
        // Taking the write lock waits for no disk, so an open connection does it here and now.
        if let Some(link) = lease.link().filter(|_| lease.may_begin_here()) {
            link.start(Mode::Host, Stop::at(deadline))?;
            match link.begin() {
                Ok(()) => return Ok(Transaction { lease: Some(lease) }),
                Err(SqlError::Busy) => {}
                Err(error) => return Err(error),
            }
        }
        let (lease, begun) =
            lease.run(Mode::Host, deadline, |link, busy_until| link.patiently(busy_until, || link.begin())).await;
        begun.map(|()| Transaction { lease })
    }

    /// Runs a statement that returns rows. It sees what this transaction has changed.
    pub async fn query(
        &mut self,
        statement: &Arc<Checked>,
        parameters: Vec<Value>,
        deadline: Instant,
    ) -> Result<RowSet, SqlError> {
        link::accept(statement, &parameters, true)?;
        let lease = self.lease.as_ref().ok_or_else(over)?;
        if statement.is_read_only()
            && statement.may_run_inline()
            && lease.link().is_some_and(Link::is_in_transaction)
            && let Some(result) = lease.read_inline(statement, &parameters, deadline)
        {
            return result;
        }
        let (statement, limits) = (statement.clone(), lease.database.limits.clone());
        self.run(deadline, move |link| match statement.is_read_only() {
            true => link::rows(link.switch(Mode::Plugin), statement.sql(), &parameters, &limits),
            false => returning(link, &statement, &parameters, &limits),
        })
        .await
    }

    /// Runs a statement that changes rows, and returns how many.
    pub async fn execute(
        &mut self,
        statement: &Arc<Checked>,
        parameters: Vec<Value>,
        deadline: Instant,
    ) -> Result<u64, SqlError> {
        link::accept(statement, &parameters, false)?;
        let statement = statement.clone();
        let change =
            move |link: &Link| link.counted(|| link::change(link.switch(Mode::Plugin), statement.sql(), &parameters));
        self.run(deadline, change).await
    }

    /// Changes rows with a statement of the host's own: an event beside the data it speaks of.
    pub async fn host_execute(
        &mut self,
        sql: &'static str,
        parameters: Vec<Value>,
        deadline: Instant,
    ) -> Result<u64, SqlError> {
        self.run(deadline, move |link| link::change(link.switch(Mode::Host), sql, &parameters)).await
    }

    /// Reads with a statement of the host's own.
    pub async fn host_query(
        &mut self,
        sql: &'static str,
        parameters: Vec<Value>,
        deadline: Instant,
    ) -> Result<RowSet, SqlError> {
        let limits = self.lease.as_ref().ok_or_else(over)?.database.limits.clone();
        self.run(deadline, move |link| link::rows(link.switch(Mode::Host), sql, &parameters, &limits)).await
    }

    /// Makes every change durable.
    ///
    /// # Errors
    /// On any error the transaction is rolled back.
    pub async fn commit(mut self, deadline: Instant) -> Result<(), SqlError> {
        self.run(deadline, Link::commit).await
    }

    /// Gives every change up, and waits until the writer is free.
    pub async fn rollback(mut self) {
        if let Some(lease) = self.lease.take() {
            // Dropping the lease is the rollback. A thread that could not be had drops it too.
            let _ = tokio::task::spawn_blocking(move || drop(lease)).await;
        }
    }

    pub(super) async fn run<T: Send + 'static>(
        &mut self,
        deadline: Instant,
        work: impl FnOnce(&Link) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let lease = self.lease.take().ok_or_else(over)?;
        let (lease, result) = lease
            .run(Mode::Host, deadline, move |link, _| match link.is_in_transaction() {
                true => work(link),
                false => Err(over()),
            })
            .await;
        self.lease = lease;
        result
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        if lease.link().is_some_and(|link| !link.is_in_transaction()) {
            return;
        }
        // A rollback may have much to undo; keep it off the executor.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(lease));
        }
    }
}

fn over() -> SqlError {
    SqlError::invalid("the transaction is over: an earlier error or a cancelled call rolled it back; begin a new one")
}

/// See [`super::database`]'s function of this name; here a savepoint takes the change back.
fn returning(link: &Link, statement: &Checked, parameters: &[Value], limits: &SqlConfig) -> Result<RowSet, SqlError> {
    taken_back_if_it_fails(link, || {
        let connection = link.switch(Mode::Plugin);
        link.counted(|| link::rows(connection, statement.sql(), parameters, limits))
    })
}

/// Runs a part of a transaction of which nothing stays if it fails.
pub(super) fn taken_back_if_it_fails<T>(
    link: &Link,
    part: impl FnOnce() -> Result<T, SqlError>,
) -> Result<T, SqlError> {
    link::command(link.switch(Mode::Host), "SAVEPOINT _tenon_statement")?;
    let result = part();
    let connection = link.switch(Mode::Host);
    if link.is_in_transaction() {
        if result.is_err() {
            link::command(connection, "ROLLBACK TO _tenon_statement")?;
        }
        link::command(connection, "RELEASE _tenon_statement")?;
    }
    result
}
