//! From the deliveries to the handlers: who is called next, and what is written down of it.
//!
//! What ended is written down together, and what is due is claimed together, each in one transaction of the control plane.
//! While nothing can be written down nothing is claimed.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Events;
use super::queue::Turn;
use crate::db::{DbError, Delivery, DeliveryClaim, Outcome, Settled};
use crate::id::TenantId;
use crate::log::chain;

/// Time until the control plane is asked again that could not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// Time for handlers that run when the host is stopped.
pub(super) const LAST: Duration = Duration::from_secs(2);

/// The deliveries that this process makes.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<(TenantId, Settled)>,
    of: HashMap<TenantId, usize>,
    /// The lease of each, by its number.
    leases: HashMap<i64, String>,
    /// What ended and is to be written down.
    ended: Vec<(TenantId, Settled)>,
}

impl UnderWay {
    fn end(&mut self, ended: (TenantId, Settled)) {
        if let Some(running) = self.of.get_mut(&ended.0) {
            *running -= 1;
            if *running == 0 {
                self.of.remove(&ended.0);
            }
        }
        self.leases.remove(&ended.1.sequence);
        self.ended.push(ended);
    }
}

impl Events {
    /// Delivers events as they come.
    pub(super) async fn dispatch(self: &Arc<Self>) {
        let mut under_way = UnderWay::default();
        // Now and then everything is looked at anew: what other processes left, and what was missed here.
        let rescan = self.limits.lease() / 2;
        let mut rescan_at = Instant::now();
        let mut stopping = self.stopping.subscribe();
        while !*stopping.borrow() {
            if let Err(error) = self.round(&mut under_way, &mut rescan_at, rescan).await {
                tracing::error!(error = chain(&error), "events cannot be delivered; it is tried again");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            tokio::select! {
                Some(Ok(ended)) = under_way.tasks.join_next() => {
                    under_way.end(ended);
                    while let Some(Ok(ended)) = under_way.tasks.try_join_next() {
                        under_way.end(ended);
                    }
                }
                () = self.queue.woken(rescan) => {}
                _ = stopping.changed() => {}
            }
        }
        if let Err(error) = self.last(&mut under_way).await {
            tracing::warn!(error = chain(&error), "events under way are delivered again when their leases are over");
        }
        self.stopped.notify_one();
    }

    /// Writes down how deliveries under way end, and gives the rest back.
    async fn last(&self, under_way: &mut UnderWay) -> Result<(), DbError> {
        let end = tokio::time::Instant::now() + LAST;
        while let Ok(Some(ended)) = tokio::time::timeout_at(end, under_way.tasks.join_next()).await {
            ended.into_iter().for_each(|ended| under_way.end(ended));
        }
        under_way.tasks.abort_all();
        self.write_down(under_way).await?;
        let leases = under_way.leases.drain();
        let back = leases.map(|(sequence, lease)| Settled { sequence, lease, outcome: Outcome::GivenBack });
        self.control.delivery_settle(back.collect()).await.map(drop)
    }

    async fn round(
        self: &Arc<Self>,
        under_way: &mut UnderWay,
        rescan_at: &mut Instant,
        rescan: Duration,
    ) -> Result<(), DbError> {
        if *rescan_at <= Instant::now() {
            self.rescan().await?;
            *rescan_at = Instant::now() + rescan;
        }
        self.write_down(under_way).await?;
        let (all, of_one) = self.concurrency;
        let free = all.saturating_sub(under_way.tasks.len());
        let room = |tenant: &TenantId| of_one.saturating_sub(under_way.of.get(tenant).copied().unwrap_or(0));
        let turns = self.queue.take(free, room);
        if turns.is_empty() {
            return Ok(());
        }
        let claimed = self.claim(&turns).await.inspect_err(|_| {
            turns.iter().for_each(|turn| self.queue.look_at(&turn.tenant, Instant::now()));
        })?;
        for (turn, (lease, deliveries)) in turns.into_iter().zip(claimed) {
            let is_all = deliveries.len() < turn.room;
            for delivery in deliveries {
                *under_way.of.entry(turn.tenant.clone()).or_default() += 1;
                under_way.leases.insert(delivery.sequence, lease.clone());
                self.begin(&mut under_way.tasks, turn.tenant.clone(), delivery, lease.clone());
            }
            if is_all {
                self.look_later(&turn.tenant).await;
            } else {
                self.queue.look_at(&turn.tenant, Instant::now());
            }
        }
        Ok(())
    }

    /// Claims what is due for those whose turn it is. Gives for each its lease and its deliveries.
    async fn claim(&self, turns: &[Turn]) -> Result<Vec<(String, Vec<Delivery>)>, DbError> {
        let now = Timestamp::now();
        let until = after(now, self.limits.lease());
        let claims: Vec<DeliveryClaim> = turns
            .iter()
            .map(|turn| DeliveryClaim {
                tenant: turn.tenant.to_string(),
                limit: u32::try_from(turn.room).unwrap_or(u32::MAX),
                without: turn.absent.clone(),
                now,
                until,
                lease: Uuid::now_v7().to_string(),
            })
            .collect();
        let mut each: Vec<_> = claims.iter().map(|claim| (claim.lease.clone(), Vec::new())).collect();
        for delivery in self.control.delivery_claim(claims).await? {
            let of = turns.iter().position(|turn| turn.tenant.as_str() == delivery.event.tenant);
            of.into_iter().for_each(|index| each[index].1.push(delivery.clone()));
        }
        Ok(each)
    }

    fn begin(
        self: &Arc<Self>,
        tasks: &mut JoinSet<(TenantId, Settled)>,
        tenant: TenantId,
        delivery: Delivery,
        lease: String,
    ) {
        let this = self.clone();
        tasks.spawn(async move {
            let sequence = delivery.sequence;
            let delivered = AssertUnwindSafe(this.deliver(&tenant, &delivery)).catch_unwind().await;
            let outcome = delivered.unwrap_or_else(|_| this.failed(&delivery, "the host failed on it".to_owned()));
            (tenant, Settled { sequence, lease, outcome })
        });
    }

    /// Writes down what ended. What comes behind it by its key can go on then.
    async fn write_down(&self, under_way: &mut UnderWay) -> Result<(), DbError> {
        if under_way.ended.is_empty() {
            return Ok(());
        }
        let settled = under_way.ended.iter().map(|(_, settled)| settled.clone()).collect();
        let gone = self.control.delivery_settle(settled).await?;
        gone.iter().for_each(|tenant| self.outboxes().remove_pending(tenant));
        for (tenant, Settled { outcome, .. }) in under_way.ended.drain(..) {
            match outcome {
                Outcome::Done | Outcome::Dead { .. } | Outcome::GivenBack => {
                    self.queue.look_at(&tenant, Instant::now())
                }
                Outcome::Again { due, .. } | Outcome::Wait { due } => self.queue.look_at(&tenant, instant(due)),
            }
        }
        Ok(())
    }

    /// Has a tenant looked at again when its next delivery is due.
    async fn look_later(&self, tenant: &TenantId) {
        let next = match self.control.delivery_next(tenant.as_str()).await {
            Ok(Some(next)) => instant(next),
            Ok(None) => return,
            Err(_) => Instant::now() + AGAIN,
        };
        // What is due already is that of subscribers who are not there.
        let absent = self.queue.absent_until(tenant);
        let now = Instant::now();
        let next = if next > now { next } else { absent.unwrap_or(now + AGAIN).max(now) };
        self.queue.look_at(tenant, next);
    }

    /// Looks which tenants have deliveries.
    async fn rescan(&self) -> Result<(), DbError> {
        let counts = self.control.delivery_count().await?;
        let counts = counts.into_iter().filter_map(|(tenant, count)| {
            let tenant = TenantId::parse(&tenant).ok()?;
            Some((tenant, u64::try_from(count).unwrap_or(0)))
        });
        let counts: HashMap<TenantId, u64> = counts.collect();
        counts.keys().for_each(|tenant| self.queue.look_at(tenant, Instant::now()));
        self.outboxes().set_pending(counts.into_iter());
        Ok(())
    }
}

/// A point in time of the wall clock as one that can be waited for.
fn instant(at: Timestamp) -> Instant {
    let left = at.duration_since(Timestamp::now());
    Instant::now() + Duration::try_from(left).unwrap_or(Duration::ZERO).min(Duration::from_secs(3_600))
}

/// So much later.
pub(super) fn after(at: Timestamp, pause: Duration) -> Timestamp {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    at.checked_add(pause).unwrap_or(Timestamp::MAX)
}
