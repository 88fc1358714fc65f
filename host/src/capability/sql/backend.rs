//! The databases of all tenants, and what each plugin brings to its own.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::check::{Checked, Checker};
use super::database::TenantDatabase;
use super::error::SqlError;
use super::migrate::{Migration, Schema};
use super::registry::Databases;
use crate::config::SqlConfig;
use crate::id::{PluginId, TenantId};

/// Opens the database of a tenant and a plugin.
pub struct SqlBackend {
    databases: Databases,
    limits: Arc<SqlConfig>,
    /// The tenant whose new databases begin with the plugins' demo data.
    demo_tenant: Option<TenantId>,
}

/// The tables of one version of a plugin, the same for every tenant.
pub struct PluginTables {
    plugin: PluginId,
    schema: Arc<Schema>,
    /// The same tables, filled with the demo data when they are made.
    demo_schema: Arc<Schema>,
    checker: Checker,
}

impl SqlBackend {
    /// # Errors
    ///
    /// When the data directory cannot be made or read.
    pub fn new(data: &Path, config: &SqlConfig, demo_tenant: Option<TenantId>) -> io::Result<Self> {
        let limits = Arc::new(config.clone());
        Ok(Self { databases: Databases::new(data, limits.clone(), "")?, limits, demo_tenant })
    }

    /// Checks a plugin's migrations and demo data.
    ///
    /// # Errors
    ///
    /// The first statement that is not allowed, with the migration it stands in.
    pub fn tables(
        &self,
        plugin: &PluginId,
        migrations: &[Migration],
        demo: Option<&str>,
    ) -> Result<PluginTables, SqlError> {
        Ok(PluginTables {
            plugin: plugin.clone(),
            schema: Arc::new(Schema::new(migrations, None, &self.limits)?),
            demo_schema: Arc::new(Schema::new(migrations, demo, &self.limits)?),
            checker: Checker::new(self.limits.clone()),
        })
    }

    pub(super) async fn open(
        &self,
        tenant: &TenantId,
        tables: &PluginTables,
        deadline: Instant,
    ) -> Result<Arc<TenantDatabase>, SqlError> {
        let schema = match &self.demo_tenant {
            Some(demo) if demo == tenant => &tables.demo_schema,
            _ => &tables.schema,
        };
        self.databases.get(tenant.as_str(), tables.plugin.as_str(), schema, deadline).await
    }
}

impl PluginTables {
    pub(super) fn check(&self, statement: &str) -> Result<Arc<Checked>, SqlError> {
        self.checker.check(statement)
    }
}
