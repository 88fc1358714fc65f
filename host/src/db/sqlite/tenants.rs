//! Tenants in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqliteControlPlane;
use crate::db::{DbError, Tenant, TenantOrigin, Tenants, statements as sql};

#[async_trait]
impl Tenants for SqliteControlPlane {
    async fn tenant_ensure(&self, tenant: &str, origin: TenantOrigin) -> Result<Tenant, DbError> {
        if let Some(known) = self.tenant_fetch(tenant).await? {
            return Ok(known);
        }
        sqlx::query(sql::TENANT_INSERT)
            .bind(tenant)
            .bind(origin.as_str())
            .bind(Timestamp::now().as_microsecond())
            .execute(&self.writer)
            .await
            .map_err(DbError::during("tenant_ensure"))?;
        sqlx::query_as(sql::TENANT_FETCH)
            .bind(tenant)
            .fetch_one(&self.writer)
            .await
            .map_err(DbError::during("tenant_ensure"))
    }

    async fn tenant_create(&self, tenant: &str, origin: TenantOrigin) -> Result<Option<Tenant>, DbError> {
        let made = sqlx::query(sql::TENANT_INSERT)
            .bind(tenant)
            .bind(origin.as_str())
            .bind(Timestamp::now().as_microsecond())
            .execute(&self.writer)
            .await
            .map_err(DbError::during("tenant_create"))?;
        if made.rows_affected() == 0 { Ok(None) } else { self.tenant_fetch(tenant).await }
    }

    async fn tenant_fetch(&self, tenant: &str) -> Result<Option<Tenant>, DbError> {
        sqlx::query_as(sql::TENANT_FETCH)
            .bind(tenant)
            .fetch_optional(&self.readers)
            .await
            .map_err(DbError::during("tenant_fetch"))
    }

    async fn tenant_page(&self, after: Option<&str>, limit: u32) -> Result<Vec<Tenant>, DbError> {
        sqlx::query_as(sql::TENANT_PAGE)
            .bind(after)
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(DbError::during("tenant_page"))
    }

    async fn tenant_list(&self) -> Result<Vec<Tenant>, DbError> {
        sqlx::query_as(sql::TENANT_LIST).fetch_all(&self.readers).await.map_err(DbError::during("tenant_list"))
    }
}
