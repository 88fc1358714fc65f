//! Keys of the installation: 32 random bytes each, in a file that the host's user alone can read.
//!
//! Invariants: a file that is there is never written over; whoever makes it first wins, also among several processes.
//! Whoever makes one uses its key only when the file and its name are on disk, so that a crash takes no key back.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

pub const KEY_BYTES: usize = 32;

/// Reads the key of this file, which is made first where it is missing.
///
/// # Errors
///
/// `InvalidData` when the file holds anything but 32 bytes; otherwise when it cannot be read or made.
pub fn key_file(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    make_private(directory)?;
    // Only its owner may read a temporary file. It gets its name when it is whole.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(&rand::random::<[u8; KEY_BYTES]>())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => return Err(error.error),
        // Of another maker the name may not be on disk yet either.
        _ => sync(directory)?,
    }
    read(path)
}

/// Makes a directory that the host's user alone may enter, unless it is there.
pub fn make_private(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // A file in it lasts only if its own name does.
    directory.parent().filter(|above| !above.as_os_str().is_empty()).map_or(Ok(()), sync)
}

/// Makes what was done to the entries of a directory last.
pub fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn read(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    bytes.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it does not hold a key of 32 bytes"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_the_hosts_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys").join("some.key");
        let made = key_file(&path).unwrap();
        assert_eq!(key_file(&path).unwrap(), made);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_damaged_key_is_told_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("some.key");
        for damaged in [&[1_u8; 31][..], &[1; 33], &[]] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(key_file(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert_eq!(std::fs::read(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn of_several_makers_one_wins() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("some.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| key_file(&path).unwrap())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }
}
