//! Where one database lies, and who may have it just now.

use crate::capability::sql::{
    account::Terms, database::TenantDatabase, error::SqlError, restore, snapshots::Snapshots,
};
use crate::config::SqlConfig;
use crate::usage::Meter;
use std::{path::Path, path::PathBuf, sync::Arc, time::Instant};
use tokio::sync::{OnceCell, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

type Cell = OnceCell<Arc<TenantDatabase>>;

/// Where one database lies.
#[derive(Debug)]
pub(in crate::capability::sql) struct Place {
    pub file: PathBuf,
    pub snapshots: Snapshots,
    limits: Arc<SqlConfig>,
    host_schema: &'static str,
    quotas: Arc<Meter>,
    lock: Arc<RwLock<Cell>>,
    /// Held by the one that migrates, or waits to.
    pub(super) bringing: tokio::sync::Mutex<()>,
}

/// The right to a database that nobody else has.
pub(in crate::capability::sql) type Sole = OwnedRwLockWriteGuard<Cell>;

/// An open database, while a call uses it.
#[derive(Debug)]
pub(in crate::capability) struct Opened {
    pub database: Arc<TenantDatabase>,
    _shared: OwnedRwLockReadGuard<Cell>,
}

impl Opened {
    pub(super) fn new(database: Arc<TenantDatabase>, shared: OwnedRwLockReadGuard<Cell>) -> Self {
        Self { database, _shared: shared }
    }
}

impl Place {
    /// In this directory, under the name of the plugin.
    pub(super) fn new(
        directory: &Path,
        plugin: &str,
        limits: Arc<SqlConfig>,
        host_schema: &'static str,
        quotas: Arc<Meter>,
    ) -> Self {
        Self {
            file: directory.join(format!("{plugin}.sqlite")),
            snapshots: Snapshots::new(directory.join("snapshots").join(plugin), limits.snapshots),
            limits,
            host_schema,
            quotas,
            lock: Arc::default(),
            bringing: tokio::sync::Mutex::default(),
        }
    }

    /// Whether nobody uses it, who holds this one reference to it. All three are handed out only by [`Databases`] under
    /// its lock, or by one who has the one before, so a count of one stays one.
    ///
    /// [`Databases`]: super::Databases
    pub(super) fn is_idle(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
            && Arc::strong_count(&self.lock) == 1
            && self.lock.try_read().is_ok_and(|cell| cell.get().is_none_or(|open| Arc::strong_count(open) == 1))
    }

    /// For a call, which shares the database with others.
    pub(super) async fn shared(&self, deadline: Instant) -> Result<OwnedRwLockReadGuard<Cell>, SqlError> {
        if let Ok(shared) = self.lock.clone().try_read_owned() {
            return Ok(shared);
        }
        tokio::time::timeout_at(deadline.into(), self.lock.clone().read_owned()).await.map_err(|_| SqlError::Timeout)
    }

    /// For changing what all calls work with: waits until those under way are over.
    pub async fn sole(&self, deadline: Instant) -> Result<Sole, SqlError> {
        let sole = tokio::time::timeout_at(deadline.into(), self.lock.clone().write_owned()).await;
        sole.map_err(|_| {
            SqlError::unavailable("calls that began before were still using it, so it was not changed; try again")
        })
    }

    /// The database, opened if it is not.
    pub async fn open(&self, cell: &Cell, terms: &Terms) -> Result<Arc<TenantDatabase>, SqlError> {
        let opened = cell.get_or_try_init(|| async {
            let (file, limits, host_schema) = (self.file.clone(), self.limits.clone(), self.host_schema);
            let quotas = self.quotas.clone();
            let mut run = terms.for_set_up().admit().await?;
            tokio::task::spawn_blocking(move || {
                run.begin();
                // Mostly for the disk.
                run.waits();
                restore::clear(&restore::staged(&file));
                TenantDatabase::open(&file, limits, quotas, host_schema)
            })
            .await
            .map_err(|_| SqlError::unavailable("opening it was given up; try again"))?
            .map(Arc::new)
        });
        opened.await.cloned()
    }
}
