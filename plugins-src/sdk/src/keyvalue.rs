//! Values under keys, kept for the tenant of the call.
//!
//! ```ignore
//! let visits = keyvalue::open("visits")?;
//! let so_far = visits.increment("home", 1)?;
//! visits.set("last", b"home")?;
//! visits.update("pages", |old| [old.unwrap_or_default(), b"home ".to_vec()].concat())?;
//! for page in visits.keys() {
//!     println!("{}", page?);
//! }
//! ```
//!
//! A change that is acknowledged is on disk. Keys belong to the plugin and the tenant; no other plugin or tenant reaches
//! them. They are not part of an SQL transaction: one that is open holds up changes here, so end it first.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::wasi::keyvalue::atomics::{self, Cas, CasError};
use crate::bindings::wasi::keyvalue::{batch, store};
use crate::events::Unhandled;

pub type Result<T> = std::result::Result<T, Error>;

/// Why a bucket could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A bucket has a name of 1 to 64 of `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`.
    NoSuchStore,
    /// Something is full or too large. The text says which limit, and how much it allows.
    Quota(String),
    /// Others write, or this call has an SQL transaction open. Trying again can succeed.
    Busy,
    /// Whatever else the host says.
    Other(String),
    /// The value under a key is not what the code reading it expects.
    Value { key: String, expected: &'static str },
}

/// Keys, each with a value.
#[derive(Debug)]
pub struct Bucket(store::Bucket);

/// The bucket of this name. It need not be made before.
pub fn open(name: &str) -> Result<Bucket> {
    Ok(Bucket(store::open(name)?))
}

impl Bucket {
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(key)?)
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

    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<()> {
        Ok(self.0.set(key, value.as_ref())?)
    }

    /// Sets a value as JSON.
    pub fn set_json(&self, key: &str, value: &impl Serialize) -> Result<()> {
        let json = serde_json::to_vec(value);
        self.set(key, json.map_err(|_| Error::Value { key: key.to_owned(), expected: "something JSON can say" })?)
    }

    pub fn delete(&self, key: &str) -> Result<()> {
        Ok(self.0.delete(key)?)
    }

    pub fn exists(&self, key: &str) -> Result<bool> {
        Ok(self.0.exists(key)?)
    }

    /// Adds to the number under a key, which is 0 where there is none, and gives the sum.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64> {
        Ok(atomics::increment(&self.0, key, delta)?)
    }

    /// Makes the new value of the old one, and tries again when somebody else was faster: so no change is lost. The
    /// closure may run several times. Gives what was set.
    pub fn update(&self, key: &str, mut change: impl FnMut(Option<Vec<u8>>) -> Vec<u8>) -> Result<Vec<u8>> {
        let mut cas = Cas::new(&self.0, key)?;
        // Each time round somebody else has got on, and the host ends it with the call.
        loop {
            let new = change(cas.current()?);
            match atomics::swap(cas, &new) {
                Ok(()) => return Ok(new),
                Err(CasError::CasFailed(anew)) => cas = anew,
                Err(CasError::StoreError(error)) => return Err(error.into()),
            }
        }
    }

    /// The keys, in the order in which they were first set. They are fetched page by page: a key that is there all the
    /// while comes exactly once, whatever is changed meanwhile.
    pub fn keys(&self) -> Keys<'_> {
        Keys { bucket: self, page: Vec::new().into_iter(), next: Next::First }
    }

    /// The values under several keys, in their order.
    pub fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        let found = batch::get_many(&self.0, keys)?;
        Ok(found.into_iter().map(|pair| pair.map(|(_, value)| value)).collect())
    }

    /// Sets all of them, or on an error none.
    pub fn set_many(&self, entries: &[(String, Vec<u8>)]) -> Result<()> {
        Ok(batch::set_many(&self.0, entries)?)
    }

    /// Removes all of them, or on an error none.
    pub fn delete_many(&self, keys: &[String]) -> Result<()> {
        Ok(batch::delete_many(&self.0, keys)?)
    }
}

/// The keys of a bucket; see [`Bucket::keys`].
#[derive(Debug)]
pub struct Keys<'a> {
    bucket: &'a Bucket,
    page: std::vec::IntoIter<String>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    First,
    After(String),
    Done,
}

impl Iterator for Keys<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(key) = self.page.next() {
                return Some(Ok(key));
            }
            let cursor = match std::mem::replace(&mut self.next, Next::Done) {
                Next::First => None,
                Next::After(cursor) => Some(cursor),
                Next::Done => return None,
            };
            match self.bucket.0.list_keys(cursor.as_deref()) {
                Ok(response) => {
                    self.page = response.keys.into_iter();
                    self.next = response.cursor.map_or(Next::Done, Next::After);
                }
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NoSuchStore => Self::NoSuchStore,
            store::Error::AccessDenied => Self::Other("access denied".to_owned()),
            store::Error::Other(text) => match text.strip_prefix("quota ") {
                Some(limit) => Self::Quota(limit.to_owned()),
                None if text.starts_with("busy") => Self::Busy,
                None => Self::Other(text),
            },
        }
    }
}

impl From<Error> for Unhandled {
    fn from(error: Error) -> Self {
        match error {
            Error::Quota(_) | Error::Busy | Error::Other(_) => Self::Retry(error.to_string()),
            Error::NoSuchStore | Error::Value { .. } => Self::Reject(error.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchStore => f.write_str("there can be no bucket of this name"),
            Self::Quota(limit) => write!(f, "limit reached: {limit}"),
            Self::Busy => f.write_str("others write; try again"),
            Self::Other(text) => f.write_str(text),
            Self::Value { key, expected } => write!(f, "the value under `{key}` is not {expected}"),
        }
    }
}

impl std::error::Error for Error {}
