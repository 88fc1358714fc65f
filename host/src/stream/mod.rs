//! What people hear as it happens: streams of notifications, and of the events that they may see.
//!
//! ```text
//! control plane ─ one feed for each tenant that has listeners ─▶ followers, one for each stream
//! ```
//!
//! Invariants: a follower has a position in the order of events and in that of notifications, and moves on only with what it
//! has given out or may not show. What is before its position was told; what is behind comes from the feed, or from the
//! control plane when the feed is ahead of it. So nothing is left out and nothing comes twice, also when the client comes back
//! with the position it was last told, to this process or to the next.
//!
//! Bounds: `stream.streams` followers, of one tenant `stream.tenant_streams`, of one principal `stream.principal_streams`. A
//! follower holds `stream.buffer_bytes`, and nothing that grows with what happens: nobody writes to it, it comes for more when
//! its client has taken what it had. A feed holds `stream.backlog` entries, those that not every follower has taken.

mod entry;
mod feed;
mod follower;
mod places;
mod position;
mod reader;
pub mod sse;
mod topics;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};

use self::entry::Entry;
use self::feed::Feed;
pub use self::follower::{Follower, NotOpened};
use self::places::Places;
pub use self::places::TooMany;
pub use self::reader::Reader;
pub use self::topics::{TopicFilter, Topics};
pub use self::view::{EventView, NotificationView};
use crate::config::{Config, StreamConfig};
use crate::db::{ControlPlane, DbError, StreamPosition};
use crate::id::TenantId;
use crate::registry::Registry;

/// Rows that are read at once, at most.
const PAGE: u32 = 32;
/// Followers that read from the control plane at once, so that it is there for others, and what they read is bounded.
const CATCHING_UP: usize = 4;

/// All streams of the host.
pub struct Streams {
    control: Arc<dyn ControlPlane>,
    registry: Arc<Registry>,
    limits: StreamConfig,
    feeds: Mutex<HashMap<TenantId, Arc<Feed>>>,
    places: Arc<Places>,
    catching_up: Semaphore,
    stopping: watch::Sender<bool>,
}

impl Streams {
    pub fn new(control: Arc<dyn ControlPlane>, registry: Arc<Registry>, config: &Config) -> Arc<Self> {
        let limits = config.stream.clone();
        // Streams are never given up for others, so they have a part of what there is and no more.
        let room = config.http.answers_bytes / 2 / limits.buffer_bytes;
        let streams = limits.streams.min(config.http.connections_max / 2).min(room).max(1);
        let places = Places::new(streams, limits.tenant_streams, limits.principal_streams);
        let (feeds, stopping) = Default::default();
        Arc::new(Self { control, registry, limits, feeds, places, catching_up: Semaphore::new(CATCHING_UP), stopping })
    }

    pub fn limits(&self) -> &StreamConfig {
        &self.limits
    }

    /// Says that there is something new for a tenant. It is in the control plane then.
    pub fn news(&self, tenant: &TenantId) {
        if let Some(feed) = self.feeds().get(tenant) {
            feed.wake();
        }
    }

    /// Ends all streams, and each that is opened from now on.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next events of a tenant.
    async fn events(&self, tenant: &TenantId, after: i64, rows: u32) -> Result<Vec<Entry>, DbError> {
        let found = self.control.stream_events(tenant.as_str(), after, rows).await?;
        let snapshot = self.registry.snapshot();
        let view = snapshot.view(tenant);
        Ok(found.into_iter().map(|event| Entry::event(event, &view)).collect())
    }

    /// The next notifications: those to these recipients, or all.
    async fn notifications(
        &self,
        tenant: &TenantId,
        recipients: Option<&[String]>,
        after: i64,
        rows: u32,
    ) -> Result<Vec<Entry>, DbError> {
        let found = self.control.stream_notifications(tenant.as_str(), recipients, after, rows).await?;
        Ok(found.into_iter().map(Entry::notification).collect())
    }
}
