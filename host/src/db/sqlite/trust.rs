//! Trusted keys and versions in SQLite.

use async_trait::async_trait;
use futures::FutureExt;
use sqlx::SqliteConnection;

use super::{SqliteControlPlane, transaction};
use crate::db::trust::{
    HIGHEST_VERSION_DELETE, HIGHEST_VERSION_LIST, HIGHEST_VERSION_UPSERT, KEPT_VERSION_CLEAR, KEPT_VERSION_INSERT,
    KEPT_VERSION_LIST, TRUSTED_KEY_DELETE, TRUSTED_KEY_INSERT, TRUSTED_KEY_LIST, TRUSTED_KEY_UPDATE,
};
use crate::db::{DbError, HighestVersion, KeptVersion, Trust, TrustedKey};

#[async_trait]
impl Trust for SqliteControlPlane {
    async fn trusted_key_list(&self) -> Result<Vec<TrustedKey>, DbError> {
        sqlx::query_as(TRUSTED_KEY_LIST).fetch_all(&self.readers).await.map_err(DbError::during("trusted_key_list"))
    }

    async fn trusted_key_add(&self, key: TrustedKey) -> Result<bool, DbError> {
        let plugins = list(&key.plugins).map_err(DbError::during("trusted_key_add"))?;
        let done = sqlx::query(TRUSTED_KEY_INSERT)
            .bind(key.name)
            .bind(key.public_key)
            .bind(plugins)
            .bind(key.added_at.as_microsecond())
            .execute(&self.writer)
            .await
            .map_err(DbError::during("trusted_key_add"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn trusted_key_alter(&self, read: TrustedKey, plugins: Vec<String>) -> Result<bool, DbError> {
        let during = || DbError::during("trusted_key_alter");
        let (before, after) = (list(&read.plugins).map_err(during())?, list(&plugins).map_err(during())?);
        let update = sqlx::query(TRUSTED_KEY_UPDATE).bind(read.name).bind(read.public_key).bind(before).bind(after);
        Ok(update.execute(&self.writer).await.map_err(during())?.rows_affected() > 0)
    }

    async fn trusted_key_remove(&self, name: &str) -> Result<Option<TrustedKey>, DbError> {
        sqlx::query_as(TRUSTED_KEY_DELETE)
            .bind(name)
            .fetch_optional(&self.writer)
            .await
            .map_err(DbError::during("trusted_key_remove"))
    }

    async fn highest_version_list(&self) -> Result<Vec<HighestVersion>, DbError> {
        sqlx::query_as(HIGHEST_VERSION_LIST)
            .fetch_all(&self.readers)
            .await
            .map_err(DbError::during("highest_version_list"))
    }

    async fn highest_version_forget(&self, plugin: &str) -> Result<bool, DbError> {
        let done = sqlx::query(HIGHEST_VERSION_DELETE)
            .bind(plugin)
            .execute(&self.writer)
            .await
            .map_err(DbError::during("highest_version_forget"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn kept_version_list(&self) -> Result<Vec<KeptVersion>, DbError> {
        sqlx::query_as(KEPT_VERSION_LIST).fetch_all(&self.readers).await.map_err(DbError::during("kept_version_list"))
    }

    async fn versions_note(&self, highest: Vec<HighestVersion>, kept: Vec<KeptVersion>) -> Result<(), DbError> {
        transaction(&self.writer, "versions_note", |db| note(db, highest, kept).boxed()).await
    }
}

fn list(plugins: &[String]) -> Result<String, sqlx::Error> {
    serde_json::to_string(plugins).map_err(|source| sqlx::Error::Encode(Box::new(source)))
}

async fn note(
    db: &mut SqliteConnection,
    highest: Vec<HighestVersion>,
    kept: Vec<KeptVersion>,
) -> Result<(), sqlx::Error> {
    for HighestVersion { plugin, version } in highest {
        sqlx::query(HIGHEST_VERSION_UPSERT).bind(plugin).bind(version).execute(&mut *db).await?;
    }
    sqlx::query(KEPT_VERSION_CLEAR).execute(&mut *db).await?;
    for KeptVersion { plugin, version, file_name } in kept {
        let row = sqlx::query(KEPT_VERSION_INSERT).bind(plugin).bind(version).bind(file_name);
        row.execute(&mut *db).await?;
    }
    Ok(())
}
