//! Plugins in SQLite.

use async_trait::async_trait;
use futures::FutureExt;

use super::{SqliteControlPlane, transaction, uncancelled};
use crate::db::{
    Claim, DbError, Import, Plugin, PluginStatus, Plugins, RegistrySnapshot, RejectedFile, Service, services, snapshot,
    statements as sql,
};

#[async_trait]
impl Plugins for SqliteControlPlane {
    async fn registry_replace(&self, snapshot: RegistrySnapshot) -> Result<(), DbError> {
        transaction(&self.writer, "registry_replace", |db| {
            async move { snapshot::replace(db, &snapshot).await }.boxed()
        })
        .await
    }

    async fn plugin_list(&self) -> Result<Vec<Plugin>, DbError> {
        sqlx::query_as(sql::PLUGIN_LIST).fetch_all(&self.readers).await.map_err(DbError::during("plugin_list"))
    }

    async fn plugin_fetch(&self, plugin: &str, version: &str) -> Result<Option<Plugin>, DbError> {
        sqlx::query_as(sql::PLUGIN_FETCH)
            .bind(plugin)
            .bind(version)
            .fetch_optional(&self.readers)
            .await
            .map_err(DbError::during("plugin_fetch"))
    }

    async fn plugin_status_set(
        &self,
        plugin: &str,
        version: &str,
        status: PluginStatus,
        reason: Option<&str>,
    ) -> Result<bool, DbError> {
        let done = sqlx::query(sql::PLUGIN_STATUS_SET)
            .bind(plugin)
            .bind(version)
            .bind(status.as_str())
            .bind(reason)
            .execute(&self.writer)
            .await
            .map_err(DbError::during("plugin_status_set"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn import_list(&self, plugin: &str, version: &str) -> Result<Vec<Import>, DbError> {
        sqlx::query_as(sql::IMPORT_LIST)
            .bind(plugin)
            .bind(version)
            .fetch_all(&self.readers)
            .await
            .map_err(DbError::during("import_list"))
    }

    async fn service_list(&self) -> Result<Vec<Service>, DbError> {
        let readers = self.readers.clone();
        uncancelled("service_list", async move {
            let mut moment = readers.begin().await?;
            let heads = sqlx::query_as(sql::SERVICE_LIST).fetch_all(&mut *moment).await?;
            let endpoints = sqlx::query_as(sql::ENDPOINT_LIST).fetch_all(&mut *moment).await?;
            let consumers = sqlx::query_as(sql::CONSUMER_LIST).fetch_all(&mut *moment).await?;
            moment.commit().await?;
            Ok(services::assemble(heads, endpoints, consumers))
        })
        .await
    }

    async fn rejected_file_list(&self) -> Result<Vec<RejectedFile>, DbError> {
        sqlx::query_as(sql::REJECTED_FILE_LIST)
            .fetch_all(&self.readers)
            .await
            .map_err(DbError::during("rejected_file_list"))
    }

    async fn claim_list(&self) -> Result<Vec<Claim>, DbError> {
        sqlx::query_as(sql::CLAIM_LIST).fetch_all(&self.readers).await.map_err(DbError::during("claim_list"))
    }

    async fn claims_forget(&self, claims: Vec<Claim>) -> Result<(), DbError> {
        transaction(&self.writer, "claims_forget", |db| {
            async move {
                for Claim { kind, name, .. } in claims {
                    sqlx::query(sql::CLAIM_DELETE).bind(kind.as_str()).bind(name).execute(&mut *db).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }
}
