//! One stream, as its client takes it.
//!
//! Nothing is done for a client that takes nothing: it is asked for the next message when there is room for one. A follower
//! that the feed has left behind reads from the control plane until it has caught up.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::entry::{Entry, Sequence};
use super::feed::Subscription;
use super::places::{Place, TooMany};
use super::reader::Reader;
use super::topics::Topics;
use super::{PAGE, StreamPosition, Streams, position, sse};
use crate::db::DbError;
use crate::log::chain;

/// The message that says that some of what was missed is no longer kept.
const RESET: &str = "reset";
/// Said once, when everything was told that was missed.
const LIVE: &str = "live";

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    #[error(transparent)]
    TooMany(#[from] TooMany),
    #[error(transparent)]
    Control(#[from] DbError),
}

pub struct Follower {
    streams: Arc<Streams>,
    reader: Reader,
    topics: Topics,
    feed: Subscription,
    /// All up to here was told, or is not for this reader.
    at: StreamPosition,
    /// What was gone up to here its client knows.
    gone: StreamPosition,
    /// There is more in the control plane.
    is_behind: bool,
    /// Rows that are read at once: fewer where not all of them found room, so that few are read in vain.
    rows: u32,
    has_said_live: bool,
    /// What is to be said next. Up to `stream.buffer_bytes`, or one message.
    ready: VecDeque<Bytes>,
    stopping: watch::Receiver<bool>,
    _place: Place,
}

impl Streams {
    /// Opens a stream for a reader: from now on, or from where it was when its client was told this.
    ///
    /// # Errors
    ///
    /// [`NotOpened`].
    pub async fn follow(
        self: &Arc<Self>,
        reader: Reader,
        topics: Topics,
        principal: &str,
        last: Option<&str>,
    ) -> Result<Follower, NotOpened> {
        let place = self.places.take(&reader.tenant, principal)?;
        let bounds = self.control.stream_bounds(reader.tenant.as_str()).await?;
        let asked = last.map(|last| position::read(last).filter(|asked| !position::is_ahead(*asked, bounds.last)));
        // From a position that this host cannot have told, nothing can be found.
        let (at, is_unknown) = match asked {
            Some(Some(asked)) => (asked, false),
            Some(None) => (bounds.last, true),
            None => (bounds.last, false),
        };
        let mut follower = Follower {
            feed: self.subscribe(&reader.tenant, bounds.last),
            stopping: self.stopping.subscribe(),
            streams: self.clone(),
            reader,
            topics,
            at,
            gone: if last.is_some() { StreamPosition::default() } else { bounds.gone },
            is_behind: true,
            rows: PAGE,
            has_said_live: false,
            ready: VecDeque::new(),
            _place: place,
        };
        follower.ready.push_back(sse::retry(follower.streams.retry_ms()).into());
        follower.ready.push_back(follower.sign_of_life());
        if is_unknown {
            follower.gone = bounds.gone;
            follower.reset("the id that was given is not known here");
        }
        Ok(follower)
    }

    /// When to come back: some time, so that not all come at once.
    pub fn retry_ms(&self) -> u64 {
        let least = self.limits.retry_ms;
        rand::random_range(least..=least.saturating_mul(2))
    }
}

impl Follower {
    /// What the client is to be told next. None when the stream is over. What was not given yet is not lost when this is
    /// dropped.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if *self.stopping.borrow() {
                return None;
            }
            if let Some(bytes) = self.ready.pop_front() {
                return Some(bytes);
            }
            if !self.is_behind {
                self.wait().await;
            } else if let Err(error) = self.catch_up().await {
                let error = chain(&error);
                tracing::error!(tenant = %self.reader.tenant, error, "a stream ends: what was missed cannot be read");
                return None;
            }
        }
    }

    /// Says that the stream lives, and where it is.
    pub fn sign_of_life(&self) -> Bytes {
        sse::id(&position::written(self.at)).into()
    }

    /// What is seen from now on is what this one may see.
    pub fn set_reader(&mut self, reader: Reader) {
        self.reader = reader;
    }

    /// Waits for what comes.
    async fn wait(&mut self) {
        let told = tokio::select! {
            told = self.feed.entries.recv() => told,
            _ = self.stopping.changed() => return,
        };
        match told {
            Ok(entry) => self.take(&entry),
            Err(RecvError::Lagged(_)) => self.is_behind = true,
            // The feed has ended before its time; the next one begins here.
            Err(RecvError::Closed) => {
                self.feed = self.streams.subscribe(&self.reader.tenant, self.at);
                self.is_behind = true;
            }
        }
    }

    /// Reads some of what was missed.
    async fn catch_up(&mut self) -> Result<(), DbError> {
        let (streams, tenant) = (self.streams.clone(), self.reader.tenant.clone());
        // It is never closed.
        let _turn = streams.catching_up.acquire().await;
        let events = streams.events(&tenant, self.at.event, self.rows).await?;
        let notifications = match events.is_empty() {
            true => {
                let recipients = Some(&self.reader.recipients[..]);
                streams.notifications(&tenant, recipients, self.at.notification, self.rows).await?
            }
            false => Vec::new(),
        };
        // Asked for afterwards: what went meanwhile counts as missed.
        let gone = streams.control.stream_bounds(tenant.as_str()).await?.gone;
        if gone.event > self.at.event.max(self.gone.event)
            || gone.notification > self.at.notification.max(self.gone.notification)
        {
            self.reset("some of what was missed is no longer kept");
        }
        self.gone = gone;
        self.is_behind = !(events.is_empty() && notifications.is_empty());
        if !self.is_behind && !self.has_said_live {
            self.has_said_live = true;
            self.ready.push_back(sse::comment(LIVE).into());
        }
        for entry in events.into_iter().chain(notifications) {
            let held: usize = self.ready.iter().map(Bytes::len).sum();
            // The rest is read again when this was taken.
            if held > 0 && held + entry.bytes.len() > streams.limits.buffer_bytes {
                self.rows = (self.rows / 2).max(1);
                return Ok(());
            }
            self.take(&entry);
        }
        self.rows = (self.rows * 2).min(PAGE);
        Ok(())
    }

    /// Moves on, and says what is for this reader.
    fn take(&mut self, entry: &Entry) {
        let (place, sequence) = match entry.sequence {
            Sequence::Event(sequence) => (&mut self.at.event, sequence),
            Sequence::Notification(sequence) => (&mut self.at.notification, sequence),
        };
        if sequence <= *place {
            return;
        }
        *place = sequence;
        if self.reader.hears(&self.topics, &entry.audience) {
            self.ready.push_back(sse::id_line(&position::written(self.at)).into());
            self.ready.push_back(entry.bytes.clone());
        }
    }

    fn reset(&mut self, why: &str) {
        self.ready.push_back(sse::message(RESET, &serde_json::json!({ "reason": why }).to_string()).into());
    }
}
