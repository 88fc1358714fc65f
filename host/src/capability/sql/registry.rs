//! All databases of the host, those in use open.
//!
//! Invariants: at most one [`TenantDatabase`] of a file is handed out; a call gets it only if its version can work with
//! the data, after its migrations have run, and until the call is over nobody migrates or restores it. For that each
//! database has a lock: calls share it, migrating and restoring have it alone ([`Sole`]). Whoever wants it alone waits
//! until calls under way are over, and calls that come later wait behind. A call that comes back to its own database
//! through other plugins waits too, until the one that wants it alone gives up at its deadline; so nothing waits for
//! ever.
//! Bound: `open_databases`, which only databases in use at the same moment can exceed.

mod place;
mod purge;

pub(in crate::capability) use self::place::Opened;
pub(super) use self::place::{Place, Sole};
pub use self::purge::Purged;

use super::{
    account::Terms,
    backend::Kept,
    database::TenantDatabase,
    error::SqlError,
    history::History,
    link::PAGE_BYTES,
    migrate::{Moved, Schema, migrate},
    rows,
    value::Value,
};
use crate::config::SqlConfig;
use crate::id::{PluginId, TenantId};
use crate::usage::Usage;
use futures::StreamExt;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// `<root>/tenants/<tenant>/<plugin>.sqlite`, opened when first asked for.
#[derive(Debug)]
pub struct Databases {
    root: PathBuf,
    pub(super) limits: Arc<SqlConfig>,
    host_schema: &'static str,
    usage: Arc<Usage>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// By tenant, then plugin, so that finding one allocates nothing.
    tenants: HashMap<Box<str>, HashMap<Box<str>, Slot>>,
    count: usize,
    clock: u64,
}

#[derive(Debug)]
struct Slot {
    place: Arc<Place>,
    used: u64,
}

impl Databases {
    /// `host_schema` makes the host's own tables in each database, with `CREATE TABLE IF NOT EXISTS _tenon…`.
    ///
    /// # Errors
    /// If `root` cannot be made or read.
    pub fn new(
        root: &Path,
        limits: Arc<SqlConfig>,
        host_schema: &'static str,
        usage: Arc<Usage>,
    ) -> std::io::Result<Self> {
        std::fs::create_dir_all(root)?;
        Ok(Databases {
            // SQLite follows no links below it.
            root: root.canonicalize()?,
            limits,
            host_schema,
            usage,
            open: Mutex::default(),
        })
    }

    /// Finds, or opens and sets up, a plugin's database. Concurrent callers wait for one set-up; a failed one is tried
    /// anew by the next caller.
    ///
    /// # Errors
    /// `Unavailable` also when the version of the plugin cannot work with the data; see
    /// [`Unreadable`](super::history::Unreadable).
    pub(super) async fn enter(
        &self,
        tenant: &str,
        plugin: &str,
        schema: &Arc<Schema>,
        terms: &Terms,
    ) -> Result<Opened, SqlError> {
        let place = self.place(tenant, plugin)?;
        let shared = place.shared(terms.deadline).await?;
        let database = place.open(&shared, terms).await?;
        if fits(&database, schema)? {
            return Ok(Opened::new(database, shared));
        }
        drop((shared, database));
        let (opened, moved) = self.bring(&place, schema, terms).await?;
        if let Some(snapshot) = moved.snapshot {
            let Moved { from, to, .. } = moved;
            tracing::info!(tenant, plugin, from, to, %snapshot, "a tenant's data was migrated at its first use");
        }
        Ok(opened)
    }

    /// [`Databases::enter`], without keeping others away.
    #[cfg(test)]
    pub(super) async fn get(
        &self,
        tenant: &str,
        plugin: &str,
        schema: &Arc<Schema>,
        terms: &Terms,
    ) -> Result<Arc<TenantDatabase>, SqlError> {
        Ok(self.enter(tenant, plugin, schema, terms).await?.database)
    }

    /// Brings a database to a schema, alone, and opens it for a call.
    ///
    /// # Errors
    /// As for [`migrate`], and `Unavailable` when calls that use it are not over by the deadline.
    pub(super) async fn bring(
        &self,
        place: &Arc<Place>,
        schema: &Arc<Schema>,
        terms: &Terms,
    ) -> Result<(Opened, Moved), SqlError> {
        // Of many first calls one waits to be alone. The others must not wait for the end of that call, so they look
        // again before they want to be alone too.
        let one = tokio::time::timeout_at(terms.deadline.into(), place.bringing.lock());
        let _one = one.await.map_err(|_| SqlError::Timeout)?;
        let shared = place.shared(terms.deadline).await?;
        let database = place.open(&shared, terms).await?;
        if fits(&database, schema)? {
            let there = database.known.history().version();
            return Ok((Opened::new(database, shared), Moved { from: there, to: there, ..Moved::default() }));
        }
        drop((shared, database));
        let sole = place.sole(terms.deadline).await?;
        // Opened anew if it was restored meanwhile.
        let database = place.open(&sole, terms).await?;
        let (sole, moved) = migrate(&database, schema, place.snapshots.clone(), sole, terms).await?;
        Ok((Opened::new(database, sole.downgrade()), moved))
    }

    /// The history of a database; an empty one if there is none. Makes no file.
    pub(super) async fn history(&self, place: &Place, terms: &Terms) -> Result<Arc<History>, SqlError> {
        let shared = place.shared(terms.deadline).await?;
        match shared.get().is_some() || place.file.exists() {
            true => Ok(place.open(&shared, terms).await?.known.history()),
            false => Ok(Arc::default()),
        }
    }

    /// A database as it is, whatever version it is at; none if there is none. Makes no file.
    pub(super) async fn visit(&self, place: &Place, terms: &Terms) -> Result<Option<Opened>, SqlError> {
        let shared = place.shared(terms.deadline).await?;
        if shared.get().is_none() && !place.file.exists() {
            return Ok(None);
        }
        let database = place.open(&shared, terms).await?;
        Ok(Some(Opened::new(database, shared)))
    }

    /// How much a database holds. Makes no file.
    pub(super) async fn kept(&self, place: &Place, terms: &Terms) -> Result<Kept, SqlError> {
        let shared = place.shared(terms.deadline).await?;
        if shared.get().is_none() && !place.file.exists() {
            return Ok(Kept::default());
        }
        let database = place.open(&shared, terms).await?;
        let number = async |statement| {
            let found = database.host_query(statement, Vec::new(), terms).await?;
            Ok::<_, SqlError>(match found.rows.first().and_then(|row| row.first()) {
                Some(Value::Integer(number)) => u64::try_from(*number).unwrap_or(0),
                _ => 0,
            })
        };
        Ok(Kept {
            bytes: number("PRAGMA page_count").await? * PAGE_BYTES,
            rows: number(rows::HELD).await?,
            keys: database.entry_count(terms).await?,
        })
    }

    /// Closes what nobody uses, before the host ends, and leaves the rest to those who use it. Each database writes its log
    /// back and waits for the disk, so several do it at a time.
    pub(super) async fn close(&self) {
        const AT_ONCE: usize = 16;

        let slots: Vec<Slot> = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            std::iter::from_fn(|| open.remove_oldest()).collect()
        };
        let close = async |slot| _ = tokio::task::spawn_blocking(move || drop::<Slot>(slot)).await;
        futures::stream::iter(slots).for_each_concurrent(AT_ONCE, close).await;
    }

    /// Where the database of a tenant and a plugin lies.
    pub(super) fn place(&self, tenant: &str, plugin: &str) -> Result<Arc<Place>, SqlError> {
        is_name(tenant)?;
        is_name(plugin)?;
        let (place, closing) = self.slot(tenant, plugin)?;
        if !closing.is_empty() {
            // Closing writes the log back into the file.
            tokio::task::spawn_blocking(move || drop(closing));
        }
        Ok(place)
    }

    /// The slot of a database, and the databases that close to make room for it.
    fn slot(&self, tenant: &str, plugin: &str) -> Result<(Arc<Place>, Vec<Slot>), SqlError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.clock += 1;
        let now = open.clock;
        if let Some(slot) = open.tenants.get_mut(tenant).and_then(|plugins| plugins.get_mut(plugin)) {
            slot.used = now;
            return Ok((slot.place.clone(), Vec::new()));
        }
        let (Ok(of), Ok(whose)) = (TenantId::parse(tenant), PluginId::parse(plugin)) else {
            return Err(no_name());
        };
        let quotas = self.usage.meter(&of, &whose);
        let mut closing = Vec::new();
        while open.count >= self.limits.open_databases.max(1) {
            let Some(slot) = open.remove_oldest() else { break };
            closing.push(slot);
        }
        let directory = self.root.join("tenants").join(tenant);
        let (limits, host_schema) = (self.limits.clone(), self.host_schema);
        let place = Arc::new(Place::new(&directory, plugin, limits, host_schema, quotas));
        let slot = Slot { place: place.clone(), used: now };
        open.tenants.entry(tenant.into()).or_default().insert(plugin.into(), slot);
        open.count += 1;
        Ok((place, closing))
    }
}

/// Whether a version can work with a database as it is. If not, it has to be brought there.
fn fits(database: &TenantDatabase, schema: &Schema) -> Result<bool, SqlError> {
    if database.known.fits(schema) {
        return Ok(true);
    }
    let nothing_to_do = database.known.history().plan(schema)?.is_empty();
    if nothing_to_do {
        database.known.fit(schema);
    }
    Ok(nothing_to_do)
}

impl Open {
    /// Takes out the database that nobody uses and that was asked for longest ago.
    fn remove_oldest(&mut self) -> Option<Slot> {
        let slots = self.tenants.iter().flat_map(|(tenant, plugins)| {
            plugins
                .iter()
                .filter(|(_, slot)| slot.place.is_idle())
                .map(move |(plugin, slot)| (slot.used, tenant, plugin))
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
        false => Err(no_name()),
    }
}

fn no_name() -> SqlError {
    SqlError::unavailable("a tenant or plugin id has characters outside a-z, 0-9, _ and -")
}

#[cfg(test)]
mod tests;
