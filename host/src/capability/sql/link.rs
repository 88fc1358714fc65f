//! One SQLite connection: opened hardened, and used only armed with a deadline and a mode.
//!
//! Invariant: [`Link::start`] is the only way to the connection, so no statement runs without a deadline and an
//! authorizer that knows whose statement it is.

use super::{
    check::Checked,
    error::SqlError,
    files::{Files, Refusal, Room},
    functions,
    guard::{METER_STEPS, Meter, Mode, ModeSwitch, Stop},
    memory::Budget,
    rows::Rows,
    value::{self, RowSet, Value},
};
use crate::config::SqlConfig;
use rusqlite::{Connection, OpenFlags, config::DbConfig, ffi, limits::Limit};
use std::{
    cell::Cell,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

pub(super) const PAGE_BYTES: u64 = 4_096;
/// How far the write-ahead log may stay grown after a checkpoint.
const LOG_BYTES: u64 = 4 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Reader,
    Writer,
}

#[derive(Debug)]
pub(super) struct Link {
    connection: Connection,
    meter: Meter,
    mode: ModeSwitch,
    rows: Rows,
    room: Arc<Room>,
    /// The limit that SQLite was told last, in bytes.
    storage_bytes: Cell<u64>,
    // After the connection, which uses it to its end.
    files: Files,
}

impl Link {
    /// Opens an existing file.
    pub fn open(file: &Path, role: Role, limits: &SqlConfig, room: &Arc<Room>) -> Result<Self, SqlError> {
        let (meter, mode) = (Meter::new(), ModeSwitch::new());
        let files = Files::new(room.clone(), meter.clone())
            .ok_or_else(|| SqlError::unavailable("its files cannot be watched"))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = Connection::open_with_flags_and_vfs(file, flags, files.name())
            .map_err(|_| SqlError::unavailable("its file cannot be opened"))?;
        connection.busy_timeout(Duration::ZERO)?;
        let storage_bytes = room.storage_bytes();
        settings(&connection, role, limits)
            .map_err(|error| explained(error, files.refusal(), limits, storage_bytes))?;
        set_storage(&connection, storage_bytes)?;
        harden(&connection, limits)?;
        functions::install(&connection, &meter)?;
        connection.set_prepared_statement_cache_capacity(limits.prepared_statements);
        let (watch, guard) = (meter.clone(), mode.clone());
        connection.progress_handler(METER_STEPS, Some(move || watch.is_over()))?;
        connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| guard.authorize(context)))?;
        let rows = Rows::default();
        if role == Role::Writer {
            rows.listen(&connection)?;
        }
        Ok(Link { connection, meter, mode, rows, room: room.clone(), storage_bytes: storage_bytes.into(), files })
    }

    /// The connection, for one statement or one transaction of the host's own making.
    pub fn start(&self, mode: Mode, mut stop: Stop) -> Result<&Connection, SqlError> {
        let late = !stop.goes_on();
        // What an earlier run met says nothing about this one.
        self.files.refusal();
        self.mode.set(mode);
        self.meter.arm(stop);
        match late {
            true => Err(SqlError::Timeout),
            false => Ok(&self.connection),
        }
    }

    /// Under a run that [`Link::start`] began: the next statements are of another kind.
    pub fn switch(&self, mode: Mode) -> &Connection {
        self.mode.set(mode);
        &self.connection
    }

    /// Begins to write, under a run that [`Link::start`] began.
    pub fn begin(&self) -> Result<(), SqlError> {
        let (connection, storage_bytes) = (self.switch(Mode::Host), self.room.storage_bytes());
        if self.storage_bytes.get() != storage_bytes {
            set_storage(connection, storage_bytes)?;
            self.storage_bytes.set(storage_bytes);
        }
        self.rows.begin();
        command(connection, "BEGIN IMMEDIATE")
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// `Quota` when there would be more rows than may be, or what led here took more processor time. The transaction is
    /// open still, unless SQLite ended it.
    pub fn commit(&self) -> Result<(), SqlError> {
        let connection = self.switch(Mode::Host);
        self.meter.pay()?;
        self.rows.settle(connection, self.room.rows())?;
        command(connection, "COMMIT")
    }

    /// What fails leaves no rows behind that count.
    pub fn counted<T>(&self, part: impl FnOnce() -> Result<T, SqlError>) -> Result<T, SqlError> {
        self.rows.unless_it_fails(part)
    }

    /// Says which limit a statement of this run met, where SQLite only says that something is full.
    pub fn explain(&self, error: SqlError, budget: &Budget, limits: &SqlConfig) -> SqlError {
        match error {
            SqlError::NoMemory if budget.was_refused() => SqlError::Quota(format!(
                "memory: at most {} bytes for one statement; ask for fewer or smaller columns and subqueries",
                limits.memory_bytes
            )),
            error => explained(error, self.files.refusal(), limits, self.storage_bytes.get()),
        }
    }

    /// Writes the log back into the database file and empties it, between two transactions of a run that began.
    ///
    /// # Errors
    /// `Busy` while somebody reads.
    pub fn empty_log(&self, room: &Room) -> Result<(), SqlError> {
        let connection = self.switch(Mode::Host);
        match connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))? {
            0 => {
                room.log_is_empty();
                Ok(())
            }
            _ => Err(SqlError::Busy),
        }
    }

    /// Tries again while another process holds the file, and lets others go meanwhile.
    pub fn patiently<T>(
        &self,
        until: Instant,
        mut attempt: impl FnMut() -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        patiently(until, || {
            attempt().inspect_err(|error| {
                if *error == SqlError::Busy {
                    self.meter.waits();
                }
            })
        })
    }

    /// The connection as it is read by SQLite's backup, which runs no statement; under a run that [`Link::start`]
    /// began.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether the run is over its deadline, or nobody waits for it any longer: for work between statements.
    pub fn must_stop(&self) -> bool {
        self.meter.is_over()
    }

    pub fn is_in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Ends a run that [`Link::start`] began, which is then paid for. A statement that it stopped says so, and one that
    /// took more than it may before it could be stopped is refused as well, unless the host has kept what it did: then
    /// nothing more runs for its request.
    pub fn end<T>(&self, result: Result<T, SqlError>) -> Result<T, SqlError> {
        let has_kept = self.mode.get() != Mode::Plugin;
        match (self.meter.end(), result) {
            (Some(spent), Err(SqlError::Timeout)) => Err(spent.into()),
            (Some(spent), Ok(_)) if !has_kept => Err(spent.into()),
            (_, result) => result,
        }
    }

    /// Ends whatever is open. False if the connection can no longer be trusted.
    pub fn clean(&self) -> bool {
        self.meter.arm(Stop::never());
        if self.connection.is_autocommit() {
            return true;
        }
        self.mode.set(Mode::Host);
        self.connection.execute_batch("ROLLBACK").is_ok() && self.connection.is_autocommit()
    }
}

fn explained(error: SqlError, refusal: Option<Refusal>, limits: &SqlConfig, storage_bytes: u64) -> SqlError {
    if error != SqlError::Full {
        return error;
    }
    SqlError::Quota(match refusal {
        Some(Refusal::Disk) => return SqlError::disk_full(),
        Some(Refusal::Log) => format!(
            "transaction bytes: what one transaction changes must fit into {} bytes of log; change fewer rows at once",
            limits.log_bytes
        ),
        Some(Refusal::Temporary) => format!(
            "temporary bytes: at most {} for sorting and other work on the side; sort or join fewer rows",
            limits.temporary_bytes
        ),
        None => format!(
            "storage: the database of this plugin is full with {storage_bytes} bytes; delete rows or ask the operator for \
             more"
        ),
    })
}

fn settings(connection: &Connection, role: Role, limits: &SqlConfig) -> Result<(), SqlError> {
    let cache_kib = limits.cache_kib;
    connection.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES}; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA cell_size_check = ON; PRAGMA case_sensitive_like = ON; PRAGMA cache_size = -{cache_kib};
         PRAGMA temp_store = FILE;
         PRAGMA journal_size_limit = {LOG_BYTES};"
    ))?;
    match role {
        Role::Writer => {
            let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
            if mode != "wal" {
                return Err(SqlError::unavailable("its file system does not support write-ahead logging"));
            }
        }
        Role::Reader => connection.execute_batch("PRAGMA query_only = ON")?,
    }
    Ok(())
}

/// A database that holds more already keeps it and takes no more.
fn set_storage(connection: &Connection, bytes: u64) -> Result<(), SqlError> {
    let pages = (bytes / PAGE_BYTES).max(1);
    Ok(connection.execute_batch(&format!("PRAGMA max_page_count = {pages}"))?)
}

fn harden(connection: &Connection, limits: &SqlConfig) -> Result<(), SqlError> {
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        // Plans do not depend on bound values, so a statement is never planned anew for each LIMIT.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
    ] {
        connection.set_db_config(config, on)?;
    }
    let bytes = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, bytes(limits.value_bytes)),
        // Printing quotes every name and parenthesises, so the text grows.
        (Limit::SQLITE_LIMIT_SQL_LENGTH, bytes(limits.statement_bytes.max(limits.script_bytes).saturating_mul(4))),
        (Limit::SQLITE_LIMIT_COLUMN, 500),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 400),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
        (Limit::SQLITE_LIMIT_VDBE_OP, 250_000),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, bytes(limits.parameters)),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 32),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    // SAFETY: the handle is that of `connection`, which is open and used by no other thread; a null list means that no
    // module is kept. No statement exists that could use one.
    let code = unsafe { ffi::sqlite3_drop_modules(connection.handle(), std::ptr::null_mut()) };
    match code {
        ffi::SQLITE_OK => Ok(()),
        _ => Err(SqlError::unavailable("virtual tables cannot be switched off")),
    }
}

/// Runs a statement to its end and keeps its rows.
pub(super) fn rows(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    limits: &SqlConfig,
) -> Result<RowSet, SqlError> {
    let mut statement = connection.prepare_cached(sql)?;
    value::bind(&mut statement, parameters)?;
    value::collect(&mut statement, limits)
}

/// Runs a statement and counts the rows it changed.
pub(super) fn change(connection: &Connection, sql: &str, parameters: &[Value]) -> Result<u64, SqlError> {
    let mut statement = connection.prepare_cached(sql)?;
    value::bind(&mut statement, parameters)?;
    Ok(statement.raw_execute()? as u64)
}

/// Runs a statement of the host without parameters or rows.
pub(super) fn command(connection: &Connection, sql: &'static str) -> Result<(), SqlError> {
    connection.prepare_cached(sql)?.raw_execute()?;
    Ok(())
}

/// Whether a statement may run here with these values.
pub(super) fn accept(statement: &Checked, parameters: &[Value], wants_rows: bool) -> Result<(), SqlError> {
    if statement.purpose() != super::check::Purpose::Plugin {
        return Err(SqlError::denied("a migration's statement", "migrations run when the plugin is set up"));
    }
    if statement.parameters() != parameters.len() {
        return Err(SqlError::invalid(format!(
            "the statement has {} parameters, {} values were given",
            statement.parameters(),
            parameters.len()
        )));
    }
    match (wants_rows, statement.returns_rows()) {
        (true, false) => Err(SqlError::invalid("the statement returns no rows; run it with execute, or add RETURNING")),
        (false, true) => Err(SqlError::invalid("the statement returns rows; run it with query")),
        _ => Ok(()),
    }
}

/// Tries again while another process holds the file.
#[expect(clippy::disallowed_methods, reason = "it runs only on tokio's blocking threads, which may sleep")]
pub(super) fn patiently<T>(until: Instant, mut attempt: impl FnMut() -> Result<T, SqlError>) -> Result<T, SqlError> {
    loop {
        match attempt() {
            Err(SqlError::Busy) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
            other => return other,
        }
    }
}
