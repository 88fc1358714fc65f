//! The control plane in one SQLite file.
//!
//! One connection writes, a few read: writers queue here for the pool's connection instead of failing with
//! "busy" on the file's lock. WAL with `synchronous=FULL`, so an acknowledged write survives a power cut.
//! Whatever begins a transaction runs in a task of its own, because a `begin` that is cancelled half-way
//! can leave its connection inside the transaction.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::rows::{Import, Plugin, PluginStatus, RegistrySnapshot, RejectedFile, Service, Tenant, TenantOrigin};
use super::{ControlPlane, DbError, services, snapshot, statements as sql};
use crate::config::DbConfig;

/// The name of the database file in the data directory.
pub const CONTROL_PLANE_FILE: &str = "control.db";

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

/// A control plane that is open and up to date.
pub struct SqliteControlPlane {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteControlPlane {
    /// Opens the file, making it and its directory where they are missing, and brings its tables to this
    /// version's.
    ///
    /// # Errors
    ///
    /// [`DbError::Directory`], [`DbError::Open`] or [`DbError::Migrate`], each naming the file and what to
    /// do about it.
    pub async fn open(file: &Path, config: &DbConfig) -> Result<Self, DbError> {
        if let Some(dir) = file.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            tokio::fs::create_dir_all(dir)
                .await
                .map_err(|source| DbError::Directory { dir: dir.to_owned(), source })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(config.busy_wait())
            .pragma("trusted_schema", "OFF");
        let pool = |size| {
            SqlitePoolOptions::new()
                .max_connections(size)
                .acquire_timeout(config.acquire_timeout())
                .idle_timeout(None::<Duration>)
                .max_lifetime(None::<Duration>)
                .test_before_acquire(false)
        };
        let writer = pool(1).connect_with(options.clone()).await.map_err(|source| DbError::opening(file, source))?;
        MIGRATIONS.run(&writer).await.map_err(|source| DbError::migrating(file, source))?;
        let readers = pool(config.readers).connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self { writer, readers })
    }
}

#[async_trait]
impl ControlPlane for SqliteControlPlane {
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

    async fn tenant_fetch(&self, tenant: &str) -> Result<Option<Tenant>, DbError> {
        sqlx::query_as(sql::TENANT_FETCH)
            .bind(tenant)
            .fetch_optional(&self.readers)
            .await
            .map_err(DbError::during("tenant_fetch"))
    }

    async fn tenant_list(&self) -> Result<Vec<Tenant>, DbError> {
        sqlx::query_as(sql::TENANT_LIST).fetch_all(&self.readers).await.map_err(DbError::during("tenant_list"))
    }

    async fn registry_replace(&self, snapshot: RegistrySnapshot) -> Result<(), DbError> {
        let writer = self.writer.clone();
        uncancelled("registry_replace", async move {
            let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
            snapshot::replace(&mut transaction, &snapshot).await?;
            transaction.commit().await
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

    async fn ping(&self) -> Result<(), DbError> {
        sqlx::query_scalar::<_, i64>(sql::PING)
            .fetch_one(&self.readers)
            .await
            .map(|_| ())
            .map_err(DbError::during("ping"))
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Runs an operation to its end even when nobody waits for it any longer.
async fn uncancelled<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
) -> Result<T, DbError> {
    tokio::spawn(work)
        .await
        .map_err(|source| DbError::BrokenOff { operation, source })?
        .map_err(DbError::during(operation))
}

#[cfg(test)]
mod tests;
