//! Copies of one plugin's database for one tenant, kept so that people can go back.
//!
//! They lie in `<data>/tenants/<tenant>/snapshots/<plugin>/`, one file each. Invariant: a file under its final name is
//! a whole database of one moment and is on the disk; it was written under another name, synced, and renamed. Who takes
//! one holds [`Sole`](super::registry::Sole), so there is one at a time. Bound: `sql.snapshots` files, while one is
//! taken one more, each at most as large as the database; they do not count against `sql.storage_bytes`.

use super::{error::SqlError, history::History, link::Link};
use crate::fault;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
    ffi,
};
use semver::Version;
use std::{
    cmp::Reverse,
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Pages copied between two looks at the clock.
const PAGES_AT_ONCE: i32 = 512;
const SUFFIX: &str = ".sqlite";
const PART: &str = ".part";

/// The moment a snapshot was taken, which names it among those of one database: `20260131-235959-123`, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(Timestamp);

/// The text names no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a snapshot's id looks like 20260131-235959-123: the day, the time in UTC and its milliseconds")]
pub struct InvalidSnapshotId;

impl SnapshotId {
    fn at(milliseconds: i64) -> Option<Self> {
        Timestamp::from_millisecond(milliseconds).ok().map(SnapshotId)
    }

    /// When it was taken.
    pub fn taken_at(self) -> Timestamp {
        self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millisecond().rem_euclid(1_000);
        write!(f, "{}-{milliseconds:03}", self.0.strftime("%Y%m%d-%H%M%S"))
    }
}

impl FromStr for SnapshotId {
    type Err = InvalidSnapshotId;

    fn from_str(text: &str) -> Result<Self, InvalidSnapshotId> {
        let parsed = || {
            let (second, milliseconds) = text.rsplit_once('-')?;
            let second = DateTime::strptime("%Y%m%d-%H%M%S", second).ok()?.to_zoned(TimeZone::UTC).ok()?;
            SnapshotId::at(second.timestamp().as_millisecond() + milliseconds.parse::<u16>().ok().map(i64::from)?)
        };
        // Only the one way to write it: the text becomes part of a file's name.
        parsed().filter(|id| id.to_string() == text).ok_or(InvalidSnapshotId)
    }
}

/// One snapshot, as its file's name and size tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub id: SnapshotId,
    /// How many migrations had run.
    pub data_version: u32,
    /// The plugin version that had run the last of them, if it was noted.
    pub plugin_version: Option<Version>,
    pub bytes: u64,
}

/// The directory of one database's snapshots.
#[derive(Debug, Clone)]
pub(super) struct Snapshots {
    directory: PathBuf,
    keep: usize,
}

impl Snapshots {
    pub fn new(directory: PathBuf, keep: usize) -> Self {
        Snapshots { directory, keep: keep.max(1) }
    }

    /// All there are, the newest first.
    pub fn list(&self) -> Result<Vec<Snapshot>, SqlError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &error)),
        };
        let regular = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.ok()?;
            let bytes = entry.metadata().ok().filter(fs::Metadata::is_file)?.len();
            parse(entry.file_name().to_str()?, bytes)
        };
        let mut found: Vec<Snapshot> = entries.filter_map(regular).collect();
        found.sort_by_key(|snapshot| Reverse(snapshot.id));
        Ok(found)
    }

    /// One of them, with its file.
    pub fn find(&self, id: SnapshotId) -> Result<(Snapshot, PathBuf), SqlError> {
        let found = self.list()?.into_iter().find(|snapshot| snapshot.id == id);
        let found = found.ok_or_else(|| SqlError::invalid(format!("there is no snapshot {id} of this database")))?;
        let path = self.directory.join(file_name(found.id, found.data_version, found.plugin_version.as_ref()));
        Ok((found, path))
    }

    /// Copies what `source` sees into a new one. Blocks; asks again and again whether it has to stop.
    pub fn take(&self, source: &Link, history: &History, stop: impl Fn() -> bool) -> Result<SnapshotId, SqlError> {
        self.directory_made().map_err(|error| failed("make the directory of", &error))?;
        self.sweep();
        let id = self.next_id()?;
        let name = file_name(id, history.version(), history.by());
        let (part, whole) = (self.directory.join(format!("{name}{PART}")), self.directory.join(name));
        let written = copy(source, &part, stop).and_then(|()| {
            fault::moment("snapshot: copied");
            let kept = sync(&part).and_then(|()| fs::rename(&part, &whole)).and_then(|()| sync(&self.directory));
            kept.map_err(|error| failed("write", &error))
        });
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        fault::moment("snapshot: kept");
        written.map(|()| id)
    }

    /// Removes one. That there is none is an error.
    pub fn delete(&self, id: SnapshotId) -> Result<(), SqlError> {
        let (_, path) = self.find(id)?;
        fs::remove_file(path).and_then(|()| sync(&self.directory)).map_err(|error| failed("remove", &error))
    }

    /// Removes the oldest, as far as there are more than are kept. What cannot be removed stays for the next time.
    pub fn prune(&self) {
        for snapshot in self.list().unwrap_or_default().iter().skip(self.keep) {
            if let Err(error) = self.delete(snapshot.id) {
                tracing::warn!(%error, "an old snapshot of a plugin's data could not be removed");
            }
        }
    }

    /// Keeps the bytes of a database that cannot be opened, beside the snapshots, instead of those kept so before.
    pub fn keep_damaged(&self, files: &[(PathBuf, &str)]) -> Result<(), SqlError> {
        let kept = || {
            self.directory_made()?;
            for (file, suffix) in files {
                let (part, whole) =
                    (self.directory.join(PART), self.directory.join(format!("damaged{SUFFIX}{suffix}")));
                match fs::copy(file, &part) {
                    Ok(_) => sync(&part).and_then(|()| fs::rename(&part, whole))?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::remove_file(whole) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                        _ => {}
                    },
                    Err(error) => return Err(error),
                }
            }
            sync(&self.directory)
        };
        kept().map_err(|error| failed("keep the damaged file beside", &error))
    }

    fn directory_made(&self) -> io::Result<()> {
        super::database::private_directory(&self.directory)
    }

    /// Removes what an earlier process began and did not finish.
    fn sweep(&self) {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().contains(PART)) {
            let _ = fs::remove_file(entry.path());
        }
    }

    /// Now, or a little later than the newest there is: the clock may have been set back.
    fn next_id(&self) -> Result<SnapshotId, SqlError> {
        let newest = self.list()?.first().map_or(0, |newest| newest.id.0.as_millisecond() + 1);
        let now = Timestamp::now().as_millisecond();
        SnapshotId::at(now.max(newest)).ok_or_else(|| SqlError::unavailable("the clock of the host is wrong"))
    }
}

/// Copies a database page by page.
fn copy(source: &Link, to: &Path, stop: impl Fn() -> bool) -> Result<(), SqlError> {
    super::database::private_file(to).map_err(|error| failed("make", &error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut target = Connection::open_with_flags(to, flags).map_err(copying)?;
    // Nobody reads it before it is whole and synced under its name.
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(copying)?;
    let backup = Backup::new(source.connection(), &mut target).map_err(copying)?;
    loop {
        match backup.step(PAGES_AT_ONCE).map_err(copying)? {
            StepResult::Done => return Ok(()),
            _ if stop() => return Err(SqlError::Timeout),
            _ => {}
        }
    }
}

/// What went wrong while pages were copied. "Full" can only be the disk: no limit counts here.
fn copying(error: rusqlite::Error) -> SqlError {
    match error.sqlite_error().map(|error| error.extended_code & 0xff) {
        Some(ffi::SQLITE_FULL) => SqlError::disk_full(),
        _ => error.into(),
    }
}

/// `<id>_<data version>_<plugin version or nothing>.sqlite`. None of the three can hold a `_` or a `/`.
fn file_name(id: SnapshotId, data_version: u32, plugin_version: Option<&Version>) -> String {
    // A file's name has 255 bytes; a version may be as long as its author likes.
    let version = plugin_version.map(Version::to_string).filter(|version| version.len() <= 150).unwrap_or_default();
    format!("{id}_{data_version}_{version}{SUFFIX}")
}

fn parse(name: &str, bytes: u64) -> Option<Snapshot> {
    let mut parts = name.strip_suffix(SUFFIX)?.splitn(3, '_');
    let (id, data_version, version) = (parts.next()?, parts.next()?, parts.next()?);
    let plugin_version = match version {
        "" => None,
        version => Some(Version::parse(version).ok()?),
    };
    Some(Snapshot { id: id.parse().ok()?, data_version: data_version.parse().ok()?, plugin_version, bytes })
}

/// Makes sure that a file, or what a directory lists, is on the disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// Without a path: plugins read the message too.
pub(super) fn failed(what: &str, error: &io::Error) -> SqlError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SqlError::disk_full(),
        kind => SqlError::unavailable(format!("the host could not {what} a snapshot of it ({kind})")),
    }
}

#[cfg(test)]
mod tests;
