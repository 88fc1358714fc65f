//! Changes of shared data, each within a transaction of which nothing of it stays when it is refused.

use super::{Beside, Deed, Shared, SharedChange};
use crate::capability::sql::{
    entries::ABSENT,
    error::SqlError,
    guard::Mode,
    link,
    transaction::{Transaction, taken_back_if_it_fails},
};
use crate::config::SharedDataConfig;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Instant;

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
pub(super) struct Use {
    pub(super) keys: i64,
    pub(super) bytes: i64,
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

/// Sets an entry, of which `found` is what is there. What takes no more than before is never refused, so that a plugin
/// can get by with a limit that was lowered.
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
    pub(super) fn read(connection: &Connection, namespace: &str) -> Result<Self, SqlError> {
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

/// Removes what has expired, at most so many of one namespace or of all, and says how many there were.
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
