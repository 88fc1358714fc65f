//! The databases of all tenants, and what each plugin brings to its own.

use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use semver::Version;

use super::account::{Terms, of_the_host};
use super::check::{Checked, Checker};
use super::entries;
use super::error::SqlError;
use super::history::Unreadable;
use super::host::HostDatabase;
use super::migrate::{Migration, Moved, Schema};
use super::registry::{Databases, Opened, Place, Purged};
use super::restore::{Restored, restore};
use super::shared;
use super::snapshots::{Snapshot, SnapshotId};
use crate::capability::events;
use crate::config::SqlConfig;
use crate::id::{PluginId, TenantId};
use crate::usage::Usage;

/// The host's own tables in each database: those of the capabilities that keep something beside a plugin's own.
static HOST_SCHEMA: LazyLock<String> = LazyLock::new(|| [events::SCHEMA, entries::TABLES, shared::TABLES].concat());

/// Opens the database of a tenant and a plugin, moves it from version to version, and back to a snapshot.
pub struct SqlBackend {
    databases: Databases,
    limits: Arc<SqlConfig>,
    /// The tenant whose new databases begin with the plugins' demo data.
    demo_tenant: Option<TenantId>,
}

/// What one version of a plugin brings to its databases.
#[derive(Debug, Clone, Copy)]
pub struct Brought<'a> {
    pub plugin: &'a PluginId,
    pub version: &'a Version,
    /// In the order they are applied in.
    pub migrations: &'a [Migration],
    /// Rows for the demo tenant.
    pub demo: Option<&'a str>,
    /// The least data version that another version must know to work with the data after these migrations; all of them
    /// if it is not said.
    pub compatible_from: Option<u32>,
}

/// The tables of one version of a plugin, the same for every tenant.
pub struct PluginTables {
    plugin: PluginId,
    schema: Arc<Schema>,
    /// The same tables, filled with the demo data when they are made.
    demo_schema: Arc<Schema>,
    checker: Checker,
}

/// A tenant's data as one version of a plugin sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataState {
    /// How many migrations have run; 0 when there is no data.
    pub version: u32,
    /// The plugin version that ran the last of them, if it was noted.
    pub by: Option<Version>,
    /// The migrations of the version asked about that have not run, in order.
    pub pending: Vec<String>,
    /// Whether that version can work with the data, once the pending ones have run.
    pub readable: Result<(), Unreadable>,
}

/// How much a plugin keeps for a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// Of the database file.
    pub bytes: u64,
    /// Of the plugin's own tables.
    pub rows: u64,
    /// Of all its buckets.
    pub keys: u64,
}

impl SqlBackend {
    /// # Errors
    ///
    /// When the data directory cannot be made or read.
    pub fn new(data: &Path, config: &SqlConfig, demo_tenant: Option<TenantId>, usage: Arc<Usage>) -> io::Result<Self> {
        let limits = Arc::new(config.clone());
        Ok(Self { databases: Databases::new(data, limits.clone(), &HOST_SCHEMA, usage)?, limits, demo_tenant })
    }

    /// Checks a plugin's migrations and demo data.
    ///
    /// # Errors
    ///
    /// The first statement that is not allowed, with the migration it stands in.
    pub fn tables(&self, brought: &Brought<'_>) -> Result<PluginTables, SqlError> {
        let schema = |demo: Option<&str>| {
            let schema = Schema::new(brought.migrations, demo, &self.limits)?;
            Ok::<_, SqlError>(Arc::new(schema.of(brought.version.clone(), brought.compatible_from)))
        };
        Ok(PluginTables {
            plugin: brought.plugin.clone(),
            schema: schema(None)?,
            demo_schema: schema(brought.demo)?,
            checker: Checker::new(self.limits.clone()),
        })
    }

    /// What the values of one answer may take.
    pub fn result_bytes(&self) -> usize {
        self.limits.result_bytes
    }

    /// How much a plugin keeps for a tenant; nothing if it has no database there.
    ///
    /// # Errors
    ///
    /// When the database cannot be read, or is migrated or restored until the deadline.
    pub async fn kept(&self, tenant: &TenantId, plugin: &PluginId, deadline: Instant) -> Result<Kept, SqlError> {
        self.databases.kept(&*self.place(tenant, plugin)?, &of_the_host(deadline)).await
    }

    /// Closes the databases that nobody uses, because the host ends.
    pub async fn close(&self) {
        self.databases.close().await;
    }

    /// Deletes a plugin's data of a tenant, unless a call uses it.
    ///
    /// # Errors
    ///
    /// When a file cannot be removed.
    pub async fn purge(self: &Arc<Self>, tenant: &TenantId, plugin: &PluginId) -> io::Result<Purged> {
        let (backend, tenant, plugin) = (self.clone(), tenant.clone(), plugin.clone());
        let purge = move || backend.databases.purge(tenant.as_str(), plugin.as_str());
        tokio::task::spawn_blocking(purge).await.map_err(io::Error::other)?
    }

    /// The tenants that have data of a plugin.
    ///
    /// # Errors
    ///
    /// When their directory cannot be read.
    pub async fn tenants_of(self: &Arc<Self>, plugin: &PluginId) -> io::Result<Vec<TenantId>> {
        let (backend, plugin) = (self.clone(), plugin.clone());
        let look = move || backend.databases.tenants_of(plugin.as_str());
        let tenants = tokio::task::spawn_blocking(look).await.map_err(io::Error::other)??;
        Ok(tenants.iter().filter_map(|tenant| TenantId::parse(tenant).ok()).collect())
    }

    /// The plugins that have data of a tenant.
    ///
    /// # Errors
    ///
    /// When its directory cannot be read.
    pub async fn plugins_of(self: &Arc<Self>, tenant: &TenantId) -> io::Result<Vec<PluginId>> {
        let (backend, tenant) = (self.clone(), tenant.clone());
        let look = move || backend.databases.plugins_of(tenant.as_str());
        let plugins = tokio::task::spawn_blocking(look).await.map_err(io::Error::other)??;
        Ok(plugins.iter().filter_map(|plugin| PluginId::parse(plugin).ok()).collect())
    }

    /// What a version would find, and have to do, if the tenant moved to it. Changes nothing and makes no file.
    ///
    /// # Errors
    ///
    /// When the database cannot be read, or is migrated or restored until the deadline.
    pub async fn state(
        &self,
        tenant: &TenantId,
        tables: &PluginTables,
        deadline: Instant,
    ) -> Result<DataState, SqlError> {
        let history = self.databases.history(&*self.place(tenant, &tables.plugin)?, &of_the_host(deadline)).await?;
        let (pending, readable) = match history.plan(&tables.schema) {
            // It has no tables, so nothing that others did to theirs is in its way.
            _ if tables.schema.data_version() == 0 => (Vec::new(), Ok(())),
            Ok(plan) => (plan.due.iter().map(|step| step.name.clone()).collect(), Ok(())),
            Err(reason) => (Vec::new(), Err(reason)),
        };
        Ok(DataState { version: history.version(), by: history.by().cloned(), pending, readable })
    }

    /// Moves a tenant's data to a version: waits until calls that use it are over, takes a snapshot if there is data
    /// that migrations will change, and runs what is due in one transaction. Going back is moving to an older version:
    /// nothing runs then.
    ///
    /// # Errors
    ///
    /// `Unavailable` with the reason when the version cannot work with the data, when no snapshot could be kept, or
    /// when calls were under way until the deadline; `Timeout` when it came while migrations ran; the error of the
    /// statement that failed. The data is as it was before then.
    pub async fn move_to(&self, tenant: &TenantId, tables: &PluginTables, terms: &Terms) -> Result<Moved, SqlError> {
        let place = self.place(tenant, &tables.plugin)?;
        if tables.schema.data_version() == 0 {
            let there = self.databases.history(&place, terms).await?.version();
            return Ok(Moved { from: there, to: there, ..Moved::default() });
        }
        let (_, moved) = self.databases.bring(&place, self.schema(tenant, tables), terms).await?;
        Ok(moved)
    }

    /// The snapshots of a tenant's data, the newest first.
    ///
    /// # Errors
    ///
    /// When their directory cannot be read.
    pub async fn snapshots(&self, tenant: &TenantId, plugin: &PluginId) -> Result<Vec<Snapshot>, SqlError> {
        let place = self.place(tenant, plugin)?;
        blocking(move || place.snapshots.list()).await
    }

    /// Puts a snapshot in the place of the tenant's data, and keeps what was there as another one. It waits until calls
    /// that use the data are over; those that come meanwhile wait for it. The version that runs for the tenant then has
    /// to be one that can work with the data, or it will migrate it again.
    ///
    /// # Errors
    ///
    /// `Invalid` when there is no such snapshot; `Unavailable` when calls were under way until the deadline, the
    /// snapshot is damaged or the disk is full; `Timeout`. Nothing was changed then.
    pub async fn restore(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
        id: SnapshotId,
        deadline: Instant,
    ) -> Result<Restored, SqlError> {
        let restoring = tokio::spawn(restore(self.place(tenant, plugin)?, self.limits.clone(), id, deadline));
        restoring.await.map_err(|_| SqlError::unavailable("restoring was given up; try again"))?
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    ///
    /// `Invalid` when there is no such snapshot; `Unavailable` when it cannot be removed.
    pub async fn snapshot_delete(&self, tenant: &TenantId, plugin: &PluginId, id: SnapshotId) -> Result<(), SqlError> {
        let place = self.place(tenant, plugin)?;
        blocking(move || place.snapshots.delete(id)).await
    }

    /// The database of a tenant and a plugin, for the host's own tables in it; none if there is none. Nobody restores
    /// it meanwhile.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, or is migrated or restored until the deadline.
    pub async fn visit(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
        deadline: Instant,
    ) -> Result<Option<HostDatabase>, SqlError> {
        let terms = of_the_host(deadline);
        let opened = self.databases.visit(&*self.place(tenant, plugin)?, &terms).await?;
        Ok(opened.map(|opened| HostDatabase::new(opened, terms)))
    }

    /// The same for a call, under its terms.
    pub(super) async fn visit_for(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
        terms: &Terms,
    ) -> Result<Option<Opened>, SqlError> {
        self.databases.visit(&*self.place(tenant, plugin)?, terms).await
    }

    pub(super) async fn open(
        &self,
        tenant: &TenantId,
        tables: &PluginTables,
        terms: &Terms,
    ) -> Result<Opened, SqlError> {
        let schema = self.schema(tenant, tables);
        self.databases.enter(tenant.as_str(), tables.plugin.as_str(), schema, terms).await
    }

    fn place(&self, tenant: &TenantId, plugin: &PluginId) -> Result<Arc<Place>, SqlError> {
        self.databases.place(tenant.as_str(), plugin.as_str())
    }

    fn schema<'a>(&self, tenant: &TenantId, tables: &'a PluginTables) -> &'a Arc<Schema> {
        match &self.demo_tenant {
            Some(demo) if demo == tenant => &tables.demo_schema,
            _ => &tables.schema,
        }
    }
}

impl PluginTables {
    /// Whether there is anything that a tenant's data is moved to.
    pub fn has_migrations(&self) -> bool {
        self.schema.names().next().is_some()
    }

    /// Whether this version can work with what a later one leaves.
    pub fn can_work_after(&self, later: &PluginTables) -> bool {
        let known = self.schema.data_version();
        known == 0 || later.schema.compatible_from() <= known
    }

    pub(super) fn check(&self, statement: &str) -> Result<Arc<Checked>, SqlError> {
        self.checker.check(statement)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SqlError> + Send + 'static,
) -> Result<T, SqlError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| SqlError::unavailable("looking at its snapshots was given up; try again"))?
}

#[cfg(test)]
mod tests;
