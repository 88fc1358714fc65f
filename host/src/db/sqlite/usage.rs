//! What tenants used, in SQLite.

use async_trait::async_trait;

use super::SqliteControlPlane;
use crate::db::usage::{TENANT_QUOTA_DELETE, TENANT_QUOTA_LIST, TENANT_QUOTA_PUT, USAGE_LIST, USAGE_PRUNE};
use crate::db::{DbError, TenantQuota, Usages, Used};

/// One statement for all numbers, so that it takes effect as a whole without a transaction.
const USAGE_ADD: &str = "\
    INSERT INTO usage_hour (hour, tenant, plugin, quota, amount) \
    SELECT $1, value ->> 'tenant', value ->> 'plugin', value ->> 'quota', value ->> 'amount' FROM json_each($2) WHERE true \
    ON CONFLICT (hour, tenant, plugin, quota) DO UPDATE SET amount = amount + excluded.amount \
    RETURNING tenant, plugin, quota, amount";

#[async_trait]
impl Usages for SqliteControlPlane {
    async fn usage_list(&self, hour: u32) -> Result<Vec<Used>, DbError> {
        let rows = sqlx::query_as(USAGE_LIST).bind(hour).fetch_all(&self.readers).await;
        rows.map_err(DbError::during("usage_list"))
    }

    async fn usage_add(&self, hour: u32, used: Vec<Used>, keep_from: u32) -> Result<Vec<Used>, DbError> {
        let used = serde_json::to_string(&used).unwrap_or_default();
        let sums = sqlx::query_as(USAGE_ADD).bind(hour).bind(used).fetch_all(&self.writer).await;
        let sums = sums.map_err(DbError::during("usage_add"))?;
        let prune = sqlx::query(USAGE_PRUNE).bind(keep_from).execute(&self.writer).await;
        // What is not forgotten now is forgotten the next time.
        _ = prune;
        Ok(sums)
    }

    async fn tenant_quota_list(&self) -> Result<Vec<TenantQuota>, DbError> {
        let rows = sqlx::query_as(TENANT_QUOTA_LIST).fetch_all(&self.readers).await;
        rows.map_err(DbError::during("tenant_quota_list"))
    }

    async fn tenant_quota_put(&self, quota: TenantQuota) -> Result<(), DbError> {
        let put = sqlx::query(TENANT_QUOTA_PUT)
            .bind(quota.tenant)
            .bind(quota.plugin.unwrap_or_default())
            .bind(quota.quota)
            .bind(quota.amount)
            .bind(quota.set_by)
            .bind(quota.set_at.as_microsecond());
        put.execute(&self.writer).await.map(drop).map_err(DbError::during("tenant_quota_put"))
    }

    async fn tenant_quota_delete(&self, tenant: &str, plugin: Option<&str>, quota: &str) -> Result<bool, DbError> {
        let delete = sqlx::query(TENANT_QUOTA_DELETE).bind(tenant).bind(plugin.unwrap_or_default()).bind(quota);
        let deleted = delete.execute(&self.writer).await.map_err(DbError::during("tenant_quota_delete"))?;
        Ok(deleted.rows_affected() > 0)
    }
}
