//! Looks at a control plane's file without changing it.
//!
//! Everything happens on a copy, so that neither a host that runs nor one that will is touched: also bringing the tables
//! to this version's, which is how one finds out whether that works.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use thiserror::Error;

use super::{DbError, SqliteControlPlane};
use crate::config::DbConfig;

const QUICK_CHECK: &str = "PRAGMA quick_check(10)";
const COPY: &str = "VACUUM INTO $1";

/// Why a control plane cannot be looked at, or would not do.
#[derive(Debug, Error)]
pub enum InspectError {
    #[error("{} cannot be read: {source}; give this user read permission to it and its directory", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{} is damaged: {problems}; restore it from a backup, or move it away to begin anew", file.display())]
    Damaged { file: PathBuf, problems: String },
    /// What the host itself would say.
    #[error("{0}")]
    Refused(String),
}

/// Checks the file and opens a copy of it, made at `copy`, as a host of this version would. `in_use` says whether a host
/// has it open.
///
/// # Errors
///
/// [`InspectError`], each naming the file and what to do about it.
pub async fn open_copy(
    file: &Path,
    copy: &Path,
    in_use: bool,
    config: &DbConfig,
) -> Result<SqliteControlPlane, InspectError> {
    let options = SqliteConnectOptions::new().busy_timeout(config.busy_wait());
    if in_use {
        let mut connection = open(options.filename(file).read_only(true), file).await?;
        sound(&mut connection, file).await?;
        let to = copy.to_string_lossy().into_owned();
        let copied = sqlx::query(COPY).bind(to).execute(&mut connection).await;
        copied.map_err(|source| refused(&DbError::during("copying it")(source)))?;
        _ = connection.close().await;
    } else {
        copy_file(file, copy)?;
        let mut connection = open(options.filename(copy), file).await?;
        sound(&mut connection, file).await?;
        _ = connection.close().await;
    }
    SqliteControlPlane::open(copy, config).await.map_err(|error| {
        let told = refused(&error).to_string();
        InspectError::Refused(told.replace(&*copy.to_string_lossy(), &file.to_string_lossy()))
    })
}

async fn open(options: SqliteConnectOptions, file: &Path) -> Result<SqliteConnection, InspectError> {
    options.connect().await.map_err(|source| refused(&DbError::opening(file, source)))
}

async fn sound(connection: &mut SqliteConnection, file: &Path) -> Result<(), InspectError> {
    let found: Vec<String> = sqlx::query_scalar(QUICK_CHECK)
        .fetch_all(connection)
        .await
        .map_err(|source| refused(&DbError::opening(file, source)))?;
    match found.as_slice() {
        [fine] if fine == "ok" => Ok(()),
        problems => Err(InspectError::Damaged { file: file.to_owned(), problems: problems.join(", ") }),
    }
}

/// The file and the log beside it, which nobody writes.
fn copy_file(file: &Path, copy: &Path) -> Result<(), InspectError> {
    let log = |path: &Path| {
        let mut name = OsString::from(path);
        name.push("-wal");
        PathBuf::from(name)
    };
    for (from, to) in [(file.to_owned(), copy.to_owned()), (log(file), log(copy))] {
        match fs::copy(&from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && from != file => {}
            Err(source) => return Err(InspectError::Unreadable { file: from, source }),
            Ok(_) => {}
        }
    }
    Ok(())
}

fn refused(error: &DbError) -> InspectError {
    InspectError::Refused(error.to_string())
}
