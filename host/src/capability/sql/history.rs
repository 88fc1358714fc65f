//! What migrations have done to one database, and which versions of the plugin can work with that.
//!
//! The data version of a database is the number of migrations that have run. Invariant: a version works with a database
//! only if the migrations it brings are the first of those that have run, text for text; and if more have run than it
//! brings, only if the version that ran them says so (`data.compatibleFrom`). What that version says is written into
//! the database together with its migrations, so it holds when its file is long gone.

use super::{
    error::SqlError,
    migrate::{Digest, Schema, Step},
};
use rusqlite::{Connection, OptionalExtension};
use semver::Version;
use std::sync::{Arc, PoisonError, RwLock};

const MIGRATION_TABLE: &str = "CREATE TABLE IF NOT EXISTS _tenon_migration \
    (name TEXT PRIMARY KEY NOT NULL, sha256 BLOB NOT NULL, applied_at INTEGER NOT NULL)";
const DATA_TABLE: &str = "CREATE TABLE IF NOT EXISTS _tenon_data (one INTEGER PRIMARY KEY CHECK (one = 1), \
    data_version INTEGER NOT NULL, compatible_from INTEGER NOT NULL, stated_by TEXT NOT NULL)";
const HAS_TABLE: &str = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1";
const APPLIED: &str = "SELECT name, sha256 FROM _tenon_migration ORDER BY name";
const RECORD: &str = "INSERT INTO _tenon_migration (name, sha256, applied_at) VALUES (?1, ?2, ?3)";
const STATED: &str = "SELECT compatible_from, stated_by FROM _tenon_data WHERE data_version = ?1";
const STATE: &str = "INSERT OR REPLACE INTO _tenon_data (one, data_version, compatible_from, stated_by) \
    VALUES (1, ?1, ?2, ?3)";

/// Why a version of a plugin cannot work with a tenant's data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error(
        "the data is at version {found}{}, which versions that know at least data version {needed} can work with; plugin \
         version {version} knows {known}: go forward again, or restore a snapshot taken before, which loses what was \
         written since", by.as_ref().map(|by| format!(" since plugin version {by}")).unwrap_or_default()
    )]
    Newer {
        found: u32,
        /// The plugin version that brought it there, if it was noted.
        by: Option<Version>,
        needed: u32,
        version: Version,
        known: u32,
    },
    #[error("migration {0} has changed since it was applied; restore it and add a new one")]
    Changed(String),
    #[error(
        "migration {0} was applied by another version of the plugin and this one lacks it; install a version that has it, \
         or restore a snapshot taken before, which loses what was written since"
    )]
    Missing(String),
    #[error("migration {0} stands before one that was applied; add new migrations at the end")]
    Misplaced(String),
}

impl From<Unreadable> for SqlError {
    fn from(reason: Unreadable) -> Self {
        SqlError::unavailable(reason.to_string())
    }
}

/// The migrations of one database, in order, and what was said of them last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct History {
    applied: Vec<(String, Digest)>,
    stated: Option<Stated>,
}

/// Said by the version that ran the last migration, or by a later one with the same migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stated {
    compatible_from: u32,
    by: Version,
}

/// What a version has to do to a database before it can work with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    /// The migrations that have not run: a tail of the version's list.
    pub due: &'a [Step],
    /// Whether the version knows better who can work with the data.
    pub states: bool,
}

impl Plan<'_> {
    pub fn is_empty(&self) -> bool {
        self.due.is_empty() && !self.states
    }
}

impl History {
    /// Reads what the database says of itself, in a run that began as the host's.
    pub fn read(connection: &Connection) -> Result<Self, SqlError> {
        let has = |table: &str| connection.prepare_cached(HAS_TABLE)?.exists([table]);
        if !has("_tenon_migration")? {
            return Ok(Self::default());
        }
        let mut applied = connection.prepare_cached(APPLIED)?;
        let applied = applied.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<_>, _>>()?;
        let mut stated = None;
        if has("_tenon_data")? {
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?));
            let found = connection.prepare_cached(STATED)?.query_row([count(applied.len())], row).optional()?;
            stated =
                found.and_then(|(compatible_from, by)| Some(Stated { compatible_from, by: Version::parse(&by).ok()? }));
        }
        Ok(History { applied, stated })
    }

    /// The data version.
    pub fn version(&self) -> u32 {
        count(self.applied.len())
    }

    /// The plugin version that brought the data here, if it was noted.
    pub fn by(&self) -> Option<&Version> {
        self.stated.as_ref().map(|stated| &stated.by)
    }

    /// What `schema` has to do, or why it cannot work with this.
    pub fn plan<'a>(&self, schema: &'a Schema) -> Result<Plan<'a>, Unreadable> {
        for ((name, digest), step) in self.applied.iter().zip(&schema.steps) {
            if *name == step.name && *digest == step.digest {
                continue;
            }
            return Err(match schema.names().any(|known| known == name) {
                _ if *name == step.name => Unreadable::Changed(name.clone()),
                true => Unreadable::Misplaced(step.name.clone()),
                false => Unreadable::Missing(name.clone()),
            });
        }
        let (found, known) = (self.version(), schema.data_version());
        if found > known {
            let needed = self.stated.as_ref().map_or(found, |stated| stated.compatible_from);
            return match known >= needed {
                true => Ok(Plan { due: &[], states: false }),
                false => {
                    let (by, version) = (self.by().cloned(), schema.version.clone());
                    Err(Unreadable::Newer { found, by, needed, version, known })
                }
            };
        }
        let due = schema.steps.get(self.applied.len()..).unwrap_or_default();
        let knows_better = |stated: &Stated| {
            stated.compatible_from != schema.compatible_from() && stated.by.cmp_precedence(&schema.version).is_lt()
        };
        let unsaid = found > 0 && schema.compatible_from() < known;
        Ok(Plan { due, states: self.stated.as_ref().map_or(unsaid, knows_better) })
    }
}

/// Makes the tables that the history stands in.
pub(super) fn prepare(connection: &Connection) -> Result<(), SqlError> {
    connection.execute(MIGRATION_TABLE, [])?;
    connection.execute(DATA_TABLE, [])?;
    Ok(())
}

/// Notes a migration that has run.
pub(super) fn record(connection: &Connection, step: &Step, at: i64) -> Result<(), SqlError> {
    connection.execute(RECORD, (&step.name, &step.digest[..], at))?;
    Ok(())
}

/// Notes what `schema` says of the data as it leaves it.
pub(super) fn state(connection: &Connection, schema: &Schema) -> Result<(), SqlError> {
    connection.execute(STATE, (schema.data_version(), schema.compatible_from(), schema.version.to_string()))?;
    Ok(())
}

pub(super) fn count(migrations: usize) -> u32 {
    u32::try_from(migrations).unwrap_or(u32::MAX)
}

/// Versions of a plugin remembered as fit; with more the list begins anew.
const FITTING: usize = 64;

/// What is known of an open database: its history, and which versions were found to fit.
#[derive(Debug, Default)]
pub(super) struct Known(RwLock<(Arc<History>, Vec<Digest>)>);

impl Known {
    pub fn new(history: History) -> Self {
        Known(RwLock::new((Arc::new(history), Vec::new())))
    }

    pub fn history(&self) -> Arc<History> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub fn fits(&self, schema: &Schema) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1.contains(&schema.digest)
    }

    /// Remembers that a version has nothing to do here.
    pub fn fit(&self, schema: &Schema) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.1.len() >= FITTING {
            known.1.clear();
        }
        known.1.push(schema.digest);
    }

    /// The history has changed: every other version is judged anew.
    pub fn changed(&self, history: History, by: &Schema) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (Arc::new(history), vec![by.digest]);
    }
}
