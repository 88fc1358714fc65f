//! Removing runs that are no longer kept.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{Schedules, clock};
use crate::db::RunPrune;
use crate::log::chain;

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(60);
/// Rows removed at once, so that others need not wait long for the control plane.
const ROWS: u32 = 500;

impl Schedules {
    pub(super) async fn prune(&self) {
        let mut looks = tokio::time::interval(PAUSE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let ended = clock::before(clock::now(), Duration::from_secs(self.limits.kept_s));
            let old = RunPrune { ended, kept: self.limits.kept, rows: ROWS };
            loop {
                match self.control.run_prune(old.clone()).await {
                    Ok(true) => tokio::task::yield_now().await,
                    Ok(false) => break,
                    Err(error) => {
                        tracing::error!(error = chain(&error), "old runs of schedules cannot be removed");
                        break;
                    }
                }
            }
        }
    }
}
