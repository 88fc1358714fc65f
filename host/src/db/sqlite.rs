//! The control plane in one SQLite file.
//!
//! One connection writes, a few read: writers queue here for the pool's connection instead of failing with
//! "busy" on the file's lock. WAL with `synchronous=FULL`, so an acknowledged write survives a power cut.
//! Whatever begins a transaction runs in a task of its own, because a `begin` that is cancelled half-way
//! can leave its connection inside the transaction.

mod audit;
mod choices;
mod configuration;
mod events;
mod grants;
mod keys;
mod lifecycle;
mod notifications;
mod plugins;
mod schedules;
mod tenants;
mod trust;
mod usage;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection};

use super::{ControlPlane, DbError, statements as sql};
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
            .pragma("cache_size", format!("-{}", config.cache_kib))
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

/// Writes all of it or nothing, and runs to its end. A connection on which that failed is closed: after a full disk it
/// may believe that it is still within the transaction.
async fn transaction<T: Send + 'static>(
    writer: &SqlitePool,
    operation: &'static str,
    work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
) -> Result<T, DbError> {
    let writer = writer.clone();
    uncancelled(operation, async move {
        let mut connection = writer.acquire().await?;
        let written = async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let done = work(&mut transaction).await?;
            transaction.commit().await.map(|()| done)
        };
        written.await.inspect_err(|_| connection.close_on_drop())
    })
    .await
}

#[cfg(test)]
mod tests;
