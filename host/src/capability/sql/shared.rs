//! Shared data, in tables of the host's own in the database of the plugin that owns it.
//!
//! Invariants: an entry that has expired is never given, whether it was removed yet or not; `_tenon_shared_use` says what the
//! entries of a namespace take, exactly, those that have expired and are not removed among them; a version is greater than
//! that of every change of its namespace before it. An entry keeps its number until it is gone, and a listing goes by it,
//! so what is there all the while is listed exactly once.
//!
//! The clock is the machine's, in milliseconds since 1970: what expires does so across restarts.

use super::{
    account::Terms,
    database::TenantDatabase,
    entries::ABSENT,
    error::SqlError,
    guard::Mode,
    host::HostDatabase,
    link,
    transaction::{Transaction, taken_back_if_it_fails},
    value::Value,
};
use crate::config::SharedDataConfig;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::{fmt, sync::Arc, time::Instant};

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
const STATE: &str = "SELECT id, version, expires_at_ms, length(CAST(key AS BLOB)) + length(value) FROM _tenon_shared
    WHERE namespace = ?1 AND key = ?2";
const INSERT: &str = "INSERT INTO _tenon_shared (namespace, key, number, version, expires_at_ms, value)
    VALUES (?1, ?2, ?3, ?3, ?4, ?5)";
const UPDATE: &str = "UPDATE _tenon_shared SET version = ?2, expires_at_ms = ?3, value = ?4 WHERE id = ?1";
const DELETE: &str = "DELETE FROM _tenon_shared WHERE id = ?1";
const EXPIRED: &str = "SELECT id, namespace, length(CAST(key AS BLOB)) + length(value) FROM _tenon_shared
    WHERE expires_at_ms <= ?1 AND (?2 IS NULL OR namespace = ?2) ORDER BY expires_at_ms LIMIT ?3";
const USE: &str = "SELECT keys, bytes, version FROM _tenon_shared_use WHERE namespace = ?1";
const SET_USE: &str = "INSERT INTO _tenon_shared_use (namespace, keys, bytes, version) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (namespace) DO UPDATE SET keys = excluded.keys, bytes = excluded.bytes, version = excluded.version";
const LESS: &str = "UPDATE _tenon_shared_use SET keys = keys - 1, bytes = bytes - ?2 WHERE namespace = ?1";

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
        /// Only if this is the version, or [`ABSENT`].
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
    /// The version was another: this one, or [`ABSENT`].
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

impl Transaction {
    /// Changes an entry of shared data, with what is to be written beside it.
    ///
    /// # Errors
    /// `Quota` with the limit that is in the way. Nothing was changed then, and the transaction is open still.
    pub async fn share(
        &mut self,
        change: SharedChange,
        beside: Option<Beside>,
        limits: &SharedDataConfig,
        deadline: Instant,
    ) -> Result<Shared, SqlError> {
        let limits = limits.clone();
        self.run(deadline, move |link| {
            taken_back_if_it_fails(link, || {
                let connection = link.switch(Mode::Host);
                let done = make(connection, change, &limits)?;
                if let (Shared::Changed(version), Some(beside)) = (done, beside) {
                    let parameters = (beside.parameters)(version)?;
                    if link::change(connection, beside.statement, &parameters)? == 0 {
                        return Err(beside.refusal);
                    }
                }
                Ok(done)
            })
        })
        .await
    }
}

/// An entry without its value.
struct Found {
    id: i64,
    version: i64,
    expires_at_ms: Option<i64>,
    bytes: i64,
}

/// What the entries of a namespace take, and the version of its last change.
struct Use {
    keys: i64,
    bytes: i64,
    version: i64,
}

fn make(connection: &Connection, change: SharedChange, limits: &SharedDataConfig) -> Result<Shared, SqlError> {
    let SharedChange { namespace, key, deed, now_ms } = change;
    let found = state(connection, &namespace, &key)?;
    // What has expired is not there, and its place is taken anew.
    let expired = |found: &Found| found.expires_at_ms.is_some_and(|at| at <= now_ms);
    let found = match found {
        Some(old) if expired(&old) => {
            remove(connection, &namespace, old.id, old.bytes)?;
            None
        }
        found => found,
    };
    let done = match deed {
        Deed::Set { value, expires_at_ms, expected } => {
            let now = found.as_ref().map_or(ABSENT, |entry| entry.version);
            match expected {
                Some(expected) if expected != now => return Ok(Shared::Lost(now)),
                _ => {
                    Shared::Changed(set(connection, (&namespace, &key), &value, expires_at_ms, found, now_ms, limits)?)
                }
            }
        }
        Deed::Delete => match found {
            None => return Ok(Shared::Unchanged),
            Some(entry) => {
                remove(connection, &namespace, entry.id, entry.bytes)?;
                let mut used = Use::read(connection, &namespace)?;
                used.version += 1;
                used.write(connection, &namespace)?;
                Shared::Changed(used.version)
            }
        },
    };
    sweep(connection, None, now_ms, limits.swept_keys)?;
    Ok(done)
}

/// Sets an entry, of which `found` is what is there. What takes no more than before is never refused, so that a plugin can
/// get by with a limit that was lowered.
fn set(
    connection: &Connection,
    (namespace, key): (&str, &str),
    value: &[u8],
    expires_at_ms: Option<i64>,
    found: Option<Found>,
    now_ms: i64,
    limits: &SharedDataConfig,
) -> Result<i64, SqlError> {
    let (before, after) = (found.as_ref().map_or(0, |entry| entry.bytes), (key.len() + value.len()) as i64);
    let mut used = Use::read(connection, namespace)?;
    while let Some(limit) = used.exceeds(namespace, found.is_none(), after - before, limits) {
        // What nobody sees any longer is in nobody's way.
        if sweep(connection, Some(namespace), now_ms, limits.swept_keys)? == 0 {
            return Err(limit);
        }
        used = Use::read(connection, namespace)?;
    }
    used.version += 1;
    match &found {
        Some(entry) => {
            connection.prepare_cached(UPDATE)?.execute(params![entry.id, used.version, expires_at_ms, value])?
        }
        None => {
            connection.prepare_cached(INSERT)?.execute(params![namespace, key, used.version, expires_at_ms, value])?
        }
    };
    used.keys += i64::from(found.is_none());
    used.bytes += after - before;
    used.write(connection, namespace)?;
    Ok(used.version)
}

impl Use {
    fn read(connection: &Connection, namespace: &str) -> Result<Self, SqlError> {
        let row = |row: &Row<'_>| Ok(Use { keys: row.get(0)?, bytes: row.get(1)?, version: row.get(2)? });
        let found = connection.prepare_cached(USE)?.query_row([namespace], row).optional()?;
        Ok(found.unwrap_or(Use { keys: 0, bytes: 0, version: ABSENT }))
    }

    fn write(&self, connection: &Connection, namespace: &str) -> Result<(), SqlError> {
        let values = params![namespace, self.keys, self.bytes, self.version];
        connection.prepare_cached(SET_USE)?.execute(values)?;
        Ok(())
    }

    /// The limit that so many bytes more would meet.
    fn exceeds(&self, namespace: &str, is_new: bool, more: i64, limits: &SharedDataConfig) -> Option<SqlError> {
        let most = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
        let ask = "delete some, give them a shorter time, or ask the operator for more";
        if is_new && self.keys >= most(limits.keys) {
            let keys = limits.keys;
            return Some(SqlError::Quota(format!("keys: at most {keys} in {namespace}; {ask} (shared_data.keys)")));
        }
        if more > 0 && self.bytes + more > most(limits.namespace_bytes) {
            let bytes = limits.namespace_bytes;
            return Some(SqlError::Quota(format!(
                "namespace bytes: the keys and values of {namespace} may take {bytes} bytes; {ask} \
                 (shared_data.namespace_bytes)"
            )));
        }
        None
    }
}

fn state(connection: &Connection, namespace: &str, key: &str) -> Result<Option<Found>, SqlError> {
    let row = |row: &Row<'_>| {
        Ok(Found { id: row.get(0)?, version: row.get(1)?, expires_at_ms: row.get(2)?, bytes: row.get(3)? })
    };
    Ok(connection.prepare_cached(STATE)?.query_row([namespace, key], row).optional()?)
}

fn remove(connection: &Connection, namespace: &str, id: i64, bytes: i64) -> Result<(), SqlError> {
    connection.prepare_cached(DELETE)?.execute([id])?;
    connection.prepare_cached(LESS)?.execute(params![namespace, bytes])?;
    Ok(())
}

/// Removes what has expired, at most so many of one namespace or of all, and says how many it were.
fn sweep(connection: &Connection, namespace: Option<&str>, now_ms: i64, most: usize) -> Result<usize, SqlError> {
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let mut statement = connection.prepare_cached(EXPIRED)?;
    let expired = statement.query_map(params![now_ms, namespace, most as i64], row)?;
    let expired = expired.collect::<Result<Vec<(i64, String, i64)>, _>>()?;
    for (id, namespace, bytes) in &expired {
        remove(connection, namespace, *id, *bytes)?;
    }
    Ok(expired.len())
}

#[cfg(test)]
mod tests;
