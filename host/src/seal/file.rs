//! The file of keys: one a line, the one in use first, for the host's user alone.
//!
//! Invariant: it is only ever replaced as a whole, by one that is on disk; a crash leaves one of the two.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::{KeyError, SecretKey};
use crate::secret;

/// What tells one file from the next in its place: inode, length, and time of the last change.
pub(super) type Stamp = (u64, u64, i64, i64);

pub(super) fn stamp(file: &fs::Metadata) -> Stamp {
    (file.ino(), file.len(), file.mtime(), file.mtime_nsec())
}

/// No keys where there is no file.
pub(super) fn read(file: &Path) -> Result<(Option<Stamp>, Vec<SecretKey>), KeyError> {
    let attempt = || -> io::Result<_> {
        let mut opened = File::open(file)?;
        let mut bytes = Zeroizing::new(Vec::new());
        opened.read_to_end(&mut bytes)?;
        Ok((stamp(&opened.metadata()?), bytes))
    };
    let (stamp, text) = match attempt() {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, Vec::new())),
        Err(source) => return Err(KeyError::Io { file: file.to_owned(), source }),
    };
    let broken = || KeyError::File(file.to_owned());
    let text = std::str::from_utf8(&text).map_err(|_| broken())?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let keys: Vec<SecretKey> = lines.map(|line| SecretKey::parse(line).ok_or_else(broken)).collect::<Result<_, _>>()?;
    // An empty file is what a full disk leaves, and no reason to seal with a key that nobody keeps.
    if keys.is_empty() { Err(broken()) } else { Ok((Some(stamp), keys)) }
}

/// Makes the first key. Of several processes that do so at once, one wins, and the others take its key.
pub(super) fn make(file: &Path) -> Result<(), KeyError> {
    let beside = beside(file, &[SecretKey::random()])?;
    match beside.persist_noclobber(file) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
            Err(KeyError::Io { file: file.to_owned(), source: error.error })
        }
        _ => synced(file),
    }
}

/// Puts a new file into the place of the old one, on disk, so that a crash leaves one of the two.
pub(super) fn write(file: &Path, keys: &[SecretKey]) -> Result<(), KeyError> {
    let beside = beside(file, keys)?;
    beside.persist(file).map_err(|error| KeyError::Io { file: file.to_owned(), source: error.error })?;
    synced(file)
}

/// A file without a name of its own yet, which only the host's user can read.
fn beside(file: &Path, keys: &[SecretKey]) -> Result<tempfile::NamedTempFile, KeyError> {
    let attempt = || -> io::Result<_> {
        secret::make_private(directory(file))?;
        let mut written = tempfile::NamedTempFile::new_in(directory(file))?;
        for key in keys {
            written.write_all(key.text().as_bytes())?;
            written.write_all(b"\n")?;
        }
        written.as_file().sync_all()?;
        Ok(written)
    };
    attempt().map_err(|source| KeyError::Io { file: file.to_owned(), source })
}

fn synced(file: &Path) -> Result<(), KeyError> {
    secret::sync(directory(file)).map_err(|source| KeyError::Io { file: file.to_owned(), source })
}

/// Where a file lies.
pub(super) fn directory(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}
