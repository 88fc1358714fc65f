//! Who pays for statements on threads of their own, and when one may run.
//!
//! Invariant: no statement runs on a blocking thread without a [`Run`]. What it computes there is paid for by its
//! call's tenant, whether it ends well, is stopped, or is given up. Reads on the calling thread need none: they are
//! part of the call's own processor time.
//!
//! The layer above knows budgets, shares and turns; here they arrive as data with each call, in its [`Terms`].

use super::error::SqlError;
use crate::id::Namespace;
use futures::future::BoxFuture;
use std::{fmt, sync::Arc, time::Instant};

/// What a statement is run under.
#[derive(Debug, Clone)]
pub struct Terms {
    /// When it is stopped, whatever it does.
    pub deadline: Instant,
    pub account: Arc<dyn Account>,
    pub work: Work,
}

impl Terms {
    pub fn new(deadline: Instant, account: Arc<dyn Account>) -> Self {
        Terms { deadline, account, work: Work::Statement }
    }

    pub(super) fn for_set_up(&self) -> Self {
        Terms { work: Work::SetUp, ..self.clone() }
    }

    /// Waits until a thread may begin.
    pub(super) async fn admit(&self) -> Result<Box<dyn Run>, SqlError> {
        match tokio::time::timeout_at(self.deadline.into(), self.account.admit(self.work)).await {
            Ok(admitted) => admitted.map_err(SqlError::from),
            Err(_) => Err(SqlError::Timeout),
        }
    }
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// What the plugin asked for.
    Statement,
    /// Opening and migrating a database. Whoever happens to come first does it for all, so it is not taken from
    /// what that call may use.
    SetUp,
}

/// The processor time that a call may still use on threads other than its own.
pub trait Account: fmt::Debug + Send + Sync {
    /// Waits until a thread may begin. To be asked last, by who has the connection already: so whoever may run waits
    /// for nobody.
    fn admit(&self, work: Work) -> BoxFuture<'static, Result<Box<dyn Run>, Spent>>;

    /// For what has to be done at once and in any case, such as rolling back; it began when this is asked.
    fn roll_back(&self) -> Box<dyn Run>;

    /// Says that a namespace of shared data is about to be changed: it will have been when [`Account::wrote`] is
    /// called.
    fn shares(&self, _namespace: &Namespace) {}

    /// Says that something may have been written, once that is over, on whatever thread.
    fn wrote(&self) {}
}

/// Work on one thread. What it used is charged when it is dropped, there.
pub trait Run: fmt::Debug + Send {
    /// Says that the thread begins.
    fn begin(&mut self);

    /// To be asked every few µs. It may let others go first, for as long as `is_due` is false.
    ///
    /// # Errors
    /// When no processor time is left.
    fn go_on(&mut self, is_due: &dyn Fn() -> bool) -> Result<(), Spent>;

    /// Pays for what was computed up to here, however long ago it was asked.
    ///
    /// # Errors
    /// When it was more than may be.
    fn pay(&mut self) -> Result<(), Spent>;

    /// Says that the thread waits for the disk, so that others can go meanwhile.
    fn waits(&mut self);
}

/// The call has no processor time left for statements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("processor time: at most {limit_ms} ms for the statements of one request; read fewer rows, or add an index")]
pub struct Spent {
    pub limit_ms: u64,
}

impl From<Spent> for SqlError {
    fn from(spent: Spent) -> Self {
        SqlError::Quota(spent.to_string())
    }
}

/// Terms for what the host does of itself, for its operators, until then.
pub(super) fn of_the_host(deadline: Instant) -> Terms {
    Terms { work: Work::SetUp, ..Terms::new(deadline, Arc::new(Free)) }
}

/// Terms for tests, until then.
#[cfg(test)]
pub(super) fn free(deadline: Instant) -> Terms {
    Terms::new(deadline, Arc::new(Free))
}

/// Computes as long as it likes, at nobody's cost.
#[derive(Debug)]
pub(super) struct Free;

impl Account for Free {
    fn admit(&self, _work: Work) -> BoxFuture<'static, Result<Box<dyn Run>, Spent>> {
        Box::pin(async { Ok(Box::new(Free) as Box<dyn Run>) })
    }

    fn roll_back(&self) -> Box<dyn Run> {
        Box::new(Free)
    }
}

impl Run for Free {
    fn begin(&mut self) {}

    fn go_on(&mut self, _is_due: &dyn Fn() -> bool) -> Result<(), Spent> {
        Ok(())
    }

    fn pay(&mut self) -> Result<(), Spent> {
        Ok(())
    }

    fn waits(&mut self) {}
}
