//! `tenon:host/notifications`: telling people something.
//!
//! Invariant: a notification leaves its plugin as an event does ([`super::events`]): by a row of the outbox in the plugin's
//! own database, written in its transaction or in one of its own. So it arrives if and only if the change that it tells of
//! took effect, whatever happens to the host.
//!
//! Bounds: the bytes of each part (`notifications.*_bytes`), the rows of the outbox (`events.pending`), and the
//! notifications of an hour.

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wasmtime::component::{HasData, Linker, Resource, ResourceTableError};

use super::events::{Draft, EventError, EventFault, EventsView, OutboxRow};
use super::sql::TransactionHandle;
use crate::bindings::tenon::host::notifications as wit;
use crate::config::NotificationsConfig;
use crate::fault;
use crate::id::{RoleName, UserId, excerpt};
use crate::usage::{Quota, Taken};

/// What stands as the topic of an outbox's row that is a notification. No event has such a topic: those have two words.
pub const NOTIFICATION: &str = "notification";

/// Whom a notification to everybody in the tenant is for. Others are for `user:` or `role:` and a name.
pub const EVERYONE: &str = "everyone";

/// A notification as it lies in the outbox; whom it is for is the row's subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    pub kind: String,
    pub title: String,
    pub body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// The capability's view of a store.
pub struct NotificationsView<'a> {
    /// The kinds that the plugin's manifest declares.
    pub kinds: &'a [Box<str>],
    pub limits: &'a NotificationsConfig,
    pub events: EventsView<'a>,
}

/// An error of this interface on its way out: the plugin's to handle, or the end of its instance.
#[derive(Debug, thiserror::Error)]
pub enum NotificationFault {
    #[error(transparent)]
    Guest(#[from] NotificationError),
    /// The plugin used a handle it does not hold.
    #[error(transparent)]
    Handle(#[from] ResourceTableError),
}

/// Why a notification was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    #[error("{0}")]
    Denied(String),
    #[error("{part}: {problem}")]
    Invalid { part: &'static str, problem: String },
    #[error("{part}: {bytes} bytes, at most {most}")]
    TooLarge { part: &'static str, bytes: usize, most: usize },
    #[error("{0}")]
    Quota(String),
    #[error("{0}")]
    Unavailable(String),
}

impl From<EventError> for NotificationError {
    fn from(error: EventError) -> Self {
        match error {
            EventError::Denied(why) => Self::Denied(why),
            EventError::Quota(limit) => Self::Quota(limit),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<EventFault> for NotificationFault {
    fn from(fault: EventFault) -> Self {
        match fault {
            EventFault::Guest(error) => Self::Guest(error.into()),
            EventFault::Handle(error) => Self::Handle(error),
        }
    }
}

impl Notification {
    fn new(notification: wit::Notification) -> Self {
        let wit::Notification { kind, title, body, link, data } = notification;
        Self { kind, title, body, link, data }
    }

    /// # Errors
    ///
    /// The first part that is not what it has to be.
    pub fn check(&self, limits: &NotificationsConfig) -> Result<(), NotificationError> {
        let invalid = |part, problem: &str| Err(NotificationError::Invalid { part, problem: problem.to_owned() });
        for (part, text, most) in [
            ("title", Some(&self.title), limits.title_bytes),
            ("body", Some(&self.body), limits.body_bytes),
            ("link", self.link.as_ref(), limits.link_bytes),
            ("data", self.data.as_ref(), limits.data_bytes),
        ] {
            let bytes = text.map_or(0, String::len);
            if bytes > most {
                return Err(NotificationError::TooLarge { part, bytes, most });
            }
        }
        if self.title.trim().is_empty() || self.title.chars().any(char::is_control) {
            return invalid("title", "must be one line, and not empty");
        }
        if self.body.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return invalid("body", "has control characters other than line breaks and tabs");
        }
        if self.link.as_ref().is_some_and(|link| !is_link(link)) {
            return invalid(
                "link",
                "must be a path that begins with one `/`, or an address that begins with `https://`",
            );
        }
        match self.data.as_ref().map(|data| serde_json::from_str::<IgnoredAny>(data)) {
            Some(Err(error)) => invalid("data", &format!("is not one JSON value: {error}")),
            _ => Ok(()),
        }
    }
}

/// Whether a page may make it a link without a further look: it neither runs anything nor leaves for a host by surprise.
fn is_link(text: &str) -> bool {
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let is_address =
        text.strip_prefix("https://").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    (is_path || is_address) && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"'<>`".contains(&byte))
}

/// Whom it is for, as it is kept.
fn address(to: &wit::Recipient) -> Result<String, NotificationError> {
    let invalid = |problem| NotificationError::Invalid { part: "to", problem };
    match to {
        wit::Recipient::Everyone => Ok(EVERYONE.to_owned()),
        wit::Recipient::User(user) => match UserId::parse(user) {
            Ok(user) => Ok(format!("user:{user}")),
            Err(error) => Err(invalid(error.to_string())),
        },
        wit::Recipient::Role(role) => match RoleName::parse(role) {
            Ok(role) => Ok(format!("role:{role}")),
            Err(error) => Err(invalid(error.to_string())),
        },
    }
}

impl NotificationsView<'_> {
    /// Whether the call may send this, the row that does, and what it took.
    fn row(
        &self,
        to: &wit::Recipient,
        notification: wit::Notification,
    ) -> Result<(OutboxRow, Taken), NotificationError> {
        let call = &self.events.call;
        if call.tenant.is_nobody() {
            let why = "there is no tenant: the plugin is being installed or uninstalled";
            return Err(NotificationError::Denied(why.to_owned()));
        }
        let notification = Notification::new(notification);
        if !self.kinds.iter().any(|kind| **kind == *notification.kind) {
            let kind = excerpt(&notification.kind);
            let why = format!("the kind {kind:?} is not declared: add it to `notifies` in the plugin's manifest");
            return Err(NotificationError::Denied(why));
        }
        notification.check(self.limits)?;
        let subject = address(to)?;
        let unwritable = |error: serde_json::Error| NotificationError::Unavailable(error.to_string());
        let data = serde_json::to_string(&notification).map_err(unwritable)?;
        let most = self.events.outboxes.limits().data_bytes;
        if data.len() > most {
            return Err(NotificationError::TooLarge { part: "body", bytes: data.len(), most });
        }
        let taken = self.events.usage.reserve(call.tenant, call.plugin, Quota::Notifications, 1);
        let taken = taken.map_err(|exceeded| NotificationError::Quota(exceeded.to_string()))?;
        let row = OutboxRow {
            id: Uuid::now_v7().to_string(),
            draft: Draft { topic: NOTIFICATION.to_owned(), key: None, subject: Some(subject), data },
            at: Timestamp::now(),
            correlation_id: call.correlation_id.to_string(),
            hops: call.hops,
        };
        Ok((row, taken))
    }
}

impl wit::Host for NotificationsView<'_> {
    async fn notify(
        &mut self,
        to: wit::Recipient,
        notification: wit::Notification,
    ) -> Result<String, NotificationFault> {
        fault::point("tenon:host/notifications.notify");
        let row = self.row(&to, notification)?;
        let written = self.events.write(row).await;
        Ok(written.map_err(NotificationError::from)?)
    }

    async fn notify_in(
        &mut self,
        transaction: Resource<TransactionHandle>,
        to: wit::Recipient,
        notification: wit::Notification,
    ) -> Result<String, NotificationFault> {
        fault::point("tenon:host/notifications.notify-in");
        let row = self.row(&to, notification)?;
        Ok(self.events.write_in(&transaction, row).await?)
    }

    fn convert_error(&mut self, fault: NotificationFault) -> wasmtime::Result<wit::Error> {
        Ok(match fault {
            NotificationFault::Guest(NotificationError::Denied(why)) => wit::Error::Denied(why),
            NotificationFault::Guest(error @ NotificationError::Invalid { .. }) => {
                wit::Error::Invalid(error.to_string())
            }
            NotificationFault::Guest(NotificationError::TooLarge { part, bytes, most }) => {
                wit::Error::TooLarge(wit::Size { part: part.to_owned(), bytes: bytes as u64, most: most as u64 })
            }
            NotificationFault::Guest(NotificationError::Quota(limit)) => wit::Error::Quota(limit),
            NotificationFault::Guest(NotificationError::Unavailable(why)) => wit::Error::Unavailable(why),
            NotificationFault::Handle(error) => return Err(error.into()),
        })
    }
}

/// Adds the interface to a linker whose stores can give a [`NotificationsView`].
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> NotificationsView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasNotifications>(linker, view)
}

struct HasNotifications;

impl HasData for HasNotifications {
    type Data<'a> = NotificationsView<'a>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Notification {
        let text = |text: &str| text.to_owned();
        Notification {
            kind: text("deal-won"),
            title: text("Won"),
            body: text("one\ntwo"),
            link: Some(text("/plugins/crm/deals/deal-1?x=1#y")),
            data: Some(text("{\"a\": 1}")),
        }
    }

    fn refused(change: impl FnOnce(&mut Notification)) -> NotificationError {
        let mut notification = good();
        change(&mut notification);
        notification.check(&NotificationsConfig::default()).unwrap_err()
    }

    #[test]
    fn every_part_is_bounded() {
        let limits = NotificationsConfig::default();
        assert_eq!(good().check(&limits), Ok(()));
        let long = |most: usize| "x".repeat(most + 1);
        let too_large = |error| matches!(error, NotificationError::TooLarge { bytes, most, .. } if bytes == most + 1);
        assert!(too_large(refused(|n| n.title = long(limits.title_bytes))));
        assert!(too_large(refused(|n| n.body = long(limits.body_bytes))));
        assert!(too_large(refused(|n| n.link = Some(long(limits.link_bytes)))));
        assert!(too_large(refused(|n| n.data = Some(long(limits.data_bytes)))));
    }

    #[test]
    fn what_a_page_could_show_wrong_is_refused() {
        let is_invalid = |error, name| matches!(error, NotificationError::Invalid { part, .. } if part == name);
        for title in ["", " ", "a\nb", "a\u{85}b", "\u{1b}[2J"] {
            assert!(is_invalid(refused(|n| n.title = title.to_owned()), "title"), "{title:?}");
        }
        assert!(is_invalid(refused(|n| n.body = "a\rb".to_owned()), "body"));
        for link in [
            "",
            "deals",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "http://x",
            "https://",
            "https:///x",
            "/a b",
        ] {
            assert!(is_invalid(refused(|n| n.link = Some(link.to_owned())), "link"), "{link:?}");
        }
        for data in ["", "{", "{} {}"] {
            assert!(is_invalid(refused(|n| n.data = Some(data.to_owned())), "data"), "{data:?}");
        }
    }
}
