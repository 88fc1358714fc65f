//! Shared data, in tables of the host's own in the database of the plugin that owns it.
//!
//! Invariants: an entry that has expired is never given, whether it was removed yet or not; `_tenon_shared_use` says
//! what the entries of a namespace take, exactly, those that have expired and are not removed among them; a version is
//! greater than that of every change of its namespace before it. An entry keeps its number until it is gone, and a
//! listing goes by it, so what is there all the while is listed exactly once.
//!
//! The clock is the machine's, in milliseconds since 1970: what expires does so across restarts.

mod change;

use super::{account::Terms, database::TenantDatabase, error::SqlError, host::HostDatabase, value::Value};
use rusqlite::{OptionalExtension, Row, params};
use std::{fmt, sync::Arc};

/// The value stands last, so that a listing reads no further than what is before it.
pub(super) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS _tenon_shared (id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, key TEXT NOT NULL,
        number INTEGER NOT NULL, version INTEGER NOT NULL, expires_at_ms INTEGER, value BLOB NOT NULL,
        UNIQUE (namespace, key), UNIQUE (namespace, number)) STRICT;
    CREATE INDEX IF NOT EXISTS _tenon_shared_expiry ON _tenon_shared (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
    CREATE TABLE IF NOT EXISTS _tenon_shared_use (namespace TEXT NOT NULL PRIMARY KEY, keys INTEGER NOT NULL,
        bytes INTEGER NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;";
const FETCH: &str = "SELECT version, expires_at_ms, value FROM _tenon_shared
    WHERE namespace = ?1 AND key = ?2 AND (expires_at_ms IS NULL OR expires_at_ms > ?3)";
const LIST: &str = "SELECT number, key, expires_at_ms FROM _tenon_shared
    WHERE namespace = ?1 AND number > ?2 AND (expires_at_ms IS NULL OR expires_at_ms > ?3) ORDER BY number LIMIT ?4";
const INFOS: &str = "SELECT id, namespace, key, version, length(value), expires_at_ms FROM _tenon_shared
    WHERE id > ?1 AND (expires_at_ms IS NULL OR expires_at_ms > ?2) ORDER BY id LIMIT ?3";

/// What is under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedEntry {
    pub version: i64,
    pub expires_at_ms: Option<i64>,
    pub value: Vec<u8>,
}

/// Some keys of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SharedPage {
    pub keys: Vec<String>,
    /// The number of the last, if there are more.
    pub next: Option<i64>,
    /// When the first of them expires, if any does.
    pub expires_at_ms: Option<i64>,
}

/// An entry without its value, for whoever looks after the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedInfo {
    /// Greater than that of every entry before it in a list.
    pub id: i64,
    pub namespace: String,
    pub key: String,
    pub version: i64,
    pub bytes: i64,
    pub expires_at_ms: Option<i64>,
}

/// Which entry is changed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedChange {
    pub namespace: String,
    pub key: String,
    pub deed: Deed,
    pub now_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    Set {
        value: Vec<u8>,
        expires_at_ms: Option<i64>,
        /// Only if this is the version, or [`ABSENT`](super::ABSENT).
        expected: Option<i64>,
    },
    Delete,
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// Under this version.
    Changed(i64),
    /// There was nothing to delete.
    Unchanged,
    /// The version was another: this one, or [`ABSENT`](super::ABSENT).
    Lost(i64),
}

/// A statement of the host's own that is run beside a change, if one is made, and taken back with it.
pub struct Beside {
    pub statement: &'static str,
    /// Its parameters, given the version.
    pub parameters: Parameters,
    /// Why the change is refused when the statement changes no row.
    pub refusal: SqlError,
}

pub type Parameters = Box<dyn FnOnce(i64) -> Result<Vec<Value>, SqlError> + Send>;

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").field("statement", &self.statement).finish_non_exhaustive()
    }
}

impl HostDatabase {
    /// The entries of all namespaces after one, as many as this.
    ///
    /// # Errors
    /// Those of any statement.
    pub async fn shared_infos(&self, after: i64, most: u32, now_ms: i64) -> Result<Vec<SharedInfo>, SqlError> {
        let parameters = [after, now_ms, most.into()].map(Value::Integer);
        let found = self.query(INFOS, parameters.into()).await?;
        Ok(found.rows.into_iter().filter_map(SharedInfo::read).collect())
    }
}

impl SharedInfo {
    fn read(row: Vec<Value>) -> Option<Self> {
        let [
            Value::Integer(id),
            Value::Text(namespace),
            Value::Text(key),
            Value::Integer(version),
            Value::Integer(bytes),
            expires,
        ] = <[Value; 6]>::try_from(row).ok()?
        else {
            return None;
        };
        let expires_at_ms = if let Value::Integer(at) = expires { Some(at) } else { None };
        Some(Self { id, namespace, key, version, bytes, expires_at_ms })
    }
}

impl TenantDatabase {
    pub async fn shared_fetch(
        self: &Arc<Self>,
        namespace: &str,
        key: &str,
        now_ms: i64,
        terms: &Terms,
    ) -> Result<Option<SharedEntry>, SqlError> {
        let (namespace, key) = (namespace.to_owned(), key.to_owned());
        let entry =
            |row: &Row<'_>| Ok(SharedEntry { version: row.get(0)?, expires_at_ms: row.get(1)?, value: row.get(2)? });
        self.look(terms, move |connection| {
            Ok(connection.prepare_cached(FETCH)?.query_row(params![namespace, key, now_ms], entry).optional()?)
        })
        .await
    }

    /// The keys of a namespace whose numbers are greater, in the order of their numbers.
    pub async fn shared_list(
        self: &Arc<Self>,
        namespace: &str,
        after: i64,
        most: usize,
        now_ms: i64,
        terms: &Terms,
    ) -> Result<SharedPage, SqlError> {
        let namespace = namespace.to_owned();
        self.look(terms, move |connection| {
            let mut statement = connection.prepare_cached(LIST)?;
            // One more, to know whether there are more.
            let mut rows = statement.query(params![namespace, after, now_ms, most as i64 + 1])?;
            let (mut page, mut last) = (SharedPage::default(), after);
            while let Some(row) = rows.next()? {
                if page.keys.len() >= most {
                    page.next = Some(last);
                    break;
                }
                last = row.get(0)?;
                page.keys.push(row.get(1)?);
                let expires_at_ms = row.get(2)?;
                page.expires_at_ms = [page.expires_at_ms, expires_at_ms].into_iter().flatten().min();
            }
            Ok(page)
        })
        .await
    }
}

#[cfg(test)]
mod tests;
