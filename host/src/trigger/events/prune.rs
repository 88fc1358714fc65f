//! Removing what is no longer kept: events, notifications, dead letters and keys of requests.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::MissedTickBehavior;

use super::Events;
use crate::db::{DbError, EventPrune, NotificationPrune};
use crate::log::chain;

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(60);
/// Rows removed at once, so that others need not wait long for the control plane.
const ROWS: u32 = 500;

impl Events {
    /// Removes what is old. Events and notifications of a tenant stay while one of them may come once more out of an
    /// outbox: it must be known then. To be begun when it is known where an earlier run left some.
    pub(super) async fn prune(&self) {
        let mut ticks = tokio::time::interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            loop {
                match self.remove_some().await {
                    Ok(true) => tokio::task::yield_now().await,
                    Ok(false) => break,
                    Err(error) => {
                        tracing::error!(error = chain(&error), "old events cannot be removed");
                        break;
                    }
                }
            }
        }
    }

    /// True when there may be more.
    async fn remove_some(&self) -> Result<bool, DbError> {
        let spared = self.outboxes().doubtful_tenants();
        let more = self.control.event_prune(self.old(spared.clone())).await?;
        let (of_recipient, of_tenant) = (self.kept.kept, self.kept.tenant_kept);
        let prune = NotificationPrune { spared, before: before(self.kept.kept_s), of_recipient, of_tenant, rows: ROWS };
        Ok(self.control.notification_prune(prune).await? || more)
    }

    fn old(&self, spared: Vec<String>) -> EventPrune {
        let limits = &self.limits;
        EventPrune {
            spared,
            events: before(limits.kept_s),
            events_max: limits.kept,
            dead: before(limits.dead_kept_s),
            dead_max: limits.dead,
            requests: before(limits.request_kept_s),
            rows: ROWS,
        }
    }
}

/// So many seconds ago.
fn before(seconds: u64) -> Timestamp {
    let age = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN)
}
