//! Events and notifications as clients read them.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::db::{StoredEvent, StoredNotification};

/// An event as CloudEvents writes it in JSON. `partitionkey` is its key; `sequence` rises as events arrive.
#[derive(Serialize)]
pub struct EventView {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: String,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitionkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    correlationid: String,
    hops: i64,
    sequence: i64,
    data: Option<Box<RawValue>>,
}

impl EventView {
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

impl From<StoredEvent> for EventView {
    fn from(event: StoredEvent) -> Self {
        Self {
            specversion: "1.0",
            id: event.id,
            source: event.source,
            topic: event.topic,
            subject: event.subject,
            time: event.at.to_string(),
            datacontenttype: "application/json",
            partitionkey: event.key,
            tenant: Some(event.tenant).filter(|tenant| !tenant.is_empty()),
            correlationid: event.correlation_id,
            hops: event.hops,
            sequence: event.sequence,
            data: RawValue::from_string(event.data).ok(),
        }
    }
}

/// A notification for one of those it is for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationView {
    id: String,
    /// `everyone`, or `role:` or `user:` with a name.
    to: String,
    plugin: String,
    kind: String,
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    time: String,
    correlation_id: String,
    /// Absent while whoever asks has not read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_at: Option<String>,
}

impl From<StoredNotification> for NotificationView {
    fn from(notification: StoredNotification) -> Self {
        let read_at = notification.read_at_us.and_then(|micros| Timestamp::from_microsecond(micros).ok());
        Self {
            id: notification.id,
            to: notification.recipient,
            plugin: notification.plugin,
            kind: notification.kind,
            title: notification.title,
            body: notification.body,
            link: notification.link,
            data: notification.data.and_then(|data| RawValue::from_string(data).ok()),
            time: notification.at.to_string(),
            correlation_id: notification.correlation_id,
            read_at: read_at.map(|at| at.to_string()),
        }
    }
}
