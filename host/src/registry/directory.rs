//! What lies in the plugins directory, without trusting any of it.
//!
//! Whoever can put a file there can put anything there: a pipe that nobody writes to, a link to a device, a
//! name that is no text or that moves the cursor of a terminal, ten thousand of them. So nothing is opened
//! that is not a regular file, nothing is read beyond its bound, and names are escaped where they enter.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// A `.wasm` entry of the directory.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its name as it is shown everywhere. No two entries have the same.
    pub name: String,
    pub path: PathBuf,
    pub identity: Identity,
}

/// What tells whether an entry is still the one that was seen before: all that a change of the file, or of the
/// manifest or the signatures beside it, leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub file: Result<Stamp, Unfit>,
    sidecar: Option<Stamp>,
    signatures: Option<Stamp>,
}

/// One regular file at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    /// Permissions count too: with them a file becomes readable.
    changed: (i64, i64),
}

impl Identity {
    /// Whether it is a file that has nothing in it.
    pub fn is_empty(&self) -> bool {
        self.file.as_ref().is_ok_and(|stamp| stamp.length == 0)
    }
}

/// Why an entry is no file to be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("it is {0}, not a file")]
    Kind(&'static str),
    #[error("it is a link that leads nowhere")]
    Dangling,
    #[error("compiled components are not accepted; put the component itself here, as a `.wasm` file")]
    Compiled,
    #[error("it cannot be looked at: {0}")]
    Unreadable(String),
}

/// The directory at one moment.
pub struct Listing {
    /// By name.
    pub files: Vec<Found>,
    /// How many more there are than may be looked at.
    pub more: usize,
}

/// Whether an entry of this name is looked at: a component's, or that of compiled code, which is told and never read.
pub fn concerns(name: &[u8]) -> bool {
    !name.starts_with(b".") && (name.ends_with(b".wasm") || name.ends_with(COMPILED))
}

const COMPILED: &[u8] = b".cwasm";

/// Looks at the entries that [concern](concerns) the host: first those of `preferred`, then by name, `limit` in all. Blocks.
///
/// # Errors
///
/// When the directory itself cannot be read.
pub fn list(directory: &Path, limit: usize, preferred: &HashSet<String>) -> io::Result<Listing> {
    // What is beyond the limit is counted, not kept: the names of a very full directory would fill the memory.
    let mut kept: BTreeMap<(bool, String), PathBuf> = BTreeMap::new();
    let mut all = 0;
    for entry in std::fs::read_dir(directory)? {
        let file_name = entry?.file_name();
        if !concerns(file_name.as_bytes()) {
            continue;
        }
        all += 1;
        let name = shown(&file_name);
        kept.insert((!preferred.contains(&name), name), directory.join(&file_name));
        if kept.len() > limit {
            kept.pop_last();
        }
    }
    let more = all - kept.len();
    let mut files: Vec<Found> = kept.into_iter().filter_map(|((_, name), path)| found(name, path)).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Listing { files, more })
}

/// One file, wherever it lies; none when there is nothing of that name. Blocks.
pub fn one(path: &Path) -> Option<Found> {
    found(shown(path.file_name()?), path.to_owned())
}

/// The manifest beside a component that embeds none.
pub fn sidecar(path: &Path) -> PathBuf {
    path.with_extension("plugin.json")
}

/// The signatures beside a file that has none at its end.
pub fn signatures(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// A file name as text: control characters, characters that change the direction of writing, bytes that are
/// no UTF-8 and the backslash itself are escaped, so that different names stay different.
pub fn shown(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' || unprintable(character) {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Whether a character has no place in a line that people read: it would move the cursor or hide text.
pub fn unprintable(character: char) -> bool {
    let format = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    character.is_control() || format
}

/// An entry as it is now; none when it has gone since.
pub fn found(name: String, path: PathBuf) -> Option<Found> {
    let file = match std::fs::metadata(&path) {
        Ok(_) if path.as_os_str().as_bytes().ends_with(COMPILED) => Err(Unfit::Compiled),
        Ok(metadata) => regular(&metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.symlink_metadata().ok()?;
            Err(Unfit::Dangling)
        }
        Err(error) => Err(Unfit::Unreadable(error.to_string())),
    };
    let beside = |path: PathBuf| std::fs::metadata(path).ok().and_then(|metadata| regular(&metadata).ok());
    let (sidecar, signatures) = (beside(sidecar(&path)), beside(signatures(&path)));
    Some(Found { name, path, identity: Identity { file, sidecar, signatures } })
}

fn regular(metadata: &Metadata) -> Result<Stamp, Unfit> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        });
    }
    Err(Unfit::Kind(if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }))
}

/// All of a regular file, as it was at one moment.
pub struct Whole {
    pub bytes: Vec<u8>,
    pub stamp: Stamp,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error("the file has {found} bytes; at most {limit} are allowed")]
    TooLarge { found: u64, limit: u64 },
    #[error("the file changes while it is read; it is looked at again when it is whole")]
    Changing,
}

impl ReadError {
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a regular file of at most `limit` bytes. It waits for nobody: opening a pipe does not block. Blocks
/// as long as the disk takes.
///
/// # Errors
///
/// [`ReadError`]; a file that was written to meanwhile is [`ReadError::Changing`].
pub fn read_regular(path: &Path, limit: u64) -> Result<Whole, ReadError> {
    // Looked at before it is opened, because opening a device can have effects, and after, because it may be
    // another file by then.
    regular(&std::fs::metadata(path)?)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let stamp = regular(&file.metadata()?)?;
    if stamp.length > limit {
        return Err(ReadError::TooLarge { found: stamp.length, limit });
    }
    let mut bytes = Vec::new();
    // What counts is what is read: the file may be growing.
    (&file).take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit || bytes.len() as u64 != stamp.length || changed(&file, &stamp)? {
        return Err(ReadError::Changing);
    }
    Ok(Whole { bytes, stamp })
}

fn changed(file: &File, before: &Stamp) -> io::Result<bool> {
    let now = file.metadata()?;
    Ok((now.len(), (now.mtime(), now.mtime_nsec())) != (before.length, before.modified))
}

#[cfg(test)]
mod tests;
