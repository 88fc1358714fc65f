//! Decisions about plugins in SQLite.

use async_trait::async_trait;
use sqlx::Error;

use super::SqliteControlPlane;
use crate::db::choices::{
    DECISION_REVISION, ROLLOUT_DELETE, ROLLOUT_INSERT, ROLLOUT_LIST, ROLLOUT_UPDATE, TENANT_PLUGIN_INSERT,
    TENANT_PLUGIN_LIST, TENANT_PLUGIN_UPDATE,
};
use crate::db::{Choices, DbError, Rollout, Stale, TenantPlugin};

#[async_trait]
impl Choices for SqliteControlPlane {
    async fn decision_revision(&self) -> Result<i64, DbError> {
        let during = DbError::during("decision_revision");
        sqlx::query_scalar(DECISION_REVISION).fetch_one(&self.readers).await.map_err(during)
    }

    async fn tenant_plugin_list(&self) -> Result<Vec<TenantPlugin>, DbError> {
        sqlx::query_as(TENANT_PLUGIN_LIST).fetch_all(&self.readers).await.map_err(DbError::during("tenant_plugin_list"))
    }

    async fn tenant_plugin_put(&self, row: TenantPlugin) -> Result<Result<i64, Stale>, DbError> {
        let statement = if row.revision == 0 { TENANT_PLUGIN_INSERT } else { TENANT_PLUGIN_UPDATE };
        let done = sqlx::query(statement)
            .bind(row.tenant)
            .bind(row.plugin)
            .bind(row.enabled)
            .bind(row.pin)
            .bind(row.revision + 1)
            .bind(row.updated_at.as_microsecond())
            .execute(&self.writer)
            .await
            .map_err(DbError::during("tenant_plugin_put"))?;
        Ok(written(done.rows_affected(), row.revision + 1))
    }

    async fn rollout_list(&self) -> Result<Vec<Rollout>, DbError> {
        sqlx::query_as(ROLLOUT_LIST).fetch_all(&self.readers).await.map_err(DbError::during("rollout_list"))
    }

    async fn rollout_put(&self, row: Rollout) -> Result<Result<i64, Stale>, DbError> {
        let during = DbError::during("rollout_put");
        let steps = match serde_json::to_string(&row.steps) {
            Ok(steps) => steps,
            Err(source) => return Err(during(Error::Encode(Box::new(source)))),
        };
        let statement = if row.revision == 0 { ROLLOUT_INSERT } else { ROLLOUT_UPDATE };
        let done = sqlx::query(statement)
            .bind(row.plugin)
            .bind(row.base)
            .bind(steps)
            .bind(row.ended)
            .bind(row.revision + 1)
            .bind(row.updated_at.as_microsecond())
            .execute(&self.writer)
            .await
            .map_err(during)?;
        Ok(written(done.rows_affected(), row.revision + 1))
    }

    async fn rollout_delete(&self, plugin: &str, revision: i64) -> Result<Result<(), Stale>, DbError> {
        let done = sqlx::query(ROLLOUT_DELETE)
            .bind(plugin)
            .bind(revision)
            .execute(&self.writer)
            .await
            .map_err(DbError::during("rollout_delete"))?;
        Ok(written(done.rows_affected(), ()))
    }
}

fn written<T>(rows: u64, value: T) -> Result<T, Stale> {
    if rows == 0 { Err(Stale) } else { Ok(value) }
}
