//! What is new for one tenant, read once for all its followers.
//!
//! There is a feed as long as there is a follower. It begins where the first of them does, so each finds in the control
//! plane what was before its first entry.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, broadcast};

use super::entry::Sequence;
use super::{Entry, PAGE, Streams};
use crate::db::{DbError, StreamPosition};
use crate::id::TenantId;
use crate::log::chain;

/// Time until a control plane is asked again that could not answer.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Feed {
    news: Arc<Notify>,
    /// What it keeps, not every follower has taken.
    entries: broadcast::Sender<Arc<Entry>>,
}

impl Feed {
    pub fn wake(&self) {
        self.news.notify_one();
    }
}

/// The way of one follower into a feed. Dropped, the feed looks whether anybody is left.
pub(super) struct Subscription {
    pub entries: broadcast::Receiver<Arc<Entry>>,
    // Dropped after the receiver, so that the feed sees that it is gone.
    _leaving: Leaving,
}

struct Leaving(Arc<Notify>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A feed that runs. However it ends, it is there no longer, and the next follower gets a new one.
struct Running {
    streams: Arc<Streams>,
    tenant: TenantId,
    feed: Arc<Feed>,
}

impl Streams {
    /// Takes part in the tenant's feed, or begins one at a position of this moment or before.
    pub(super) fn subscribe(self: &Arc<Self>, tenant: &TenantId, at: StreamPosition) -> Subscription {
        let mut feeds = self.feeds();
        let feed = feeds.entry(tenant.clone()).or_insert_with(|| {
            let entries = broadcast::Sender::new(self.limits.backlog);
            let feed = Arc::new(Feed { news: Arc::default(), entries });
            let running = Running { streams: self.clone(), tenant: tenant.clone(), feed: feed.clone() };
            tokio::spawn(running.run(at));
            feed
        });
        Subscription { entries: feed.entries.subscribe(), _leaving: Leaving(feed.news.clone()) }
    }
}

impl Running {
    async fn run(self, mut at: StreamPosition) {
        // What another process on the same database wrote, nobody says here.
        let longest = self.streams.limits.heartbeat();
        while self.is_heard() {
            if let Err(error) = self.tell(&mut at).await {
                let error = chain(&error);
                tracing::error!(tenant = %self.tenant, error, "streams hear nothing new for now; it is tried again");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            _ = tokio::time::timeout(longest, self.feed.news.notified()).await;
        }
    }

    /// Whether anybody follows; if nobody does, the feed is gone with this answer.
    fn is_heard(&self) -> bool {
        let mut feeds = self.streams.feeds();
        if self.feed.entries.receiver_count() > 0 {
            return true;
        }
        feeds.remove(&self.tenant);
        false
    }

    /// Gives everybody what is new.
    async fn tell(&self, at: &mut StreamPosition) -> Result<(), DbError> {
        loop {
            let mut entries = self.streams.events(&self.tenant, at.event, PAGE).await?;
            entries.extend(self.streams.notifications(&self.tenant, None, at.notification, PAGE).await?);
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                match entry.sequence {
                    Sequence::Event(sequence) => at.event = sequence,
                    Sequence::Notification(sequence) => at.notification = sequence,
                }
                // An error says that nobody follows any more.
                _ = self.feed.entries.send(Arc::new(entry));
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut feeds = self.streams.feeds();
        if feeds.get(&self.tenant).is_some_and(|feed| Arc::ptr_eq(feed, &self.feed)) {
            feeds.remove(&self.tenant);
        }
    }
}
