//! Telling people something: they list it, mark it as read, and see it at once while they have a stream open.
//!
//! Each kind stands in the plugin's manifest under `notifies`. Sent in a transaction a notification arrives if and only if
//! the transaction commits:
//!
//! ```ignore
//! sql::transaction(|tx| {
//!     tx.insert("ticket", columns)?;
//!     tx.notify(To::User(&assignee), Notification::new("assigned", title).link(path))?;
//!     Ok(ticket)
//! })
//! ```

use std::fmt;

use serde::Serialize;

pub use crate::bindings::tenon::host::notifications::{Error as HostError, Size};

use crate::bindings::tenon::host::notifications as host;
use crate::events::Unhandled;
use crate::sql::Transaction;

pub type Result<T> = std::result::Result<T, Error>;

/// Why a notification was not sent.
#[derive(Debug)]
pub enum Error {
    /// The host refused it or could not take it.
    Host(HostError),
    /// Its data cannot be written as JSON.
    Data(serde_json::Error),
}

/// Whom a notification is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To<'a> {
    /// The user of this id, as [`context`](crate::context) names users.
    User(&'a str),
    /// Whoever has this role when they look.
    Role(&'a str),
    /// Everybody in the tenant.
    Everyone,
}

/// What people are told.
#[derive(Debug, Clone)]
pub struct Notification(host::Notification);

impl Notification {
    /// With one of the kinds that the manifest declares, and one line.
    pub fn new(kind: impl Into<String>, title: impl Into<String>) -> Self {
        let (kind, title) = (kind.into(), title.into());
        Self(host::Notification { kind, title, body: String::new(), link: None, data: None })
    }

    /// More of it, as plain text.
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.0.body = body.into();
        self
    }

    /// Where it leads: a path on this host, or an address that begins with `https://`.
    pub fn link(mut self, link: impl Into<String>) -> Self {
        self.0.link = Some(link.into());
        self
    }

    /// What programs are to know.
    pub fn data(mut self, data: &impl Serialize) -> Result<Self> {
        self.0.data = Some(serde_json::to_string(data).map_err(Error::Data)?);
        Ok(self)
    }

    /// Sends it and returns its id; it is on disk then. Within a transaction use [`Transaction::notify`].
    pub fn send(&self, to: To<'_>) -> Result<String> {
        host::notify(&to.named(), &self.0).map_err(Error::Host)
    }

    pub(crate) fn send_in(&self, transaction: &Transaction, to: To<'_>) -> Result<String> {
        host::notify_in(&transaction.0, &to.named(), &self.0).map_err(Error::Host)
    }
}

impl To<'_> {
    fn named(self) -> host::Recipient {
        match self {
            Self::User(user) => host::Recipient::User(user.to_owned()),
            Self::Role(role) => host::Recipient::Role(role.to_owned()),
            Self::Everyone => host::Recipient::Everyone,
        }
    }
}

impl Error {
    /// What the plugin's caller may know: that nothing can be told at the moment, and nothing about a fault in the plugin,
    /// which goes to standard error.
    pub fn for_caller(&self) -> String {
        match self {
            Self::Host(HostError::Quota(_) | HostError::Unavailable(_)) => self.to_string(),
            _ => {
                eprintln!("a notification was not sent: {self}");
                "the plugin could not notify anybody of it; its log says why".to_owned()
            }
        }
    }
}

impl From<Error> for Unhandled {
    fn from(error: Error) -> Self {
        match error {
            Error::Host(HostError::Quota(_) | HostError::Unavailable(_)) => Self::Retry(error.to_string()),
            _ => Self::Reject(error.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(HostError::TooLarge(size)) => {
                write!(f, "{} has {} bytes, at most {} are allowed", size.part, size.bytes, size.most)
            }
            Self::Host(
                HostError::Denied(why) | HostError::Invalid(why) | HostError::Quota(why) | HostError::Unavailable(why),
            ) => f.write_str(why),
            Self::Data(error) => write!(f, "the data of the notification cannot be written as JSON: {error}"),
        }
    }
}

impl std::error::Error for Error {}
