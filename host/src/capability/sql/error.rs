//! What can go wrong with a plugin's statement, in the cases of `tenon:host/sql`'s `error`.
//!
//! Invariant: no message names a path, another tenant or a table of the host. SQLite's own messages about a statement
//! speak only of the statement; its messages about files are replaced.

use rusqlite::ffi;

/// Which rule of the schema a statement broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    Unique,
    PrimaryKey,
    ForeignKey,
    NotNull,
    Check,
    Other,
}

/// The error of a statement; each case is one of the WIT variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// `name` is `table.column, …` for unique, primary key and not null, the constraint's name for a check, and empty
    /// for a foreign key, which SQLite does not name.
    #[error("the statement broke a {kind:?} constraint: {name}")]
    Constraint { kind: ConstraintKind, name: String },
    #[error("{what} is not allowed: {why}")]
    Denied { what: String, why: String },
    #[error("another writer held the database for too long; try again")]
    Busy,
    #[error("limit reached: {0}")]
    Quota(String),
    /// Line and column count from 1; 0 where the position is not known.
    #[error("syntax error at line {line}, column {column}: {message}")]
    Syntax { message: String, line: u32, column: u32 },
    #[error("{0}")]
    Invalid(String),
    #[error("the deadline passed while the statement ran")]
    Timeout,
    #[error("the database cannot be used: {0}")]
    Unavailable(String),
    /// SQLite found no room. Which limit it was, or the disk, is known to the connection alone; see
    /// [`Link::explain`](super::link::Link::explain).
    #[error("there is no room for what the statement writes")]
    Full,
    /// SQLite found no memory: by its limit, or none at all.
    #[error("out of memory")]
    NoMemory,
}

impl SqlError {
    pub(super) fn denied(what: impl Into<String>, why: impl Into<String>) -> Self {
        SqlError::Denied { what: what.into(), why: why.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        SqlError::Invalid(message.into())
    }

    /// The host's disk, not a limit of the plugin's: only the operator can help.
    pub(in crate::capability) fn disk_full() -> Self {
        SqlError::unavailable("the disk of the host is full; the operator must free space, then it works again")
    }

    /// SQLite cannot read the file.
    pub(super) fn damaged() -> Self {
        SqlError::unavailable("its file is damaged; the operator must restore it")
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        SqlError::Unavailable(message.into())
    }
}

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(code, message) => from_sqlite(code, &message.unwrap_or_default()),
            rusqlite::Error::SqlInputError { error, msg, .. } => from_sqlite(error, &msg),
            rusqlite::Error::MultipleStatement => SqlError::denied("a second statement", "one statement at a time"),
            // What is left are mistakes of the host in using rusqlite; their texts may quote values.
            _ => SqlError::unavailable("an internal error of the database layer"),
        }
    }
}

fn from_sqlite(error: ffi::Error, message: &str) -> SqlError {
    match error.extended_code & 0xff {
        ffi::SQLITE_CONSTRAINT => constraint(error.extended_code, message),
        ffi::SQLITE_INTERRUPT => SqlError::Timeout,
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => SqlError::Busy,
        ffi::SQLITE_AUTH => SqlError::denied(message, "plugins reach only tables and functions of their own"),
        ffi::SQLITE_FULL => SqlError::Full,
        ffi::SQLITE_TOOBIG => {
            SqlError::Quota("size: a value, row or statement is too large; store less in one value".into())
        }
        ffi::SQLITE_ERROR | ffi::SQLITE_RANGE | ffi::SQLITE_MISMATCH => invalid(message),
        ffi::SQLITE_NOMEM => SqlError::NoMemory,
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => SqlError::damaged(),
        _ if error.extended_code == ffi::SQLITE_IOERR_SHMSIZE => SqlError::disk_full(),
        _ => SqlError::unavailable(format!("the storage failed (SQLite code {})", error.extended_code)),
    }
}

/// Errors of the generic kind: mostly an unknown name, sometimes a limit of SQLite's compiler.
fn invalid(message: &str) -> SqlError {
    // "pattern too complex" and the compiler's limits are plain SQLITE_ERROR in SQLite.
    let limit = ["LIKE or GLOB pattern too complex", "too many", "too large", "too deep"];
    match limit.iter().any(|part| message.contains(part)) {
        true => SqlError::Quota(format!("complexity: {message}; make the statement simpler")),
        false => SqlError::invalid(message),
    }
}

fn constraint(extended: i32, message: &str) -> SqlError {
    let kind = match extended {
        ffi::SQLITE_CONSTRAINT_UNIQUE => ConstraintKind::Unique,
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => ConstraintKind::PrimaryKey,
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ConstraintKind::ForeignKey,
        ffi::SQLITE_CONSTRAINT_NOTNULL => ConstraintKind::NotNull,
        ffi::SQLITE_CONSTRAINT_CHECK => ConstraintKind::Check,
        _ => ConstraintKind::Other,
    };
    // "UNIQUE constraint failed: contact.email", "… failed: index 'by_lower_email'"
    let name = message.split_once("failed: ").map_or("", |(_, name)| name);
    let name = name.strip_prefix("index ").map_or(name, |index| index.trim_matches('\''));
    SqlError::Constraint { kind, name: name.to_owned() }
}
