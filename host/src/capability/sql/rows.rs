//! How many rows a plugin's own tables hold.
//!
//! SQLite tells of each row that a statement adds or removes; what a transaction comes to is added to the number in
//! `_tenon_rows` before it commits, within it. So the number is right whatever ends the transaction, and however many
//! processes write. A migration may drop whole tables, so after one the rows are counted.

use super::{error::SqlError, link, value::Value};
use rusqlite::{Connection, hooks::Action};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _tenon_rows \
    (one INTEGER PRIMARY KEY CHECK (one = 1), held INTEGER NOT NULL CHECK (held >= 0))";
const IS_KNOWN: &str = "SELECT 1 FROM _tenon_rows";
const SET: &str =
    "INSERT INTO _tenon_rows (one, held) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET held = excluded.held";
const ADD: &str = "UPDATE _tenon_rows SET held = held + ?1 RETURNING held";
const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' \
    AND name NOT LIKE '\\_tenon%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
/// What the host asks for when people want to know.
pub(super) const HELD: &str = "SELECT held FROM _tenon_rows";

/// The rows that the open transaction of one connection has added, less those that it removed.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows(Arc<AtomicI64>);

impl Rows {
    /// Listens to a connection.
    pub fn listen(&self, connection: &Connection) -> rusqlite::Result<()> {
        let added = self.0.clone();
        connection.update_hook(Some(move |action, _database: &str, table: &str, _row| {
            let one = match action {
                Action::SQLITE_INSERT => 1,
                Action::SQLITE_DELETE => -1,
                _ => return,
            };
            if !table.starts_with("_tenon") {
                added.fetch_add(one, Ordering::Relaxed);
            }
        }))
    }

    /// A transaction begins.
    pub fn begin(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Runs a part of the transaction that is taken back if it fails.
    pub fn unless_it_fails<T>(&self, part: impl FnOnce() -> Result<T, SqlError>) -> Result<T, SqlError> {
        let before = self.0.load(Ordering::Relaxed);
        part().inspect_err(|_| self.0.store(before, Ordering::Relaxed))
    }

    /// Adds them to the number, before the transaction commits.
    ///
    /// # Errors
    /// `Quota` if there would be more than `limit`.
    pub fn settle(&self, connection: &Connection, limit: u64) -> Result<(), SqlError> {
        let added = self.0.swap(0, Ordering::Relaxed);
        if added == 0 {
            return Ok(());
        }
        let held: i64 = connection.prepare_cached(ADD)?.query_row([added], |row| row.get(0))?;
        if added > 0 && u64::try_from(held).unwrap_or(0) > limit {
            return Err(SqlError::Quota(format!(
                "rows: at most {limit} in all tables of this plugin, {held} with these; delete some or ask the operator \
                 for more"
            )));
        }
        Ok(())
    }
}

/// Makes the table, and counts what is there if nobody has yet.
pub(super) fn prepare(connection: &Connection) -> Result<(), SqlError> {
    connection.execute_batch(TABLE)?;
    match connection.prepare_cached(IS_KNOWN)?.exists([])? {
        true => Ok(()),
        false => count(connection),
    }
}

/// Counts all rows.
pub(super) fn count(connection: &Connection) -> Result<(), SqlError> {
    let mut held = 0;
    let tables = connection.prepare(TABLES)?.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    for table in tables {
        let sql = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        held += connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?;
    }
    link::change(connection, SET, &[Value::Integer(held)]).map(drop)
}
