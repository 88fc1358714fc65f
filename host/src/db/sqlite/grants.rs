//! Grants in SQLite.

use async_trait::async_trait;

use super::SqliteControlPlane;
use crate::db::grants::{GRANT_DELETE, GRANT_INSERT, GRANT_LIST};
use crate::db::{DbError, Grant, GrantKind, Grants};

#[async_trait]
impl Grants for SqliteControlPlane {
    async fn grant_list(&self) -> Result<Vec<Grant>, DbError> {
        sqlx::query_as(GRANT_LIST).fetch_all(&self.readers).await.map_err(DbError::during("grant_list"))
    }

    async fn grant_add(&self, grant: Grant) -> Result<(), DbError> {
        sqlx::query(GRANT_INSERT)
            .bind(grant.plugin)
            .bind(grant.kind.as_str())
            .bind(grant.value)
            .bind(grant.granted_by)
            .bind(grant.granted_at.as_microsecond())
            .execute(&self.writer)
            .await
            .map_err(DbError::during("grant_add"))?;
        Ok(())
    }

    async fn grant_remove(&self, plugin: &str, kind: GrantKind, value: &str) -> Result<bool, DbError> {
        let done = sqlx::query(GRANT_DELETE)
            .bind(plugin)
            .bind(kind.as_str())
            .bind(value)
            .execute(&self.writer)
            .await
            .map_err(DbError::during("grant_remove"))?;
        Ok(done.rows_affected() > 0)
    }
}
