//! Small facts that a plugin keeps for others to read.
//!
//! ```ignore
//! const EVENTS: Namespace = shared_data::namespace("crm.events");
//!
//! // The plugin that owns it:
//! EVENTS.lasting(Duration::from_secs(300)).set_json_in(tx, "last-deal-update", &Update { deal, at })?;
//! // Another one:
//! let update: Option<Update> = EVENTS.json("last-deal-update")?;
//! ```
//!
//! A namespace begins with the id of the plugin that owns it. It stands in that plugin's manifest under `sharedData.owns`,
//! with who may read it, and in the readers' under `sharedData.reads`. Each tenant has entries of its own.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::tenon::host::shared_data::{Entry, Error as HostError};

use crate::bindings::tenon::host::shared_data as host;
use crate::events::{Event, Unhandled};
use crate::sql::Transaction;

pub type Result<T> = std::result::Result<T, Error>;

/// The topic of the event that tells of each change of a namespace that others may read; [`Changed`] reads it.
pub const CHANGED: &str = "shared-data.changed";

/// Why shared data could not be read or changed.
#[derive(Debug)]
pub enum Error {
    /// The host refused it or could not do it.
    Host(HostError),
    /// The value under a key is not what the code reading it expects.
    Value { key: String, expected: &'static str },
}

/// Keys with values, which one plugin changes and others may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace<'a> {
    name: &'a str,
    ttl: Option<Duration>,
}

/// The namespace of this name. It need not be made before.
pub const fn namespace(name: &str) -> Namespace<'_> {
    Namespace { name, ttl: None }
}

impl Namespace<'_> {
    /// The same, where what is set is gone after so long.
    pub const fn lasting(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// What is under a key, with its version and how long it lasts.
    pub fn entry(&self, key: &str) -> Result<Option<Entry>> {
        Ok(host::get(self.name, key)?)
    }

    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.entry(key)?.map(|entry| entry.value))
    }

    /// A value that is text.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        let text = self.get(key)?.map(String::from_utf8).transpose();
        text.map_err(|_| Error::Value { key: key.to_owned(), expected: "a text" })
    }

    /// A value that was set with [`set_json`](Self::set_json).
    pub fn json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let value = self.get(key)?.map(|value| serde_json::from_slice(&value)).transpose();
        value.map_err(|_| Error::Value { key: key.to_owned(), expected: std::any::type_name::<T>() })
    }

    /// Sets a value and gives its version; it is on disk then. Within a transaction use [`set_in`](Self::set_in).
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<u64> {
        Ok(host::set(self.name, key, value.as_ref(), self.ttl_ms())?)
    }

    /// Sets a value as JSON.
    pub fn set_json(&self, key: &str, value: &impl Serialize) -> Result<u64> {
        self.set(key, json(key, value)?)
    }

    /// Sets a value if the transaction commits.
    pub fn set_in(&self, transaction: &Transaction, key: &str, value: impl AsRef<[u8]>) -> Result<u64> {
        Ok(host::set_in(&transaction.0, self.name, key, value.as_ref(), self.ttl_ms())?)
    }

    /// Sets a value as JSON if the transaction commits.
    pub fn set_json_in(&self, transaction: &Transaction, key: &str, value: &impl Serialize) -> Result<u64> {
        self.set_in(transaction, key, json(key, value)?)
    }

    /// Sets a value if its version is still this one, or if nothing is there; [`HostError::Conflict`] says what is.
    pub fn swap(&self, key: &str, expected: Option<u64>, value: impl AsRef<[u8]>) -> Result<u64> {
        Ok(host::compare_and_swap(self.name, key, expected, value.as_ref(), self.ttl_ms())?)
    }

    /// Makes the new value of the old one, and tries again when somebody else was faster: so no change is lost. The
    /// closure may run several times. Gives what was set.
    pub fn update(&self, key: &str, mut change: impl FnMut(Option<Vec<u8>>) -> Vec<u8>) -> Result<Vec<u8>> {
        // Each time round somebody else has got on, and the host ends it with the call.
        loop {
            let (version, value) = self.entry(key)?.map(|entry| (entry.version, entry.value)).unzip();
            let new = change(value);
            match self.swap(key, version, &new) {
                Ok(_) => return Ok(new),
                Err(Error::Host(HostError::Conflict(_))) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes a key. False if nothing was there.
    pub fn delete(&self, key: &str) -> Result<bool> {
        Ok(host::delete(self.name, key)?)
    }

    /// Removes a key if the transaction commits.
    pub fn delete_in(&self, transaction: &Transaction, key: &str) -> Result<bool> {
        Ok(host::delete_in(&transaction.0, self.name, key)?)
    }

    /// All keys, in the order in which they were first set.
    pub fn keys(&self) -> Result<Vec<String>> {
        let (mut keys, mut cursor) = (Vec::new(), None);
        loop {
            let page = host::list_keys(self.name, cursor.as_deref())?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }

    fn ttl_ms(&self) -> Option<u64> {
        // Less than a millisecond is one, and not none.
        self.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1))
    }
}

fn json(key: &str, value: &impl Serialize) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(value);
    json.map_err(|_| Error::Value { key: key.to_owned(), expected: "something JSON can say" })
}

/// What the event [`CHANGED`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub namespace: String,
    pub key: String,
    pub version: u64,
    pub deleted: bool,
}

impl Changed {
    /// # Errors
    ///
    /// The event tells of something else.
    pub fn of(event: &Event) -> std::result::Result<Self, Unhandled> {
        let data: serde_json::Value = event.data()?;
        let text = |name: &str| data[name].as_str().map(str::to_owned);
        let changed = || {
            let (namespace, key) = (text("namespace")?, text("key")?);
            Some(Self { namespace, key, version: data["version"].as_u64()?, deleted: data["deleted"].as_bool()? })
        };
        changed().filter(|_| event.topic == CHANGED).ok_or_else(|| Unhandled::Reject(format!("it is no {CHANGED}")))
    }
}

impl Error {
    /// What the plugin's caller may know: that it does not work at the moment, and nothing about a fault in the plugin, which
    /// goes to standard error.
    pub fn for_caller(&self) -> String {
        match self {
            Self::Host(HostError::Quota(_) | HostError::Unavailable(_)) => self.to_string(),
            _ => {
                eprintln!("shared data could not be used: {self}");
                "the plugin could not use shared data; its log says why".to_owned()
            }
        }
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl From<Error> for Unhandled {
    fn from(error: Error) -> Self {
        match error {
            Error::Host(HostError::Quota(_) | HostError::Conflict(_) | HostError::Unavailable(_)) => {
                Self::Retry(error.to_string())
            }
            _ => Self::Reject(error.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(HostError::Conflict(_)) => f.write_str("somebody else was faster; try again"),
            Self::Host(
                HostError::Denied(why)
                | HostError::Invalid(why)
                | HostError::TooLarge(why)
                | HostError::Quota(why)
                | HostError::Unavailable(why),
            ) => f.write_str(why),
            Self::Value { key, expected } => write!(f, "the value under `{key}` is not {expected}"),
        }
    }
}

impl std::error::Error for Error {}
