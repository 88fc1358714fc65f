//! Reading entries, on a connection that is in hand.

use super::Page;
use crate::capability::sql::error::SqlError;
use rusqlite::{Connection, OptionalExtension, params};

const FETCH: &str = "SELECT value FROM _tenon_kv WHERE bucket = ?1 AND key = ?2";
const STATE: &str = "SELECT id, version, length(value) FROM _tenon_kv WHERE bucket = ?1 AND key = ?2";
const LIST: &str = "SELECT id, key FROM _tenon_kv INDEXED BY _tenon_kv_bucket WHERE bucket = ?1 AND id > ?2
    ORDER BY id LIMIT ?3";

/// An entry without its value.
pub(super) struct Entry {
    pub id: i64,
    pub version: i64,
    pub bytes: i64,
}

/// The value under a key.
pub(super) fn fetch(connection: &Connection, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, SqlError> {
    Ok(connection.prepare_cached(FETCH)?.query_row([bucket, key], |row| row.get(0)).optional()?)
}

/// What is under a key, without its value.
pub(super) fn state(connection: &Connection, bucket: &str, key: &str) -> Result<Option<Entry>, SqlError> {
    let row = |row: &rusqlite::Row<'_>| Ok(Entry { id: row.get(0)?, version: row.get(1)?, bytes: row.get(2)? });
    Ok(connection.prepare_cached(STATE)?.query_row([bucket, key], row).optional()?)
}

/// A page of a bucket's keys; of one key at least, however long it is.
pub(super) fn list(
    connection: &Connection,
    bucket: &str,
    after: i64,
    most_keys: usize,
    most_bytes: usize,
) -> Result<Page, SqlError> {
    let mut statement = connection.prepare_cached(LIST)?;
    // One more, to know whether there are more.
    let mut rows = statement.query(params![bucket, after, most_keys as i64 + 1])?;
    let (mut page, mut last, mut bytes) = (Page::default(), after, 0);
    while let Some(row) = rows.next()? {
        let (id, key): (i64, String) = (row.get(0)?, row.get(1)?);
        bytes += key.len();
        let is_full = page.keys.len() >= most_keys || bytes > most_bytes;
        if is_full && !page.keys.is_empty() {
            page.next = Some(last);
            break;
        }
        page.keys.push(key);
        last = id;
    }
    Ok(page)
}

/// A value that is decimal text.
pub(super) fn number(value: &[u8]) -> Result<i128, SqlError> {
    let text = str::from_utf8(value).ok().filter(|text| text.len() <= 20);
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| SqlError::invalid("the value under this key is no number in decimal text"))
}
