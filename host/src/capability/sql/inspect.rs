//! Looks whether a tenant's database is sound, without changing it.
//!
//! Invariant: nothing is written beside the file, whoever has it open. A log that nobody has open would be taken in by
//! whoever opens its database, so that is done to a copy.

use std::fs;
use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::functions;
use super::guard::{Meter, Stop};
use crate::path::beside;

/// Pages, or steps of SQLite's machine, between two looks at the clock.
const STEPS: std::ffi::c_int = 256;

const QUICK_CHECK: &str = "PRAGMA quick_check(3)";

/// What was found of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    Sound,
    /// In SQLite's words.
    Damaged(String),
    /// It cannot be opened, or not be copied to be looked at.
    Unreadable(String),
    /// The time was over before the end of it.
    Unfinished,
}

/// Checks the pages of a database. `in_use` says whether a host may have it open; `scratch` is an empty directory for a
/// copy.
pub fn condition(file: &Path, in_use: bool, scratch: &Path, until: Instant) -> Condition {
    let has_log = fs::metadata(beside(file, "-wal")).is_ok_and(|log| log.len() > 0);
    match (has_log, in_use) {
        (true, true) => looked(file, "mode=ro", until),
        (true, false) => of_copy(file, scratch, until),
        (false, false) => looked(file, "immutable=1&mode=ro", until),
        (false, true) => match looked(file, "immutable=1&mode=ro", until) {
            // It may have been written meanwhile.
            Condition::Damaged(_) => looked(file, "mode=ro", until),
            condition => condition,
        },
    }
}

fn of_copy(file: &Path, scratch: &Path, until: Instant) -> Condition {
    let copy = scratch.join("copy.sqlite");
    let pairs = [(file.to_owned(), copy.clone()), (beside(file, "-wal"), beside(&copy, "-wal"))];
    let copied = pairs.iter().try_for_each(|(from, to)| fs::copy(from, to).map(drop));
    let condition = match copied {
        Ok(()) => looked(&copy, "mode=rw", until),
        Err(error) => Condition::Unreadable(format!("cannot be copied to be looked at: {error}")),
    };
    for ending in ["", "-wal", "-shm"] {
        _ = fs::remove_file(beside(&copy, ending));
    }
    condition
}

fn looked(file: &Path, how: &str, until: Instant) -> Condition {
    match quick_check(file, how, until) {
        Ok(problems) if problems.is_empty() => Condition::Sound,
        Ok(problems) => Condition::Damaged(problems.join(", ")),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Condition::Unfinished,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Condition::Damaged(error.to_string()),
            _ => Condition::Unreadable(format!("cannot be read: {error}")),
        },
    }
}

fn quick_check(file: &Path, how: &str, until: Instant) -> rusqlite::Result<Vec<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri(file, how), flags)?;
    connection.progress_handler(STEPS, Some(move || Instant::now() >= until))?;
    // The tables' CHECKs are asked too.
    let meter = Meter::new();
    meter.arm(Stop::at(until));
    functions::install(&connection, &meter)?;
    let mut statement = connection.prepare(QUICK_CHECK)?;
    let found = statement.query_map([], |row| row.get::<_, String>(0))?;
    let found = found.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}

fn uri(file: &Path, how: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
    let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    format!("file:{}?{how}", percent_encode(path.as_os_str().as_encoded_bytes(), KEPT))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};
    use std::time::Duration;

    use super::*;

    fn database(file: &Path) -> Connection {
        let connection = Connection::open(file).unwrap();
        let tables = "PRAGMA journal_mode = WAL; CREATE TABLE t (a TEXT); \
            INSERT INTO t SELECT hex(randomblob(500)) FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8));";
        connection.execute_batch(tables).unwrap();
        connection
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_sound_database_is_told_from_a_damaged_one_and_nothing_is_left_beside_it() {
        let (directory, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = directory.path().join("a b?c.sqlite");
        let soon = || Instant::now() + Duration::from_secs(60);
        let look = |in_use, until| condition(&file, in_use, scratch.path(), until);
        let open = database(&file);
        assert_eq!(look(true, soon()), Condition::Sound, "a host has it open");
        assert_eq!(look(false, soon()), Condition::Sound, "the log of a host that was killed");
        drop(open);
        let before = names(directory.path());
        assert_eq!((look(false, soon()), look(true, soon())), (Condition::Sound, Condition::Sound));
        let mut bytes = fs::File::options().write(true).open(&file).unwrap();
        bytes.seek(SeekFrom::Start(4096)).unwrap();
        bytes.write_all(&[0xff; 4096]).unwrap();
        assert!(matches!(look(false, soon()), Condition::Damaged(_)), "{:?}", look(false, soon()));
        fs::write(&file, "no database at all, however long one looks at it").unwrap();
        assert!(matches!(look(false, soon()), Condition::Damaged(_)), "{:?}", look(false, soon()));
        assert_eq!(names(directory.path()), before);
        assert!(names(scratch.path()).is_empty());
        fs::remove_file(&file).unwrap();
        assert!(matches!(look(false, soon()), Condition::Unreadable(_)));
        assert!(!file.exists());
    }

    #[test]
    fn it_stops_when_the_time_is_over() {
        let (directory, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = directory.path().join("big.sqlite");
        let connection = database(&file);
        connection.execute_batch("INSERT INTO t SELECT a.a FROM t a, t b, t c, t d").unwrap();
        drop(connection);
        assert_eq!(condition(&file, false, scratch.path(), Instant::now()), Condition::Unfinished);
    }
}
