//! What operators granted to plugins.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::FromRow;

use super::DbError;
use super::rows::{Micros, words};

words! {
    /// What is granted.
    GrantKind, "kind of grant" {
        /// To call a service of others.
        Service = "service",
        /// To do there, for its users, what needs this permission.
        Permission = "permission",
        /// To hear of an event.
        Event = "event",
        /// To make requests to a host outside.
        Host = "host",
        /// To tell that host which request they belong to.
        Trace = "trace",
        /// To read a namespace of another plugin's shared data.
        Namespace = "namespace",
    }
}

/// One thing that a plugin may do.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Grant {
    pub plugin: String,
    #[sqlx(try_from = "String")]
    pub kind: GrantKind,
    pub value: String,
    pub granted_by: String,
    #[sqlx(rename = "granted_at_us", try_from = "Micros")]
    pub granted_at: Timestamp,
}

/// Where grants are kept.
#[async_trait]
pub trait Grants {
    /// All grants, by plugin, kind and value.
    async fn grant_list(&self) -> Result<Vec<Grant>, DbError>;

    /// Adds a grant. One that is there stays as it is.
    async fn grant_add(&self, grant: Grant) -> Result<(), DbError>;

    /// Takes a grant back. False if there was none.
    async fn grant_remove(&self, plugin: &str, kind: GrantKind, value: &str) -> Result<bool, DbError>;
}

pub(super) const GRANT_LIST: &str =
    "SELECT plugin, kind, value, granted_by, granted_at_us FROM plugin_grant ORDER BY plugin, kind, value";

pub(super) const GRANT_INSERT: &str = "\
    INSERT INTO plugin_grant (plugin, kind, value, granted_by, granted_at_us) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (plugin, kind, value) DO NOTHING";

pub(super) const GRANT_DELETE: &str = "DELETE FROM plugin_grant WHERE plugin = $1 AND kind = $2 AND value = $3";
