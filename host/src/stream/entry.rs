//! One thing that is told: who may hear it, and how it is written. It is written once, for all who hear it.

use axum::body::Bytes;

use super::sse;
use super::view::{EventView, NotificationView};
use crate::db::{StoredEvent, StoredNotification};
use crate::permission::PermissionName;
use crate::registry::TenantView;

/// The name of a message that is a notification. No topic has one word.
const NOTIFICATION: &str = "notification";

pub(super) struct Entry {
    pub sequence: Sequence,
    pub audience: Audience,
    /// The message, but for its id.
    pub bytes: Bytes,
}

/// Its number, in the order of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequence {
    Event(i64),
    Notification(i64),
}

/// Who may hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Audience {
    /// Who may see such events.
    Event {
        topic: Box<str>,
        /// The plugin that published it, if one did.
        from: Option<Box<str>>,
        /// What its manifest says is needed.
        permission: Option<PermissionName>,
    },
    /// Whoever is this recipient.
    Recipient(Box<str>),
}

impl Entry {
    /// What is needed to see it, the plugin says that published it, as far as it is active for the tenant now.
    pub fn event(event: StoredEvent, view: &TenantView) -> Self {
        let from = event.source.strip_prefix("/plugins/").map(Box::from);
        let publisher = view.active().find(|plugin| from.as_deref() == Some(plugin.key().id.as_str()));
        let permission = publisher.and_then(|plugin| plugin.manifest.to_see(&event.topic)).cloned();
        let (sequence, topic) = (Sequence::Event(event.sequence), Box::from(&*event.topic));
        let view = EventView::from(event);
        let bytes = sse::message(view.topic(), &json(&view)).into();
        Self { sequence, audience: Audience::Event { topic, from, permission }, bytes }
    }

    pub fn notification(notification: StoredNotification) -> Self {
        let sequence = Sequence::Notification(notification.sequence);
        let audience = Audience::Recipient(Box::from(&*notification.recipient));
        let bytes = sse::message(NOTIFICATION, &json(&NotificationView::from(notification))).into();
        Self { sequence, audience, bytes }
    }
}

fn json(view: &impl serde::Serialize) -> String {
    serde_json::to_string(view).unwrap_or_default()
}
