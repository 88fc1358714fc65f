//! What tenants have set of plugins' configuration. Secrets come here sealed.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::FromRow;

use super::rows::Micros;
use super::{DbError, Stale};

/// What one tenant has set for one plugin.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ConfigRow {
    pub tenant: String,
    pub plugin: String,
    /// A JSON object: for each key `{"plain": value}`, or `{"sealed": text}` for a secret.
    pub entries: String,
    pub revision: i64,
    #[sqlx(rename = "updated_at_us", try_from = "Micros")]
    pub updated_at: Timestamp,
}

/// Where configuration is kept.
#[async_trait]
pub trait Configuration {
    /// All that was set, by tenant and plugin.
    async fn config_list(&self) -> Result<Vec<ConfigRow>, DbError>;

    /// Writes what a tenant sets. The row's own `revision` is the one that was read, 0 if there was none; gives the
    /// new one.
    async fn config_put(&self, row: ConfigRow) -> Result<Result<i64, Stale>, DbError>;

    /// Forgets what a tenant has set for a plugin; whether there was something.
    async fn config_delete(&self, tenant: &str, plugin: &str) -> Result<bool, DbError>;
}

pub(super) const CONFIG_LIST: &str =
    "SELECT tenant, plugin, entries, revision, updated_at_us FROM tenant_config ORDER BY tenant, plugin";

pub(super) const CONFIG_INSERT: &str = "\
    INSERT INTO tenant_config (tenant, plugin, entries, revision, updated_at_us) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (tenant, plugin) DO NOTHING";

pub(super) const CONFIG_UPDATE: &str = "\
    UPDATE tenant_config SET entries = $3, revision = $4, updated_at_us = $5 \
    WHERE tenant = $1 AND plugin = $2 AND revision = $4 - 1";

pub(super) const CONFIG_DELETE: &str = "DELETE FROM tenant_config WHERE tenant = $1 AND plugin = $2";
