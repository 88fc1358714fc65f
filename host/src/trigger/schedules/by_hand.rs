//! Runs that somebody asks for.
//!
//! They have the places and the rules of all runs: one at a time of a schedule, and no more at once than may be. Nobody
//! waits for either: who comes too early is told so.

use tokio::sync::oneshot;

use super::Schedules;
use crate::db::{DbError, ScheduleKey};
use crate::id::TenantId;

/// What is asked for.
pub struct ByHand {
    pub tenant: TenantId,
    pub key: ScheduleKey,
    pub asked_by: String,
    pub correlation_id: String,
}

/// A run that has begun.
pub struct Begun {
    pub id: String,
    /// Told when what became of it is written down.
    pub ended: oneshot::Receiver<()>,
}

/// Why it has not.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("a run of this schedule goes on already")]
    Running,
    #[error("as many runs go on as may at once (schedules.concurrency, schedules.tenant_concurrency)")]
    Busy,
    #[error("the host is stopping")]
    Stopping,
    #[error(transparent)]
    Control(#[from] DbError),
}

/// A request on its way to whoever keeps the time.
pub(super) struct Ask {
    pub wanted: ByHand,
    pub reply: oneshot::Sender<Result<Begun, Refused>>,
}

impl Schedules {
    /// Runs a schedule now. It goes on by itself when nobody waits for it any longer.
    ///
    /// # Errors
    ///
    /// When it cannot begin at once.
    pub async fn run_by_hand(&self, wanted: ByHand) -> Result<Begun, Refused> {
        let (reply, answer) = oneshot::channel();
        self.asks.try_send(Ask { wanted, reply }).map_err(|_| Refused::Busy)?;
        answer.await.unwrap_or(Err(Refused::Stopping))
    }
}
