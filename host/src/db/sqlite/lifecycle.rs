//! What plugins went through, in SQLite.
//!
//! Where a statement stands for itself, it does so in an order that leaves nothing wrong behind if the next one fails.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{SqliteControlPlane, transaction};
use crate::db::lifecycle::{
    ACTIVATION_CLEAR, ACTIVATION_DELETE, ACTIVATION_LIST, ACTIVATION_PUT, ACTIVATION_REMOVE, INSTALLATION_DELETE,
    INSTALLATION_FAILURE_LIST, INSTALLATION_LIST, INSTALLATION_PUT, PLUGIN_ERROR_INSERT, PLUGIN_ERROR_LIST,
    PLUGIN_ERROR_PRUNE, PLUGIN_ERRORS, PLUGIN_STAT_ADD, PLUGIN_STAT_LIST,
};
use crate::db::{Activation, DbError, InstallationFailure, Lifecycle, PluginError, PluginStat};

#[async_trait]
impl Lifecycle for SqliteControlPlane {
    async fn installation_list(&self) -> Result<Vec<String>, DbError> {
        let rows = sqlx::query_scalar(INSTALLATION_LIST).fetch_all(&self.readers).await;
        rows.map_err(DbError::during("installation_list"))
    }

    async fn installation_put(&self, plugin: &str, version: &str, at: Timestamp) -> Result<(), DbError> {
        let put = sqlx::query(INSTALLATION_PUT).bind(plugin).bind(version).bind(at.as_microsecond());
        put.execute(&self.writer).await.map(drop).map_err(DbError::during("installation_put"))
    }

    async fn installation_failure_list(&self) -> Result<Vec<InstallationFailure>, DbError> {
        let rows = sqlx::query_as(INSTALLATION_FAILURE_LIST).fetch_all(&self.readers).await;
        rows.map_err(DbError::during("installation_failure_list"))
    }

    async fn installation_delete(&self, plugin: &str) -> Result<(), DbError> {
        for statement in [ACTIVATION_CLEAR, INSTALLATION_DELETE] {
            let delete = sqlx::query(statement).bind(plugin).execute(&self.writer).await;
            delete.map_err(DbError::during("installation_delete"))?;
        }
        Ok(())
    }

    async fn activation_list(&self) -> Result<Vec<Activation>, DbError> {
        sqlx::query_as(ACTIVATION_LIST).fetch_all(&self.readers).await.map_err(DbError::during("activation_list"))
    }

    async fn activation_put(&self, row: Activation, instead_of: Vec<String>) -> Result<(), DbError> {
        let put = sqlx::query(ACTIVATION_PUT).bind(&row.tenant).bind(&row.plugin).bind(&row.version);
        let put = put.bind(row.activated_at.as_microsecond()).execute(&self.writer).await;
        put.map_err(DbError::during("activation_put"))?;
        for version in instead_of {
            let remove = sqlx::query(ACTIVATION_REMOVE).bind(&row.tenant).bind(&row.plugin).bind(version);
            remove.execute(&self.writer).await.map_err(DbError::during("activation_put"))?;
        }
        Ok(())
    }

    async fn activation_delete(&self, tenant: &str, plugin: &str) -> Result<bool, DbError> {
        let delete = sqlx::query(ACTIVATION_DELETE).bind(tenant).bind(plugin).execute(&self.writer).await;
        delete.map(|done| done.rows_affected() > 0).map_err(DbError::during("activation_delete"))
    }

    async fn plugin_use_note(&self, errors: Vec<PluginError>, stats: Vec<PluginStat>) -> Result<(), DbError> {
        transaction(&self.writer, "plugin_use_note", |db| note(db, errors, stats).boxed()).await
    }

    async fn plugin_error_list(
        &self,
        plugin: &str,
        tenant: Option<&str>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<PluginError>, DbError> {
        let list = sqlx::query_as(PLUGIN_ERROR_LIST).bind(plugin).bind(tenant).bind(before).bind(limit);
        list.fetch_all(&self.readers).await.map_err(DbError::during("plugin_error_list"))
    }

    async fn plugin_stat_list(&self, plugin: &str, tenant: Option<&str>) -> Result<Vec<PluginStat>, DbError> {
        let list = sqlx::query_as(PLUGIN_STAT_LIST).bind(plugin).bind(tenant);
        list.fetch_all(&self.readers).await.map_err(DbError::during("plugin_stat_list"))
    }
}

/// Together, because the disk is waited for once for each transaction, and tenants may be many.
async fn note(db: &mut SqliteConnection, errors: Vec<PluginError>, stats: Vec<PluginStat>) -> Result<(), sqlx::Error> {
    errors_add(db, errors).await?;
    for stat in stats {
        stat_add(db, stat).await?;
    }
    Ok(())
}

async fn errors_add(db: &mut SqliteConnection, errors: Vec<PluginError>) -> Result<(), sqlx::Error> {
    let concerned: BTreeSet<(String, Option<String>)> =
        errors.iter().map(|error| (error.plugin.clone(), error.tenant.clone())).collect();
    for error in errors {
        sqlx::query(PLUGIN_ERROR_INSERT)
            .bind(error.at.as_microsecond())
            .bind(error.plugin)
            .bind(error.version)
            .bind(error.tenant)
            .bind(error.hook)
            .bind(error.message)
            .bind(error.backtrace)
            .bind(error.correlation_id)
            .execute(&mut *db)
            .await?;
    }
    for (plugin, tenant) in concerned {
        let prune = sqlx::query(PLUGIN_ERROR_PRUNE).bind(plugin).bind(tenant).bind(PLUGIN_ERRORS);
        prune.execute(&mut *db).await?;
    }
    Ok(())
}

async fn stat_add(db: &mut SqliteConnection, stat: PluginStat) -> Result<(), sqlx::Error> {
    sqlx::query(PLUGIN_STAT_ADD)
        .bind(stat.tenant)
        .bind(stat.plugin)
        .bind(stat.activations)
        .bind(stat.calls)
        .bind(stat.failures)
        .bind(stat.lifecycle_failures)
        .bind(stat.last_used_at.map(|at| at.as_microsecond()))
        .execute(db)
        .await
        .map(drop)
}
