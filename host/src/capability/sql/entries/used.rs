//! What all entries take, and the one way to change them: an entry and the sum over all change together.

use super::ABSENT;
use super::read::Entry;
use crate::capability::sql::{error::SqlError, files::Room};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

const INSERT: &str = "INSERT INTO _tenon_kv (id, bucket, key, version, value) VALUES (?1, ?2, ?3, ?1, ?4)";
const UPDATE: &str = "UPDATE _tenon_kv SET version = ?2, value = ?3 WHERE id = ?1";
const DELETE: &str = "DELETE FROM _tenon_kv WHERE id = ?1";
const USE: &str = "SELECT keys, bytes, version FROM _tenon_kv_use";
const SET_USE: &str = "INSERT INTO _tenon_kv_use (one, keys, bytes, version) VALUES (1, ?1, ?2, ?3)
    ON CONFLICT (one) DO UPDATE SET keys = excluded.keys, bytes = excluded.bytes, version = excluded.version";
/// A database that was full before there were entries has no tables for them.
const HAS_TABLES: &str = "SELECT 1 FROM sqlite_master WHERE name = '_tenon_kv_use'";

/// How much the entries may take.
pub(super) struct Most {
    /// Knows how many keys there may be, which an operator can change while a writer waits for its turn.
    pub room: Arc<Room>,
    /// Of keys and values.
    pub bytes: u64,
}

/// What all entries take, and the version of the last change.
pub(super) struct Use {
    pub keys: i64,
    pub bytes: i64,
    pub version: i64,
}

impl Use {
    pub fn read(connection: &Connection) -> Result<Self, SqlError> {
        let row = |row: &rusqlite::Row<'_>| Ok(Use { keys: row.get(0)?, bytes: row.get(1)?, version: row.get(2)? });
        let found = connection.prepare_cached(USE)?.query_row([], row).optional()?;
        Ok(found.unwrap_or(Use { keys: 0, bytes: 0, version: ABSENT }))
    }

    pub fn write(&self, connection: &Connection) -> Result<(), SqlError> {
        connection.prepare_cached(SET_USE)?.execute(params![self.keys, self.bytes, self.version])?;
        Ok(())
    }

    /// Sets one entry, of which `found` is what is there. What takes no more than before is never refused, so that a
    /// plugin can get by with a limit that was lowered.
    pub fn set(
        &mut self,
        connection: &Connection,
        bucket: &str,
        key: &str,
        value: &[u8],
        found: Option<Entry>,
        most: &Most,
    ) -> Result<(), SqlError> {
        let before = found.as_ref().map_or(0, |entry| entry.bytes + size(bucket, key));
        let after = value.len() as i64 + size(bucket, key);
        let (keys, bytes) = (self.keys + i64::from(found.is_none()), self.bytes - before + after);
        if found.is_none() {
            fits_keys(keys, most.room.keys())?;
        }
        if after > before {
            fits_bytes(bytes, most.bytes)?;
        }
        self.version += 1;
        match &found {
            Some(entry) => connection.prepare_cached(UPDATE)?.execute(params![entry.id, self.version, value])?,
            None => connection.prepare_cached(INSERT)?.execute(params![self.version, bucket, key, value])?,
        };
        (self.keys, self.bytes) = (keys, bytes);
        Ok(())
    }

    /// Removes one entry, which is there.
    pub fn remove(&mut self, connection: &Connection, bucket: &str, key: &str, entry: &Entry) -> Result<(), SqlError> {
        connection.prepare_cached(DELETE)?.execute([entry.id])?;
        self.keys -= 1;
        self.bytes -= entry.bytes + size(bucket, key);
        Ok(())
    }
}

/// How many keys there are; none where they have no tables.
pub(super) fn keys(connection: &Connection) -> Result<u64, SqlError> {
    match connection.prepare_cached(HAS_TABLES)?.exists([])? {
        true => Ok(u64::try_from(Use::read(connection)?.keys).unwrap_or(0)),
        false => Ok(0),
    }
}

fn fits_keys(keys: i64, most: u64) -> Result<(), SqlError> {
    match u64::try_from(keys).is_ok_and(|keys| keys <= most) {
        true => Ok(()),
        false => Err(SqlError::Quota(format!(
            "keys: at most {most} for this plugin and tenant; delete some, or ask the operator for more (quotas.keys)"
        ))),
    }
}

fn fits_bytes(bytes: i64, most: u64) -> Result<(), SqlError> {
    match u64::try_from(bytes).is_ok_and(|bytes| bytes <= most) {
        true => Ok(()),
        false => Err(SqlError::Quota(format!(
            "storage: the keys and values of this plugin may take {most} bytes; delete some, or ask the operator for \
             more (keyvalue.storage_bytes)"
        ))),
    }
}

/// What an entry takes beside its value.
fn size(bucket: &str, key: &str) -> i64 {
    (bucket.len() + key.len()) as i64
}
