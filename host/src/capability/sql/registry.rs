//! All open databases of the host.
//!
//! Invariant: at most one [`TenantDatabase`] of a file is handed out, and a caller gets it only after its migrations have run.
//! Bound: `open_databases`, which only databases in use at the same moment can exceed.

use super::{
    database::TenantDatabase,
    error::SqlError,
    migrate::{Schema, migrate},
};
use crate::config::SqlConfig;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::sync::OnceCell;

/// `<root>/tenants/<tenant>/<plugin>.sqlite`, opened when first asked for.
#[derive(Debug)]
pub struct Databases {
    root: PathBuf,
    limits: Arc<SqlConfig>,
    host_schema: &'static str,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// By tenant, then plugin, so that finding one allocates nothing.
    tenants: HashMap<Box<str>, HashMap<Box<str>, Slot>>,
    count: usize,
    clock: u64,
}

#[derive(Debug, Default)]
struct Slot {
    cell: Arc<OnceCell<Arc<TenantDatabase>>>,
    used: u64,
}

impl Databases {
    /// `host_schema` makes the host's own tables in each database, with `CREATE TABLE IF NOT EXISTS _tenon…`.
    ///
    /// # Errors
    /// If `root` cannot be made or read.
    pub fn new(root: &Path, limits: Arc<SqlConfig>, host_schema: &'static str) -> std::io::Result<Self> {
        std::fs::create_dir_all(root)?;
        Ok(Databases {
            // SQLite follows no links below it.
            root: root.canonicalize()?,
            limits,
            host_schema,
            open: Mutex::default(),
        })
    }

    /// Finds, or opens and sets up, a plugin's database. Concurrent callers wait for one set-up; a failed one is tried anew
    /// by the next caller.
    pub async fn get(
        &self,
        tenant: &str,
        plugin: &str,
        schema: &Arc<Schema>,
        deadline: Instant,
    ) -> Result<Arc<TenantDatabase>, SqlError> {
        is_name(tenant)?;
        is_name(plugin)?;
        let (cell, closing) = self.slot(tenant, plugin);
        if !closing.is_empty() {
            // Closing writes the log back into the file.
            tokio::task::spawn_blocking(move || drop(closing));
        }
        let database = cell.get_or_try_init(|| self.open(tenant, plugin)).await?;
        if !database.has_applied(schema) {
            migrate(database, schema, deadline).await?;
        }
        Ok(database.clone())
    }

    async fn open(&self, tenant: &str, plugin: &str) -> Result<Arc<TenantDatabase>, SqlError> {
        let file = self.root.join("tenants").join(tenant).join(format!("{plugin}.sqlite"));
        let (limits, host_schema) = (self.limits.clone(), self.host_schema);
        tokio::task::spawn_blocking(move || TenantDatabase::open(&file, limits, host_schema))
            .await
            .map_err(|_| SqlError::unavailable("opening it was given up; try again"))?
            .map(Arc::new)
    }

    /// The slot of a database, and the databases that close to make room for it.
    fn slot(&self, tenant: &str, plugin: &str) -> (Arc<OnceCell<Arc<TenantDatabase>>>, Vec<Slot>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.clock += 1;
        let now = open.clock;
        if let Some(slot) = open.tenants.get_mut(tenant).and_then(|plugins| plugins.get_mut(plugin)) {
            slot.used = now;
            return (slot.cell.clone(), Vec::new());
        }
        let mut closing = Vec::new();
        while open.count >= self.limits.open_databases.max(1) {
            let Some(slot) = open.remove_oldest() else { break };
            closing.push(slot);
        }
        let slot = Slot { cell: Arc::default(), used: now };
        let cell = slot.cell.clone();
        open.tenants.entry(tenant.into()).or_default().insert(plugin.into(), slot);
        open.count += 1;
        (cell, closing)
    }
}

impl Open {
    /// Takes out the database that nobody uses and that was asked for longest ago.
    fn remove_oldest(&mut self) -> Option<Slot> {
        // Copies of both are handed out only under the lock, so a count of one stays one.
        let idle = |slot: &Slot| {
            Arc::strong_count(&slot.cell) == 1
                && slot.cell.get().is_none_or(|database| Arc::strong_count(database) == 1)
        };
        let slots = self.tenants.iter().flat_map(|(tenant, plugins)| {
            plugins.iter().filter(|(_, slot)| idle(slot)).map(move |(plugin, slot)| (slot.used, tenant, plugin))
        });
        let (_, tenant, plugin) = slots.min()?;
        let (tenant, plugin) = (tenant.clone(), plugin.clone());
        let plugins = self.tenants.get_mut(&tenant)?;
        let slot = plugins.remove(&plugin);
        if plugins.is_empty() {
            self.tenants.remove(&tenant);
        }
        self.count -= 1;
        slot
    }
}

/// Ids are checked where they enter the host; this keeps a mistake there from becoming a path.
fn is_name(id: &str) -> Result<(), SqlError> {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    match (1..=64).contains(&id.len()) && id.bytes().all(fits) {
        true => Ok(()),
        false => Err(SqlError::unavailable("a tenant or plugin id has characters outside a-z, 0-9, _ and -")),
    }
}

#[cfg(test)]
mod tests;
