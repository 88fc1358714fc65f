//! Plugins' configuration in SQLite.

use async_trait::async_trait;

use super::SqliteControlPlane;
use crate::db::configuration::{CONFIG_DELETE, CONFIG_INSERT, CONFIG_LIST, CONFIG_UPDATE};
use crate::db::{ConfigRow, Configuration, DbError, Stale};

#[async_trait]
impl Configuration for SqliteControlPlane {
    async fn config_list(&self) -> Result<Vec<ConfigRow>, DbError> {
        sqlx::query_as(CONFIG_LIST).fetch_all(&self.readers).await.map_err(DbError::during("config_list"))
    }

    async fn config_put(&self, row: ConfigRow) -> Result<Result<i64, Stale>, DbError> {
        let statement = if row.revision == 0 { CONFIG_INSERT } else { CONFIG_UPDATE };
        let done = sqlx::query(statement)
            .bind(row.tenant)
            .bind(row.plugin)
            .bind(row.entries)
            .bind(row.revision + 1)
            .bind(row.updated_at.as_microsecond())
            .execute(&self.writer)
            .await
            .map_err(DbError::during("config_put"))?;
        Ok(if done.rows_affected() == 0 { Err(Stale) } else { Ok(row.revision + 1) })
    }

    async fn config_delete(&self, tenant: &str, plugin: &str) -> Result<bool, DbError> {
        let done = sqlx::query(CONFIG_DELETE)
            .bind(tenant)
            .bind(plugin)
            .execute(&self.writer)
            .await
            .map_err(DbError::during("config_delete"))?;
        Ok(done.rows_affected() > 0)
    }
}
