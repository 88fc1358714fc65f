//! What can go wrong with keys and values, in the cases of the interface.
//!
//! The standard has one case for nearly everything, `other(string)`, so its text begins with the kind: `quota` and the
//! limit's name, `busy`, `timeout`, `unavailable` or `invalid`.

use std::fmt;

use wasmtime::component::{Resource, ResourceTableError};

use super::Cas;
use crate::capability::sql::SqlError;

/// An error for the plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyvalueError {
    #[error("there can be no bucket of this name")]
    NoSuchStore,
    #[error("{0}")]
    Other(String),
}

impl KeyvalueError {
    pub fn quota(limit: fmt::Arguments<'_>) -> Self {
        Self::Other(format!("quota {limit}"))
    }
}

impl From<SqlError> for KeyvalueError {
    fn from(error: SqlError) -> Self {
        Self::Other(match error {
            SqlError::Quota(limit) => format!("quota {limit}"),
            SqlError::Busy => "busy: others write, or this call has a transaction open; try again".to_owned(),
            SqlError::Timeout => "timeout: the call has no time left for this".to_owned(),
            SqlError::Invalid(what) => format!("invalid: {what}"),
            SqlError::Unavailable(why) => format!("unavailable: {why}"),
            other => format!("unavailable: {other}"),
        })
    }
}

/// An error on its way out: the plugin's to handle, or the end of its instance.
#[derive(Debug, thiserror::Error)]
pub enum KeyvalueFault {
    #[error(transparent)]
    Guest(#[from] KeyvalueError),
    /// The plugin used a handle it does not hold, or holds too many.
    #[error(transparent)]
    Handle(#[from] ResourceTableError),
}

impl From<SqlError> for KeyvalueFault {
    fn from(error: SqlError) -> Self {
        Self::Guest(error.into())
    }
}

/// How a swap fails.
#[derive(Debug, thiserror::Error)]
pub enum SwapFault {
    #[error(transparent)]
    Store(#[from] KeyvalueFault),
    /// Somebody was faster. The handle is of what is there now.
    #[error("the key was changed meanwhile")]
    Lost(Resource<Cas>),
}
