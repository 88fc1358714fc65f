//! What can go wrong with the control plane, told apart by what an operator can do about it.

use std::path::{Path, PathBuf};

use sqlx::migrate::MigrateError;
use thiserror::Error;
use tokio::task::JoinError;

/// A failure of the control plane. The database's own words are the error's source.
#[derive(Debug, Error)]
pub enum DbError {
    /// The directory of the database file is missing and cannot be made.
    #[error("cannot create the data directory {}; create it, or name another with --data", dir.display())]
    Directory {
        dir: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The database file cannot be used.
    #[error("cannot open the control plane {}: {problem}; {fix}", file.display())]
    Open {
        file: PathBuf,
        problem: &'static str,
        fix: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// The tables in the file do not fit this version of the host.
    #[error("cannot use the tables in {}: {problem}; {fix}", file.display())]
    Migrate {
        file: PathBuf,
        problem: &'static str,
        fix: &'static str,
        #[source]
        source: MigrateError,
    },
    /// A statement failed.
    #[error("the control plane could not do {operation}")]
    Query {
        operation: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// The disk has no room for what had to be written.
    #[error(
        "the control plane could not do {operation}: its disk is full; free space on the disk of the data directory"
    )]
    DiskFull {
        operation: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// No connection or no lock was free in time. It passes: others hold them, or the disk takes its time.
    #[error(
        "the control plane could not do {operation} in time: another process holds it, there is more to do than it can, \
         or its disk is slow; look at these, or raise db.busy_wait_ms and db.acquire_timeout_ms"
    )]
    Busy {
        operation: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// The task that ran the operation ended early. Whether the change was made is not known.
    #[error("{operation} was broken off before the control plane had answered")]
    BrokenOff {
        operation: &'static str,
        #[source]
        source: JoinError,
    },
}

impl DbError {
    /// Makes a closure for `map_err` that names the operation.
    pub(super) fn during(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| match source {
            source if is_disk_full(&source) => Self::DiskFull { operation, source },
            source if is_busy(&source) => Self::Busy { operation, source },
            source => Self::Query { operation, source },
        }
    }

    /// Says what an operator can do about a SQLite file that does not open.
    pub(super) fn opening(file: &Path, source: sqlx::Error) -> Self {
        let (problem, fix) = match primary_code(&source) {
            Some(5 | 6) => ("another process holds it", "stop that process, or name another directory with --data"),
            Some(8) => ("it cannot be written", "give this user write permission to it and its directory"),
            Some(10 | 13) => {
                ("the disk failed or is full", "free space on that disk, or name another directory with --data")
            }
            Some(11) => ("it is damaged", "restore it from a backup, or move it away to begin anew"),
            Some(14) => {
                ("the system refuses to open it", "give this user read and write permission to it and its directory")
            }
            Some(26) => ("it is not an SQLite database", "move it away, or name another directory with --data"),
            _ => ("the database refused", "see the cause, or name another directory with --data"),
        };
        Self::Open { file: file.to_owned(), problem, fix, source }
    }

    pub(super) fn migrating(file: &Path, source: MigrateError) -> Self {
        let (problem, fix) = match &source {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooOld(..) => (
                "a newer tenon has changed them",
                "run that version or a later one, or name another directory with --data",
            ),
            MigrateError::VersionMismatch(_) => (
                "they were made by a build whose migrations differ from this one's",
                "run that build, or move the file away to begin anew",
            ),
            _ => ("a migration failed and was undone", "see the cause; the file is as it was before"),
        };
        Self::Migrate { file: file.to_owned(), problem, fix, source }
    }
}

/// SQLITE_FULL, or SQLITE_IOERR_SHMSIZE, which is the same for the index of the write-ahead log.
fn is_disk_full(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(13) || extended_code(error) == Some(4874)
}

/// The pool gave no connection within `db.acquire_timeout_ms`, or SQLITE_BUSY or SQLITE_LOCKED after `db.busy_wait_ms`.
fn is_busy(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::PoolTimedOut) || matches!(primary_code(error), Some(5 | 6))
}

/// SQLite's primary result code, the low byte of the extended one.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    extended_code(error).map(|code| code & 0xff)
}

fn extended_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}
