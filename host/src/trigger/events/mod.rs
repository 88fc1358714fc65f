//! Events on their way from their publishers to their subscribers.
//!
//! ```text
//! outbox in the publisher's database ─ pump ─▶ event and deliveries in the control plane ─ dispatch ─▶ handlers
//!                                             notification in the control plane
//! ```
//!
//! Invariants: an event leaves the outbox only when it is in the control plane with all its deliveries, and a delivery goes
//! only when its handler has answered or it is among the dead letters. So a kill at any moment loses nothing; it may have a
//! step done again, which the event's id (here) and the subscriber's inbox (there) make harmless. Of one tenant, subscriber
//! and key one delivery is under way at a time, in order.
//!
//! Bounds: `events.concurrency` handlers, of one tenant `events.tenant_concurrency`; `events.pending` deliveries of one
//! tenant; [`pump::PUMPS`] outboxes read at once.

mod announce;
mod backoff;
mod deliver;
mod dispatch;
mod external;
mod prune;
mod pump;
mod queue;
mod subscribers;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use tokio::sync::{Notify, watch};

use self::announce::Seen;
pub use self::external::{External, Refused};
use self::queue::Queue;
use super::concurrency;
use crate::capability::events::Outboxes;
use crate::config::{Config, EventsConfig, NotificationsConfig};
use crate::db::{ControlPlane, DbError, NewEvent};
use crate::id::TenantId;
use crate::registry::Registry;
use crate::runtime::Runtime;
use crate::stream::Streams;

/// Everything that moves events.
pub struct Events {
    control: Arc<dyn ControlPlane>,
    runtime: Arc<Runtime>,
    registry: Arc<Registry>,
    streams: Arc<Streams>,
    limits: EventsConfig,
    kept: NotificationsConfig,
    /// Handlers that run at once, in all and of one tenant.
    concurrency: (usize, usize),
    queue: Queue,
    seen: Seen,
    stopping: watch::Sender<bool>,
    stopped: Notify,
    /// Requests that were told of in this second.
    requests: AtomicI64,
}

impl Events {
    pub fn new(
        control: Arc<dyn ControlPlane>,
        runtime: Arc<Runtime>,
        registry: Arc<Registry>,
        streams: Arc<Streams>,
        config: &Config,
    ) -> Arc<Self> {
        let limits = config.events.clone();
        let concurrency = concurrency(limits.concurrency, limits.tenant_concurrency, config);
        let (queue, seen, stopping, stopped, requests) = Default::default();
        Arc::new(Self {
            control,
            runtime,
            registry,
            streams,
            limits,
            kept: config.notifications.clone(),
            concurrency,
            queue,
            seen,
            stopping,
            stopped,
            requests,
        })
    }

    fn outboxes(&self) -> &Arc<Outboxes> {
        self.runtime.outboxes()
    }

    /// Moves events for as long as the host runs.
    pub async fn run(self: &Arc<Self>) {
        let of_marks = async {
            self.find_marks().await;
            futures::future::join(self.tend_marks(), self.prune()).await
        };
        futures::future::join4(self.pump(), of_marks, self.dispatch(), self.announce()).await;
    }

    /// Begins no more deliveries, and waits a little for those under way. What does not end until then is given back, so that
    /// the next start need not wait for its lease.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        _ = tokio::time::timeout(2 * dispatch::LAST, self.stopped.notified()).await;
    }

    /// Writes events down, and says so to those who hear of them. Gives the number of deliveries.
    async fn arrive(&self, events: Vec<NewEvent>) -> Result<usize, DbError> {
        if events.is_empty() {
            return Ok(0);
        }
        let tenants: HashSet<String> = events.iter().map(|event| event.tenant.clone()).collect();
        let deliveries = self.control.event_add(events).await?;
        self.tell(tenants);
        Ok(deliveries)
    }

    /// Says that there is something new for these tenants.
    fn tell(&self, tenants: HashSet<String>) {
        let tenants = tenants.iter().filter_map(|tenant| TenantId::parse(tenant).ok());
        tenants.for_each(|tenant| self.streams.news(&tenant));
    }

    /// Has the deliveries of a tenant looked at: there is a new one.
    pub fn wake(&self, tenant: &TenantId) {
        self.queue.wake(tenant);
    }

    /// The same, of so many new ones.
    pub fn added(&self, tenant: &TenantId, deliveries: usize) {
        self.outboxes().add_pending(tenant, deliveries);
        self.queue.wake(tenant);
    }
}
