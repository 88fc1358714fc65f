//! Notifications in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SqliteControlPlane, transaction};
use crate::db::notifications::{
    NOTIFICATION_COUNT, NOTIFICATION_FETCH, NOTIFICATION_INSERT, NOTIFICATION_LIST, NOTIFICATION_PRUNE,
    NOTIFICATION_READ, NOTIFICATION_TRIM, RECIPIENT_COUNT, RECIPIENT_TRIM, STREAM_BOUNDS, STREAM_EVENTS,
    STREAM_NOTIFICATIONS,
};
use crate::db::{
    DbError, Inbox, Listed, NewNotification, NotificationPrune, Notifications, StoredEvent, StoredNotification,
    StreamBounds, StreamPosition,
};

#[async_trait]
impl Notifications for SqliteControlPlane {
    async fn notification_add(&self, notifications: Vec<NewNotification>) -> Result<(), DbError> {
        let now = Timestamp::now().as_microsecond();
        transaction(&self.writer, "notification_add", move |connection| {
            Box::pin(async move {
                for new in notifications {
                    let insert = sqlx::query(NOTIFICATION_INSERT).bind(new.id).bind(new.tenant).bind(new.recipient);
                    let insert = insert.bind(new.plugin).bind(new.kind).bind(new.title).bind(new.body).bind(new.link);
                    let insert = insert.bind(new.data).bind(new.at.as_microsecond()).bind(new.correlation_id).bind(now);
                    insert.execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn notification_list(
        &self,
        inbox: &Inbox,
        unread: bool,
        after: Option<Listed>,
        limit: u32,
    ) -> Result<Vec<StoredNotification>, DbError> {
        let list = sqlx::query_as(NOTIFICATION_LIST).bind(&inbox.tenant).bind(json(&inbox.recipients));
        let list = list.bind(&inbox.reader).bind(unread).bind(after.map(|after| after.read));
        let list = list.bind(after.map(|after| after.sequence)).bind(limit).fetch_all(&self.readers).await;
        list.map_err(DbError::during("notification_list"))
    }

    async fn notification_read(
        &self,
        inbox: &Inbox,
        id: &str,
        at: Timestamp,
    ) -> Result<Option<StoredNotification>, DbError> {
        let (recipients, during) = (json(&inbox.recipients), DbError::during("notification_read"));
        let read = sqlx::query(NOTIFICATION_READ).bind(&inbox.tenant).bind(&recipients).bind(&inbox.reader);
        let noted = read.bind(id).bind(at.as_microsecond()).execute(&self.writer).await;
        noted.map_err(during)?;
        let fetch = sqlx::query_as(NOTIFICATION_FETCH).bind(&inbox.tenant).bind(recipients).bind(&inbox.reader);
        fetch.bind(id).fetch_optional(&self.readers).await.map_err(DbError::during("notification_read"))
    }

    async fn notification_prune(&self, prune: NotificationPrune) -> Result<bool, DbError> {
        let (rows, during) = (u64::from(prune.rows), || DbError::during("notification_prune"));
        let old = sqlx::query(NOTIFICATION_PRUNE)
            .bind(prune.before.as_microsecond())
            .bind(prune.rows)
            .bind(json(&prune.spared));
        let mut more = old.execute(&self.writer).await.map_err(during())?.rows_affected() >= rows;
        let over = sqlx::query_as(RECIPIENT_COUNT).bind(prune.of_recipient).fetch_all(&self.readers).await;
        let over: Vec<(String, String)> = over.map_err(during())?;
        let is_spared = |tenant: &String| prune.spared.contains(tenant);
        for (tenant, recipient) in over.into_iter().filter(|(tenant, _)| !is_spared(tenant)) {
            let trim = sqlx::query(RECIPIENT_TRIM).bind(tenant).bind(recipient).bind(prune.of_recipient);
            let trimmed = trim.bind(prune.rows).execute(&self.writer).await.map_err(during())?;
            more |= trimmed.rows_affected() >= rows;
        }
        let over = sqlx::query_scalar(NOTIFICATION_COUNT).bind(prune.of_tenant).fetch_all(&self.readers).await;
        let over: Vec<String> = over.map_err(during())?;
        for tenant in over.into_iter().filter(|tenant| !is_spared(tenant)) {
            let trim = sqlx::query(NOTIFICATION_TRIM).bind(tenant).bind(prune.of_tenant).bind(prune.rows);
            more |= trim.execute(&self.writer).await.map_err(during())?.rows_affected() >= rows;
        }
        Ok(more)
    }

    async fn stream_bounds(&self, tenant: &str) -> Result<StreamBounds, DbError> {
        let bounds = sqlx::query_as(STREAM_BOUNDS).bind(tenant).fetch_one(&self.readers).await;
        let (event, notification, event_gone, notification_gone): (i64, i64, i64, i64) =
            bounds.map_err(DbError::during("stream_bounds"))?;
        // The last row may be the one that was removed.
        let last = StreamPosition { event: event.max(event_gone), notification: notification.max(notification_gone) };
        Ok(StreamBounds { last, gone: StreamPosition { event: event_gone, notification: notification_gone } })
    }

    async fn stream_events(&self, tenant: &str, after: i64, limit: u32) -> Result<Vec<StoredEvent>, DbError> {
        let list = sqlx::query_as(STREAM_EVENTS).bind(tenant).bind(after).bind(limit).fetch_all(&self.readers).await;
        list.map_err(DbError::during("stream_events"))
    }

    async fn stream_notifications(
        &self,
        tenant: &str,
        recipients: Option<&[String]>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<StoredNotification>, DbError> {
        let list = sqlx::query_as(STREAM_NOTIFICATIONS).bind(tenant).bind(after).bind(recipients.map(json)).bind(limit);
        list.fetch_all(&self.readers).await.map_err(DbError::during("stream_notifications"))
    }
}

/// A list as a statement takes it.
pub(super) fn json(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}
