//! API keys in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqliteControlPlane;
use crate::db::keys::{KEY_CHANGES, KEY_EXPIRE, KEY_FETCH, KEY_INSERT, KEY_LIST, KEY_REVISION, KEY_REVOKE, KEY_USED};
use crate::db::{ApiKey, ApiKeyFilter, ApiKeys, DbError, NewApiKey};

#[async_trait]
impl ApiKeys for SqliteControlPlane {
    async fn key_insert(&self, key: NewApiKey, max: u32) -> Result<bool, DbError> {
        let NewApiKey { id, tenant, name, role, permissions, mac, created_at, created_by, expires_at } = key;
        sqlx::query(KEY_INSERT)
            .bind(id)
            .bind(tenant)
            .bind(name)
            .bind(role)
            .bind(serde_json::Value::from(permissions).to_string())
            .bind(mac)
            .bind(created_at.as_microsecond())
            .bind(created_by)
            .bind(expires_at.map(|at| at.as_microsecond()))
            .bind(max)
            .execute(&self.writer)
            .await
            .map(|done| done.rows_affected() > 0)
            .map_err(DbError::during("key_insert"))
    }

    async fn key_fetch(&self, key: &str) -> Result<Option<ApiKey>, DbError> {
        sqlx::query_as(KEY_FETCH).bind(key).fetch_optional(&self.readers).await.map_err(DbError::during("key_fetch"))
    }

    async fn key_list(&self, filter: ApiKeyFilter, limit: u32) -> Result<Vec<ApiKey>, DbError> {
        sqlx::query_as(KEY_LIST)
            .bind(filter.tenant)
            .bind(filter.before)
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(DbError::during("key_list"))
    }

    async fn key_revoke(&self, key: &str, at: Timestamp) -> Result<bool, DbError> {
        self.key_set(KEY_REVOKE, "key_revoke", key, at).await
    }

    async fn key_expire(&self, key: &str, at: Timestamp) -> Result<bool, DbError> {
        self.key_set(KEY_EXPIRE, "key_expire", key, at).await
    }

    async fn key_used(&self, key: &str, at: Timestamp) -> Result<(), DbError> {
        self.key_set(KEY_USED, "key_used", key, at).await.map(|_| ())
    }

    async fn key_revision(&self) -> Result<i64, DbError> {
        sqlx::query_scalar(KEY_REVISION).fetch_one(&self.readers).await.map_err(DbError::during("key_revision"))
    }

    async fn key_changes(&self, after: i64) -> Result<(Vec<String>, i64), DbError> {
        let changed: Vec<(String, i64)> = sqlx::query_as(KEY_CHANGES)
            .bind(after)
            .fetch_all(&self.readers)
            .await
            .map_err(DbError::during("key_changes"))?;
        let last = changed.last().map_or(after, |(_, revision)| *revision);
        Ok((changed.into_iter().map(|(id, _)| id).collect(), last))
    }
}

impl SqliteControlPlane {
    /// Sets a time of a key; true when the statement found it as it wants it.
    async fn key_set(
        &self,
        statement: &'static str,
        operation: &'static str,
        key: &str,
        at: Timestamp,
    ) -> Result<bool, DbError> {
        sqlx::query(statement)
            .bind(key)
            .bind(at.as_microsecond())
            .execute(&self.writer)
            .await
            .map(|done| done.rows_affected() > 0)
            .map_err(DbError::during(operation))
    }
}
