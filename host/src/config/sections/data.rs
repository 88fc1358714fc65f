//! Plugins' tables, keys and values, and the host's own database.

use serde::{Deserialize, Serialize};

use super::{KIB, MIB};
use crate::config::section::{millis, section};

section! {
    /// What a plugin can take through its own tables, for each tenant.
    pub struct SqlConfig {
        /// The text of one statement.
        statement_bytes: usize = 64 * KIB,
        /// The text of one migration or demo script.
        script_bytes: usize = MIB,
        /// Parameters of one statement.
        parameters: usize = 1_000,
        /// One text, blob or row, stored or computed.
        value_bytes: usize = 4 * MIB,
        /// Rows of one answer.
        result_rows: usize = 10_000,
        /// All values of one answer together, counting 16 bytes for each beside its content.
        result_bytes: usize = 8 * MIB,
        /// The database file; the log and temporary files beside it have limits of their own.
        storage_bytes: u64 = 256 * MIB as u64,
        /// The write-ahead log beside the database file. One transaction may fill 15 sixteenths of it, by default
        /// enough to change every page; while others read without pause, only half.
        log_bytes: u64 = 288 * MIB as u64,
        /// Temporary files for sorting and other work on the side, all statements on one database together.
        temporary_bytes: u64 = 256 * MIB as u64,
        /// Memory that one statement may take of SQLite.
        memory_bytes: u64 = 64 * MIB as u64,
        /// Time a statement waits for the writer before it, or for a connection that reads.
        busy_wait_ms: u64 = 2_000,
        /// Steps of SQLite's machine, 10 to 20 ns each, that a read may take on the thread that serves the
        /// request before it moves to one of its own.
        inline_read_steps: u32 = 100_000,
        /// Connections that read one database at once.
        readers: usize = 4,
        /// Page cache of one connection. `open_databases` have one for each of their `readers` and one for the writer, as
        /// far as they have been used: by default at most 1,280 MiB.
        cache_kib: u32 = 1_024,
        /// Prepared statements that one connection keeps.
        prepared_statements: usize = 64,
        /// Snapshots kept of each database: one is taken before migrations change it, and one before another is
        /// restored. The oldest goes for the next. Each takes as much of the disk as the database.
        snapshots: usize = 3,
        /// Databases open at once. The one unused for longest is closed for the next.
        open_databases: usize = 256,
        /// Statements whose check is remembered, for each plugin.
        checked_statements: usize = 1_024,
        /// The texts of those statements together.
        checked_bytes: usize = 2 * MIB,
    }
}

section! {
    /// What a plugin can take through keys and values, for each tenant.
    pub struct KeyvalueConfig {
        /// One key, and the name of a bucket beside it.
        key_bytes: usize = 512,
        /// One value, but never more than `sql.value_bytes` less 4 KiB and twice `key_bytes` for the rest of its row.
        value_bytes: usize = MIB,
        /// Keys and values together. They lie in the plugin's database, so they count against `sql.storage_bytes` as well.
        storage_bytes: u64 = 64 * MIB as u64,
        /// Keys of one batch.
        batch_keys: usize = 1_000,
        /// Keys and values of one batch together, written or read.
        batch_bytes: usize = 4 * MIB,
        /// Keys of one page of a listing.
        page_keys: usize = 1_000,
        /// The texts of those keys together; a page has one key at least.
        page_bytes: usize = 256 * KIB,
    }
}

section! {
    /// What a plugin can take through shared data, for each tenant.
    pub struct SharedDataConfig {
        /// Keys of one namespace.
        keys: u64 = 1_000,
        /// One key.
        key_bytes: usize = 256,
        /// One value, but never more than `sql.value_bytes` less 4 KiB and twice `key_bytes` for the rest of its row.
        value_bytes: usize = 64 * KIB,
        /// Keys and values of one namespace. They lie in the owner's database, so they count against `sql.storage_bytes` as
        /// well.
        namespace_bytes: u64 = MIB as u64,
        /// Keys of one page of a listing.
        page_keys: usize = 1_000,
        /// Expired entries that one change removes on the side. Nobody sees them before that either.
        swept_keys: usize = 100,
    }
}

/// What a row beside a value takes, for its head and for the key in the table and in its index.
const ROW_BYTES: usize = 4 * KIB;

/// A value with a key beside it, as far as a row of the database can hold them.
fn fitting(value_bytes: usize, key_bytes: usize, sql: &SqlConfig) -> usize {
    let beside = key_bytes.saturating_mul(2).saturating_add(ROW_BYTES);
    value_bytes.min(sql.value_bytes.saturating_sub(beside))
}

impl KeyvalueConfig {
    /// As far as a row of the database can hold it.
    pub fn within(&self, sql: &SqlConfig) -> Self {
        Self { value_bytes: fitting(self.value_bytes, self.key_bytes, sql), ..self.clone() }
    }
}

impl SharedDataConfig {
    /// As far as a row of the database can hold it.
    pub fn within(&self, sql: &SqlConfig) -> Self {
        Self { value_bytes: fitting(self.value_bytes, self.key_bytes, sql), ..self.clone() }
    }
}

section! {
    /// The host's own database.
    pub struct DbConfig {
        /// Connections that read at once. One more writes.
        readers: u32 = 4,
        /// Time a writer waits for another process that writes.
        busy_wait_ms: u64 = 5_000,
        /// Time an operation waits for a connection.
        acquire_timeout_ms: u64 = 5_000,
        /// Page cache of one connection.
        cache_kib: u32 = 2_048,
    }
}

millis! {
    SqlConfig { busy_wait = busy_wait_ms }
    DbConfig { busy_wait = busy_wait_ms, acquire_timeout = acquire_timeout_ms }
}
