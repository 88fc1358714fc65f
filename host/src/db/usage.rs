//! What tenants used of plugins within an hour, and the quotas that were set for them.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::FromRow;

use super::DbError;
use super::rows::Micros;

/// A number that was counted in one hour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, FromRow)]
pub struct Used {
    pub tenant: String,
    pub plugin: String,
    pub quota: String,
    /// In the quota's unit.
    pub amount: i64,
}

/// How much a tenant may use in an hour, where an operator has said so.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct TenantQuota {
    pub tenant: String,
    /// None for every plugin that has no word of its own.
    pub plugin: Option<String>,
    pub quota: String,
    pub amount: i64,
    pub set_by: String,
    #[sqlx(rename = "set_at_us", try_from = "Micros")]
    pub set_at: Timestamp,
}

/// Where it is kept.
#[async_trait]
pub trait Usages {
    /// What was counted in this hour, by all hosts.
    async fn usage_list(&self, hour: u32) -> Result<Vec<Used>, DbError>;

    /// Adds these numbers to those of the hour, all or none, and gives the sums. Hours before `keep_from` are forgotten.
    async fn usage_add(&self, hour: u32, used: Vec<Used>, keep_from: u32) -> Result<Vec<Used>, DbError>;

    /// The quotas that were set, by tenant, plugin and quota.
    async fn tenant_quota_list(&self) -> Result<Vec<TenantQuota>, DbError>;

    /// Sets a quota, in the place of what was said before.
    async fn tenant_quota_put(&self, quota: TenantQuota) -> Result<(), DbError>;

    /// Takes it back. False if there was none.
    async fn tenant_quota_delete(&self, tenant: &str, plugin: Option<&str>, quota: &str) -> Result<bool, DbError>;
}

pub(super) const USAGE_LIST: &str =
    "SELECT tenant, plugin, quota, amount FROM usage_hour WHERE hour = $1 ORDER BY tenant, plugin, quota";

pub(super) const USAGE_PRUNE: &str = "DELETE FROM usage_hour WHERE hour < $1";

pub(super) const TENANT_QUOTA_LIST: &str = "\
    SELECT tenant, NULLIF(plugin, '') AS plugin, quota, amount, set_by, set_at_us FROM tenant_quota \
    ORDER BY tenant, plugin, quota";

pub(super) const TENANT_QUOTA_PUT: &str = "\
    INSERT INTO tenant_quota (tenant, plugin, quota, amount, set_by, set_at_us) VALUES ($1, $2, $3, $4, $5, $6) \
    ON CONFLICT (tenant, plugin, quota) DO UPDATE SET \
        amount = excluded.amount, set_by = excluded.set_by, set_at_us = excluded.set_at_us";

pub(super) const TENANT_QUOTA_DELETE: &str =
    "DELETE FROM tenant_quota WHERE tenant = $1 AND plugin = $2 AND quota = $3";
