//! What the tenant of the call has set for this plugin, and the manifest's defaults.
//!
//! ```ignore
//! let name = config::text("companyName")?;
//! let lines: u32 = config::number("maxLines")?;
//! let greeting: Option<String> = config::optional(config::text("greeting"))?;
//! ```
//!
//! Values do not change while a call runs; what is set meanwhile is there for the next. A value was checked against its
//! field when it was set, so an error here mostly says that code and manifest do not agree. Errors name the key and never
//! the value, which may be a secret.

use std::any::type_name;
use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;

use crate::bindings::wasi::config::store;
use crate::events::Unhandled;

pub type Result<T> = std::result::Result<T, Error>;

/// Why a value could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The tenant has set none, and the manifest has no default.
    Missing { key: String },
    /// It is not what the code reading it expects.
    Type { key: String, expected: &'static str },
    /// The host could not read the configuration.
    Unavailable { key: String, why: String },
}

/// The value under a key as the host gives it: a text or choice as it is, everything else as JSON.
pub fn get(key: &str) -> Result<Option<String>> {
    store::get(key).map_err(|error| Error::unavailable(key, error))
}

/// All values, in the order of their keys.
pub fn all() -> Result<Vec<(String, String)>> {
    store::get_all().map_err(|error| Error::unavailable("*", error))
}

/// A `string`, or the choice of a `select`.
pub fn text(key: &str) -> Result<String> {
    get(key)?.ok_or_else(|| Error::Missing { key: key.to_owned() })
}

/// A `number`, as any of Rust's types for numbers. One with a fraction is an `f64` or `f32`.
pub fn number<N: FromStr>(key: &str) -> Result<N> {
    text(key)?.parse().map_err(|_| Error::Type { key: key.to_owned(), expected: type_name::<N>() })
}

/// A `boolean`.
pub fn flag(key: &str) -> Result<bool> {
    text(key)?.parse().map_err(|_| Error::Type { key: key.to_owned(), expected: "true or false" })
}

/// The choices of a `multiselect`; none where nothing is set.
pub fn list(key: &str) -> Result<Vec<String>> {
    Ok(optional(parsed(key, "a list of texts"))?.unwrap_or_default())
}

/// A `json`, as a type that `serde` can read.
pub fn json<T: DeserializeOwned>(key: &str) -> Result<T> {
    parsed(key, type_name::<T>())
}

/// None instead of [`Error::Missing`]: for fields that need not have a value.
pub fn optional<T>(value: Result<T>) -> Result<Option<T>> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(Error::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn parsed<T: DeserializeOwned>(key: &str, expected: &'static str) -> Result<T> {
    serde_json::from_str(&text(key)?).map_err(|_| Error::Type { key: key.to_owned(), expected })
}

impl Error {
    fn unavailable(key: &str, error: store::Error) -> Self {
        let (store::Error::Upstream(why) | store::Error::Io(why)) = error;
        Self::Unavailable { key: key.to_owned(), why }
    }
}

impl From<Error> for Unhandled {
    fn from(error: Error) -> Self {
        match error {
            // The tenant may set one until the next delivery.
            Error::Missing { .. } | Error::Unavailable { .. } => Self::Retry(error.to_string()),
            Error::Type { .. } => Self::Reject(error.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key } => write!(f, "the configuration has no value for `{key}`"),
            Self::Type { key, expected } => {
                write!(f, "the value of `{key}` in the configuration is not what the plugin reads: {expected}")
            }
            Self::Unavailable { key, why } => write!(f, "the configuration cannot be read (`{key}`): {why}"),
        }
    }
}

impl std::error::Error for Error {}
