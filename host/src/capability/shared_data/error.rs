//! What can go wrong with shared data, in the cases of the interface.

use wasmtime::component::ResourceTableError;

use crate::capability::events::EventError;
use crate::capability::sql::SqlError;
use crate::id::excerpt;

/// An error for the plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SharedDataError {
    #[error("{0}")]
    Denied(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    Quota(String),
    #[error("the version is another by now")]
    Conflict(Option<u64>),
    #[error("{0}")]
    Unavailable(String),
}

/// An error on its way out: the plugin's to handle, or the end of its instance.
#[derive(Debug, thiserror::Error)]
pub enum SharedDataFault {
    #[error(transparent)]
    Guest(#[from] SharedDataError),
    /// The plugin used a handle it does not hold.
    #[error(transparent)]
    Handle(#[from] ResourceTableError),
}

impl SharedDataError {
    /// Of a namespace that the manifest does not name in `list`.
    pub(super) fn undeclared(name: &str, list: &str) -> Self {
        let name = excerpt(name);
        Self::Denied(format!(
            "the namespace {name:?} is not declared: add it to `sharedData.{list}` in the plugin's manifest"
        ))
    }

    pub(super) fn not_owned(name: &str) -> Self {
        Self::Denied(format!("{name} is changed by the plugin that owns it, and by no other"))
    }

    pub(super) fn too_large(what: &str, found: usize, most: usize, limit: &str) -> Self {
        Self::TooLarge(format!("{what} bytes: a {what} has at most {most} bytes, this one {found} ({limit})"))
    }

    pub(super) fn cursor() -> Self {
        Self::Invalid("this is no cursor of a listing".to_owned())
    }
}

impl From<SqlError> for SharedDataError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Quota(limit) => Self::Quota(limit),
            SqlError::Busy => {
                Self::Unavailable("busy: others write, or this call has a transaction open; try again".to_owned())
            }
            SqlError::Timeout => Self::Unavailable("timeout: the call has no time left for this".to_owned()),
            // The transaction is over already.
            SqlError::Invalid(why) | SqlError::Unavailable(why) => Self::Unavailable(why),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<EventError> for SharedDataError {
    /// Of the event that tells of a change.
    fn from(error: EventError) -> Self {
        match error {
            EventError::Quota(limit) => Self::Quota(limit),
            EventError::Hops(most) => Self::Quota(format!(
                "hops: {most} events have caused each other, and no chain may be longer (events.hops)"
            )),
            EventError::Denied(why) => Self::Denied(why),
            EventError::Invalid(wrong) => Self::Invalid(wrong.to_string()),
            EventError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<SqlError> for SharedDataFault {
    fn from(error: SqlError) -> Self {
        Self::Guest(error.into())
    }
}
