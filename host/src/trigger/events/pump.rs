//! From the outboxes into the control plane.
//!
//! Invariant: of one outbox one look is under way at a time, so events arrive in the order in which they were committed.
//! While events that were read lie in an outbox, nobody restores its database. Nothing is taken before the registry is
//! complete: an event is addressed when it is taken, and a plugin that is still loading hears it too.
//!
//! No look waits for another, nor for marks, which are tended apart: that waits for databases too.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::{Events, subscribers};
use crate::capability::events::{OUTBOX_ANY, OUTBOX_BYTES, OutboxRow, Outboxes, Unmarked};
use crate::capability::notifications::{NOTIFICATION, Notification};
use crate::capability::sql::{HostDatabase, SqlError, Value};
use crate::db::{DbError, NewEvent, NewNotification};
use crate::id::{PluginId, TenantId};
use crate::log::chain;

/// Outboxes that are read at once.
pub(super) const PUMPS: usize = 4;
/// Rows that are read at once, at most.
const ROWS: usize = 200;
/// How often an outbox is read before it is the next one's turn.
const READS: usize = 4;
/// Time for one look, waiting included.
const LOOK: Duration = Duration::from_secs(30);
/// Time until an outbox is looked at again that could not be read, or whose tenant has too many deliveries.
const AGAIN: Duration = Duration::from_secs(1);
/// Time without events after which a mark is removed, and between two looks for such.
const IDLE: Duration = Duration::from_secs(20);
/// Time for the look that tells whether an idle outbox is empty, waiting included. Whoever wants to publish waits for it,
/// maybe within a call that whoever migrates the database waits for.
const GLANCE: Duration = Duration::from_secs(2);

const OUTBOX_LIST: &str = "\
    SELECT sequence, id, topic, key, subject, data, at_us, correlation_id, hops FROM _tenon_outbox \
    ORDER BY sequence LIMIT ?1";

const OUTBOX_DELETE: &str = "DELETE FROM _tenon_outbox WHERE sequence <= ?1";

type Key = (TenantId, PluginId);

#[derive(Debug, thiserror::Error)]
enum PumpError {
    #[error("the plugin's database cannot be used: {0}")]
    Data(#[from] SqlError),
    #[error("the control plane cannot be used")]
    Control(#[from] DbError),
    #[error("the host failed on it")]
    Panic,
}

/// How a look ended.
enum Looked {
    /// There is nothing more.
    Empty,
    /// There is more, and others come first.
    More,
    /// As many deliveries of the tenant wait as may.
    Full,
}

impl Events {
    /// Takes events from outboxes as they come.
    pub(super) async fn pump(self: &Arc<Self>) {
        let mut looks: JoinSet<(Key, Result<Looked, PumpError>)> = JoinSet::new();
        let mut under_way: HashSet<Key> = HashSet::new();
        let mut again: HashMap<Key, Instant> = HashMap::new();
        self.registry.complete().await;
        loop {
            let now = Instant::now();
            for ((tenant, plugin), _) in again.extract_if(|_, at| *at <= now) {
                self.outboxes().wake(&tenant, &plugin);
            }
            while looks.len() < PUMPS
                && let Some(key) = self.outboxes().next(|key| under_way.contains(key) || again.contains_key(key))
            {
                under_way.insert(key.clone());
                let this = self.clone();
                looks.spawn(async move {
                    let look = AssertUnwindSafe(this.look(&key.0, &key.1)).catch_unwind().await;
                    (key, look.unwrap_or(Err(PumpError::Panic)))
                });
            }
            let next = again.values().min().copied().unwrap_or(now + IDLE);
            tokio::select! {
                () = self.outboxes().woken() => {}
                () = tokio::time::sleep_until(next.into()) => {}
                Some(Ok((key, looked))) = looks.join_next() => {
                    under_way.remove(&key);
                    match looked {
                        Ok(Looked::Empty) => {
                            self.outboxes().set_doubtful(&key, false);
                            continue;
                        }
                        Ok(Looked::More) => continue,
                        Ok(Looked::Full) => {}
                        Err(error) => {
                            self.outboxes().set_doubtful(&key, true);
                            let ((tenant, plugin), error) = (&key, chain(&error));
                            tracing::error!(
                                %tenant, %plugin, error, "events stay in their publisher's database for now"
                            );
                        }
                    }
                    again.insert(key, Instant::now() + AGAIN);
                }
            }
        }
    }

    /// The outboxes that an earlier run left.
    pub(super) async fn find_marks(&self) {
        while let Err(error) = self.take_marks(Outboxes::left).await {
            tracing::error!(error = chain(&error), "it cannot be found out where events are left");
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Finds what other hosts left, and removes marks that nobody needs. A database that is migrated has its mark removed
    /// later.
    pub(super) async fn tend_marks(&self) {
        let mut ticks = tokio::time::interval(self.idle());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.take_marks(Outboxes::found).await {
                tracing::warn!(error = chain(&error), "it cannot be found out where other hosts left events");
            }
            self.unmark_idle().await;
        }
    }

    /// Has the outboxes looked at that are marked.
    async fn take_marks(&self, note: fn(&Outboxes, TenantId, PluginId)) -> Result<(), DbError> {
        for (tenant, plugin) in self.control.outbox_list().await? {
            match (TenantId::parse(&tenant), PluginId::parse(&plugin)) {
                (Ok(tenant), Ok(plugin)) => note(self.outboxes(), tenant, plugin),
                _ => tracing::error!(tenant, plugin, "the mark of an outbox cannot be read"),
            }
        }
        Ok(())
    }

    /// Takes everything from one outbox.
    async fn look(&self, tenant: &TenantId, plugin: &PluginId) -> Result<Looked, PumpError> {
        for _ in 0..READS {
            if self.outboxes().is_full(tenant).is_some() {
                return Ok(Looked::Full);
            }
            let opened = self.runtime.sql().visit(tenant, plugin, Instant::now() + LOOK).await?;
            let Some(database) = opened else { return Ok(Looked::Empty) };
            if !self.take_some(tenant, plugin, &database).await? {
                return Ok(Looked::Empty);
            }
        }
        self.outboxes().wake(tenant, plugin);
        Ok(Looked::More)
    }

    /// Takes some events from an outbox. False if there were none.
    async fn take_some(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
        database: &HostDatabase,
    ) -> Result<bool, PumpError> {
        // All of them fit into one answer of the database.
        let one = self.limits.data_bytes + 2 * self.limits.key_bytes + OUTBOX_BYTES;
        let rows = (self.runtime.sql().result_bytes() / 2 / one).clamp(1, ROWS);
        let found = database.query(OUTBOX_LIST, vec![Value::Integer(rows as i64)]).await?;
        let mut last = None;
        let mut events = Vec::with_capacity(found.rows.len());
        let mut notifications = Vec::new();
        for mut row in found.rows {
            let fields = row.split_off(1);
            last = row.pop();
            match OutboxRow::read(fields) {
                Some(row) if row.draft.topic == NOTIFICATION => notifications.extend(notification(tenant, plugin, row)),
                Some(row) => events.push(event(tenant, plugin, row)),
                None => tracing::error!(%tenant, %plugin, "an event in an outbox cannot be read and is left out"),
            }
        }
        let Some(last) = last else { return Ok(false) };
        // Taken now: who is active at this moment hears of it.
        let snapshot = self.registry.snapshot();
        let (view, grants) = (snapshot.view(tenant), snapshot.choices().grants());
        let events = events.into_iter().map(|event| subscribers::addressed(event, &view, grants)).collect();
        if !notifications.is_empty() {
            self.control.notification_add(notifications).await?;
            self.streams.news(tenant);
        }
        let deliveries = self.arrive(events).await?;
        if deliveries > 0 {
            self.added(tenant, deliveries);
        }
        database.execute(OUTBOX_DELETE, vec![last]).await?;
        Ok(true)
    }

    /// Time without events after which an outbox is looked at. What another host left behind when it was killed is found as
    /// soon as the deliveries that it had begun.
    fn idle(&self) -> Duration {
        IDLE.min(self.limits.lease())
    }

    /// Removes the marks of outboxes that were not used for a while.
    async fn unmark_idle(&self) {
        for (tenant, plugin) in self.outboxes().idle(self.idle()) {
            let is_empty = async || {
                let opened = self.runtime.sql().visit(&tenant, &plugin, Instant::now() + GLANCE).await?;
                let Some(database) = opened else { return Ok(true) };
                let left = database.query_alone(OUTBOX_ANY).await?;
                Ok::<_, PumpError>(left.rows.is_empty())
            };
            match self.outboxes().unmark(&tenant, &plugin, is_empty).await {
                Ok(Unmarked::Removed) => {}
                // A call that was given up may have committed after all.
                Ok(Unmarked::Stays) => self.outboxes().wake(&tenant, &plugin),
                Err(error) => tracing::warn!(%tenant, %plugin, %error, "the mark of its outbox stays for now"),
            }
        }
    }
}

fn event(tenant: &TenantId, plugin: &PluginId, row: OutboxRow) -> NewEvent {
    let OutboxRow { id, draft, at, correlation_id, hops } = row;
    NewEvent {
        id,
        tenant: tenant.to_string(),
        source: subscribers::source(plugin.as_str()),
        topic: draft.topic,
        key: draft.key,
        subject: draft.subject,
        at,
        correlation_id,
        hops: hops.into(),
        data: draft.data,
        subscribers: Vec::new(),
    }
}

/// None for what this version cannot have written.
fn notification(tenant: &TenantId, plugin: &PluginId, row: OutboxRow) -> Option<NewNotification> {
    let OutboxRow { id, draft, at, correlation_id, .. } = row;
    let (recipient, read) = (draft.subject, serde_json::from_str(&draft.data));
    let (Some(recipient), Ok(Notification { kind, title, body, link, data })) = (recipient, read) else {
        tracing::error!(%tenant, %plugin, "a notification in an outbox cannot be read and is left out");
        return None;
    };
    let (tenant, plugin) = (tenant.to_string(), plugin.to_string());
    Some(NewNotification { id, tenant, recipient, plugin, kind, title, body, link, data, at, correlation_id })
}
