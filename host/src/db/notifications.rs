//! What plugins tell people, and what a stream of it all reads.
//!
//! Invariants: a notification is known by its id and taken in once, however often it arrives. Sequences rise in the order in
//! which rows become visible, so whoever has read up to one has missed nothing before it. What was removed is known by its
//! last sequence ([`StreamBounds::gone`]), for each tenant.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::FromRow;

use super::events::event_columns;
use super::rows::Micros;
use super::{DbError, StoredEvent};

/// A notification that arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    pub id: String,
    pub tenant: String,
    /// `everyone`, or `role:` or `user:` with a name.
    pub recipient: String,
    pub plugin: String,
    pub kind: String,
    pub title: String,
    pub body: String,
    pub link: Option<String>,
    /// JSON.
    pub data: Option<String>,
    pub at: Timestamp,
    pub correlation_id: String,
}

/// A notification as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct StoredNotification {
    /// Rising in the order in which notifications arrived.
    pub sequence: i64,
    pub id: String,
    pub recipient: String,
    pub plugin: String,
    pub kind: String,
    pub title: String,
    pub body: String,
    pub link: Option<String>,
    pub data: Option<String>,
    #[sqlx(rename = "at_us", try_from = "Micros")]
    pub at: Timestamp,
    pub correlation_id: String,
    /// When whoever asks has read it, in microseconds.
    pub read_at_us: Option<i64>,
}

/// Whose notifications are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    pub tenant: String,
    /// All recipients that are this reader.
    pub recipients: Vec<String>,
    pub reader: String,
}

/// Where a page of a list ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Whether it was among those that are read, which come last.
    pub read: bool,
    pub sequence: i64,
}

/// The last rows of a tenant that there are, and the last that were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamBounds {
    pub last: StreamPosition,
    pub gone: StreamPosition,
}

/// A place in both orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamPosition {
    pub event: i64,
    pub notification: i64,
}

/// What is no longer kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationPrune {
    /// Tenants whose notifications stay, however many: one of theirs may arrive once more, and is known only while it is
    /// kept.
    pub spared: Vec<String>,
    /// Notifications that arrived before.
    pub before: Timestamp,
    /// Those of one recipient.
    pub of_recipient: u32,
    /// Those of one tenant.
    pub of_tenant: u32,
    /// Rows removed at once.
    pub rows: u32,
}

/// Where notifications are kept, and what streams read.
#[async_trait]
pub trait Notifications {
    /// Takes notifications in, in their order. Those whose id is known stay as they are.
    async fn notification_add(&self, notifications: Vec<NewNotification>) -> Result<(), DbError>;

    /// Those of an inbox: first what was not read, then the rest, the newest first. With `after` what comes behind that.
    async fn notification_list(
        &self,
        inbox: &Inbox,
        unread: bool,
        after: Option<Listed>,
        limit: u32,
    ) -> Result<Vec<StoredNotification>, DbError>;

    /// Notes that one of an inbox was read, if that was not noted before. None if it is not in the inbox.
    async fn notification_read(
        &self,
        inbox: &Inbox,
        id: &str,
        at: Timestamp,
    ) -> Result<Option<StoredNotification>, DbError>;

    /// Removes what is no longer kept. True when there may be more.
    async fn notification_prune(&self, prune: NotificationPrune) -> Result<bool, DbError>;

    /// Up to where a tenant's rows go, and from where they are still there.
    async fn stream_bounds(&self, tenant: &str) -> Result<StreamBounds, DbError>;

    /// The first events of a tenant after this sequence, in their order.
    async fn stream_events(&self, tenant: &str, after: i64, limit: u32) -> Result<Vec<StoredEvent>, DbError>;

    /// The first notifications after this sequence: to these recipients, or to all.
    async fn stream_notifications(
        &self,
        tenant: &str,
        recipients: Option<&[String]>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<StoredNotification>, DbError>;
}

pub(super) const NOTIFICATION_INSERT: &str = "\
    INSERT INTO notification (id, tenant, recipient, plugin, kind, title, body, link, data, at_us, correlation_id, stored_at_us) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING";

macro_rules! notification {
    ($reader:literal, $rest:literal) => {
        concat!(
            "SELECT sequence, id, recipient, plugin, kind, title, body, link, data, notification.at_us, correlation_id, ",
            $reader,
            " AS read_at_us FROM notification ",
            $rest
        )
    };
}

pub(super) const NOTIFICATION_LIST: &str = notification!(
    "noted.at_us",
    "LEFT JOIN notification_read AS noted ON noted.notification = sequence AND noted.reader = $3 \
     WHERE tenant = $1 AND recipient IN (SELECT value FROM json_each($2)) AND ($4 = 0 OR noted.at_us IS NULL) \
       AND ($5 IS NULL OR (noted.at_us IS NOT NULL) > $5 OR ((noted.at_us IS NOT NULL) = $5 AND sequence < $6)) \
     ORDER BY noted.at_us IS NOT NULL, sequence DESC LIMIT $7"
);

pub(super) const NOTIFICATION_READ: &str = "\
    INSERT INTO notification_read (notification, reader, at_us) \
    SELECT sequence, $3, $5 FROM notification \
    WHERE tenant = $1 AND recipient IN (SELECT value FROM json_each($2)) AND id = $4 \
    ON CONFLICT (notification, reader) DO NOTHING";

pub(super) const NOTIFICATION_FETCH: &str = notification!(
    "noted.at_us",
    "LEFT JOIN notification_read AS noted ON noted.notification = sequence AND noted.reader = $3 \
     WHERE tenant = $1 AND recipient IN (SELECT value FROM json_each($2)) AND id = $4"
);

pub(super) const NOTIFICATION_PRUNE: &str = "\
    DELETE FROM notification WHERE sequence IN \
        (SELECT sequence FROM notification WHERE stored_at_us < $1 AND tenant NOT IN (SELECT value FROM json_each($3)) \
         ORDER BY stored_at_us LIMIT $2)";

pub(super) const RECIPIENT_COUNT: &str =
    "SELECT tenant, recipient FROM notification GROUP BY tenant, recipient HAVING count(*) > $1";

/// Those of a recipient beyond the latest so many.
pub(super) const RECIPIENT_TRIM: &str = "\
    DELETE FROM notification WHERE sequence IN ( \
        SELECT sequence FROM notification WHERE tenant = $1 AND recipient = $2 AND sequence <= \
            (SELECT sequence FROM notification WHERE tenant = $1 AND recipient = $2 ORDER BY sequence DESC LIMIT 1 OFFSET $3) \
        ORDER BY sequence LIMIT $4)";

pub(super) const NOTIFICATION_COUNT: &str = "SELECT tenant FROM notification GROUP BY tenant HAVING count(*) > $1";

/// Those of a tenant beyond the latest so many.
pub(super) const NOTIFICATION_TRIM: &str = "\
    DELETE FROM notification WHERE sequence IN ( \
        SELECT sequence FROM notification WHERE tenant = $1 AND sequence <= \
            (SELECT sequence FROM notification WHERE tenant = $1 ORDER BY sequence DESC LIMIT 1 OFFSET $2) \
        ORDER BY sequence LIMIT $3)";

pub(super) const STREAM_BOUNDS: &str = "\
    SELECT coalesce((SELECT max(sequence) FROM event WHERE tenant = $1), 0), \
        coalesce((SELECT max(sequence) FROM notification WHERE tenant = $1), 0), \
        coalesce((SELECT sequence FROM stream_gone WHERE tenant = $1 AND kind = 'event'), 0), \
        coalesce((SELECT sequence FROM stream_gone WHERE tenant = $1 AND kind = 'notification'), 0)";

pub(super) const STREAM_EVENTS: &str =
    concat!("SELECT ", event_columns!(), " FROM event WHERE tenant = $1 AND sequence > $2 ORDER BY sequence LIMIT $3");

pub(super) const STREAM_NOTIFICATIONS: &str = notification!(
    "NULL",
    "WHERE tenant = $1 AND sequence > $2 AND ($3 IS NULL OR recipient IN (SELECT value FROM json_each($3))) \
     ORDER BY sequence LIMIT $4"
);
