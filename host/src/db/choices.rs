//! What tenants and operators have decided about plugins.
//!
//! Whoever changes a row says which revision was read; a change made to another one is refused, so that nobody
//! overwrites what they have not seen.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::DbError;
use super::rows::Micros;

/// What one tenant has decided about one plugin.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct TenantPlugin {
    pub tenant: String,
    pub plugin: String,
    pub enabled: bool,
    /// The only versions it wants, as `^1.0.0`.
    pub pin: Option<String>,
    pub revision: i64,
    #[sqlx(rename = "updated_at_us", try_from = "Micros")]
    pub updated_at: Timestamp,
}

/// Which tenants get which version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Rollout {
    pub plugin: String,
    /// What tenants have that take part in no step.
    pub base: String,
    /// The oldest first.
    #[sqlx(try_from = "StepList")]
    pub steps: Vec<RolloutStep>,
    /// Whether files decide again, and this is kept for the way back alone.
    pub ended: bool,
    pub revision: i64,
    #[sqlx(rename = "updated_at_us", try_from = "Micros")]
    pub updated_at: Timestamp,
}

/// A version that was given to some tenants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutStep {
    pub version: String,
    /// How many take part, by a hash of their names.
    pub percent: u8,
    /// Those that take part besides.
    pub tenants: Vec<String>,
}

/// Steps as JSON.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
struct StepList(String);

impl TryFrom<StepList> for Vec<RolloutStep> {
    type Error = serde_json::Error;

    fn try_from(list: StepList) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&list.0)
    }
}

/// The row is not what whoever changes it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

/// Where decisions are kept.
#[async_trait]
pub trait Choices {
    /// Rises with every change of what tenants and operators have decided, granted or set.
    async fn decision_revision(&self) -> Result<i64, DbError>;

    /// What tenants have decided, by tenant and plugin.
    async fn tenant_plugin_list(&self) -> Result<Vec<TenantPlugin>, DbError>;

    /// Writes what a tenant has decided. The row's own `revision` is the one that was read, 0 if there was none;
    /// gives the new one.
    async fn tenant_plugin_put(&self, row: TenantPlugin) -> Result<Result<i64, Stale>, DbError>;

    /// All rollouts, those that were ended among them, by plugin.
    async fn rollout_list(&self) -> Result<Vec<Rollout>, DbError>;

    /// Writes a rollout, as [`Self::tenant_plugin_put`] does its rows.
    async fn rollout_put(&self, row: Rollout) -> Result<Result<i64, Stale>, DbError>;

    /// Forgets the rollout of a plugin if it is still of this revision.
    async fn rollout_delete(&self, plugin: &str, revision: i64) -> Result<Result<(), Stale>, DbError>;
}

pub(super) const DECISION_REVISION: &str = "SELECT revision FROM decision";

pub(super) const TENANT_PLUGIN_LIST: &str =
    "SELECT tenant, plugin, enabled, pin, revision, updated_at_us FROM tenant_plugin ORDER BY tenant, plugin";

pub(super) const TENANT_PLUGIN_INSERT: &str = "\
    INSERT INTO tenant_plugin (tenant, plugin, enabled, pin, revision, updated_at_us) VALUES ($1, $2, $3, $4, $5, $6) \
    ON CONFLICT (tenant, plugin) DO NOTHING";

pub(super) const TENANT_PLUGIN_UPDATE: &str = "\
    UPDATE tenant_plugin SET enabled = $3, pin = $4, revision = $5, updated_at_us = $6 \
    WHERE tenant = $1 AND plugin = $2 AND revision = $5 - 1";

pub(super) const ROLLOUT_LIST: &str =
    "SELECT plugin, base, steps, ended, revision, updated_at_us FROM rollout ORDER BY plugin";

pub(super) const ROLLOUT_INSERT: &str = "\
    INSERT INTO rollout (plugin, base, steps, ended, revision, updated_at_us) VALUES ($1, $2, $3, $4, $5, $6) \
    ON CONFLICT (plugin) DO NOTHING";

pub(super) const ROLLOUT_UPDATE: &str = "\
    UPDATE rollout SET base = $2, steps = $3, ended = $4, revision = $5, updated_at_us = $6 \
    WHERE plugin = $1 AND revision = $5 - 1";

pub(super) const ROLLOUT_DELETE: &str = "DELETE FROM rollout WHERE plugin = $1 AND revision = $2";
