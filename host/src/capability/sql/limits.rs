//! The limits of plugin SQL: each with its unit in its name and a default that suits a small business application.

/// What one plugin may use of its database for one tenant, and what the host keeps open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlLimits {
    /// Length of one statement as the plugin wrote it.
    pub statement_bytes: usize,
    /// Length of one migration or demo script.
    pub script_bytes: usize,
    /// Parameters of one statement.
    pub parameters: usize,
    /// One text, blob or row, both stored and computed.
    pub value_bytes: usize,
    /// Rows of one result.
    pub result_rows: usize,
    /// Bytes of one result, counting 16 for each value and its content.
    pub result_bytes: usize,
    /// The main file of one database. The write-ahead log stands beside it.
    pub storage_bytes: u64,
    /// How long a statement waits for the writer or for a reader before it answers `busy`.
    pub busy_wait_ms: u64,
    /// Steps of SQLite's machine, 10 to 20 ns each, that a read may take on the calling thread before it is moved to a
    /// thread of its own.
    pub inline_read_steps: u32,
    /// Reader connections of one database.
    pub readers: usize,
    /// Page cache of one connection.
    pub cache_kib: u32,
    /// Prepared statements that one connection keeps.
    pub prepared_statements: usize,
    /// Databases kept open; the least recently used one that is idle closes first.
    pub open_databases: usize,
    /// Checked statements that one `Checker` keeps, and the bytes of their texts.
    pub checked_statements: usize,
    pub checked_bytes: usize,
}

impl Default for SqlLimits {
    fn default() -> Self {
        SqlLimits {
            statement_bytes: 64 << 10,
            script_bytes: 1 << 20,
            parameters: 1_000,
            value_bytes: 4 << 20,
            result_rows: 10_000,
            result_bytes: 8 << 20,
            storage_bytes: 256 << 20,
            busy_wait_ms: 5_000,
            inline_read_steps: 100_000,
            readers: 4,
            cache_kib: 1_024,
            prepared_statements: 64,
            open_databases: 256,
            checked_statements: 1_024,
            checked_bytes: 2 << 20,
        }
    }
}
