//! Where the keys come from, and how one follows another.
//!
//! The key in use is that of `TENON_SECRET_KEY`, else the first line of `keys/secrets.key` in the data directory,
//! which only the host's user can read and which is made when there is none. Every other line of the file, and what
//! `TENON_SECRET_KEY_PREVIOUS` names, opens what was sealed before.
//!
//! Other processes may run on the same data directory, and one of them may change the file. So it is read again before
//! anything is sealed, and when something does not open. A key leaves the file in the first rotation at whose beginning
//! nothing was sealed with it and it was not the one in use: what a process sealed with it meanwhile still opens.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::{FlockOperation, flock};
use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};
use zeroize::Zeroizing;

use super::file::{Stamp, directory, make, read, stamp, write};
use super::{OpenError, Place, Secret, SecretKey, parts};
use crate::secret::make_private;

/// The variable with the key in use.
pub const SECRET_KEY: &str = "TENON_SECRET_KEY";

/// The variable with keys that were in use before, separated by commas.
pub const PREVIOUS: &str = "TENON_SECRET_KEY_PREVIOUS";

/// Why there is no key. No message repeats what was found.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{0} is not 32 bytes in hexadecimal or base64; `tenon secret new` prints a key")]
    Variable(&'static str),
    #[error(
        "{} holds something else than keys, one a line; restore it from a backup, or move it away to begin anew: then \
         every tenant has to set its secrets again",
        .0.display()
    )]
    File(PathBuf),
    #[error(
        "the file of keys {} is gone: put it back; a new one is made only when the host starts, and opens nothing that \
         was sealed before",
        .0.display()
    )]
    Gone(PathBuf),
    #[error("cannot read or make the file of keys {}; give the host's user permission", file.display())]
    Io { file: PathBuf, source: io::Error },
    #[error("another process on this data directory changes the keys right now: try again when it is done")]
    Rotating,
    #[error("the secret cannot be sealed")]
    Seal,
}

/// Seals secrets, and opens them.
pub struct Seals {
    file: PathBuf,
    /// The key of the variable.
    given: Option<SecretKey>,
    /// Those of the other variable.
    previous: Vec<SecretKey>,
    keys: RwLock<Keys>,
    /// Shared while something is sealed and written down, and had alone while all is sealed anew.
    sealing: tokio::sync::RwLock<()>,
}

struct Keys {
    current: SecretKey,
    /// What opens besides.
    earlier: Vec<SecretKey>,
    /// The file that they were read from.
    file: Option<Stamp>,
}

/// All is sealed anew, by nobody else on this data directory.
pub struct Rotation<'a> {
    seals: &'a Seals,
    _alone: RwLockWriteGuard<'a, ()>,
    _lock: File,
}

impl Seals {
    /// Takes the keys of the environment and of the data directory, and makes one if there is none.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says which of them cannot be used.
    pub fn open(data: &Path) -> Result<Self, KeyError> {
        let variable = |name| std::env::var(name).map(Zeroizing::new).ok().filter(|text| !text.trim().is_empty());
        Self::with(
            data,
            variable(SECRET_KEY).as_deref().map(String::as_str),
            variable(PREVIOUS).as_deref().map(String::as_str),
        )
    }

    pub(super) fn with(data: &Path, given: Option<&str>, previous: Option<&str>) -> Result<Self, KeyError> {
        let file = data.join("keys").join("secrets.key");
        let given = given.map(|text| SecretKey::parse(text).ok_or(KeyError::Variable(SECRET_KEY))).transpose()?;
        let previous = previous.into_iter().flat_map(|text| text.split(',')).filter(|text| !text.trim().is_empty());
        let previous: Vec<SecretKey> = previous
            .map(|text| SecretKey::parse(text).ok_or(KeyError::Variable(PREVIOUS)))
            .collect::<Result<_, _>>()?;
        if given.is_none() && read(&file)?.1.is_empty() {
            make(&file)?;
        }
        let keys = keys(&file, given.as_ref(), &previous)?;
        Ok(Self { file, given, previous, keys: RwLock::new(keys), sealing: tokio::sync::RwLock::default() })
    }

    /// To be held from before something is sealed until it is written down, so that its key is the one in use and is
    /// not forgotten in between.
    ///
    /// # Errors
    ///
    /// When the file of keys is gone or cannot be read: what is sealed then might never open again.
    pub async fn sealing(self: &Arc<Self>) -> Result<RwLockReadGuard<'_, ()>, KeyError> {
        let guard = self.sealing.read().await;
        let seals = self.clone();
        let read = tokio::task::spawn_blocking(move || seals.read_again()).await;
        read.map_err(|error| self.failed(io::Error::other(error)))??;
        Ok(guard)
    }

    /// Begins to seal all anew, with the keys as they are in the file now.
    ///
    /// # Errors
    ///
    /// [`KeyError::Rotating`] while another process does; otherwise when the file of keys cannot be read.
    pub async fn rotation(&self) -> Result<Rotation<'_>, KeyError> {
        let alone = self.sealing.write().await;
        let lock = self.file.with_extension("lock");
        let opened = || {
            make_private(directory(&lock))?;
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock)
        };
        let opened = opened().map_err(|source| KeyError::Io { file: lock.clone(), source })?;
        match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(KeyError::Rotating),
            done => done.map_err(|error| KeyError::Io { file: lock, source: error.into() })?,
        }
        self.read_again()?;
        Ok(Rotation { seals: self, _alone: alone, _lock: opened })
    }

    /// Seals a secret with the key in use.
    ///
    /// # Errors
    ///
    /// [`KeyError::Seal`] for a secret beyond what the cipher takes, which is more than memory holds.
    pub fn seal(&self, place: Place<'_>, secret: &Secret) -> Result<String, KeyError> {
        self.keys().current.seal(place, secret).ok_or(KeyError::Seal)
    }

    /// Opens what was sealed for this place, with whichever key it was. If that is none that is known, the file is
    /// read again if it has changed.
    ///
    /// # Errors
    ///
    /// [`OpenError`], without a word of the content.
    pub fn unseal(&self, place: Place<'_>, sealed: &str) -> Result<Secret, OpenError> {
        let (name, body) = parts(sealed).ok_or(OpenError::Altered)?;
        let key = match self.key(name) {
            None if self.has_changed() => {
                if let Err(error) = self.read_again() {
                    tracing::error!(%error, "the file of keys has changed and cannot be used");
                }
                self.key(name)
            }
            key => key,
        };
        key.ok_or(OpenError::UnknownKey)?.open(place, body).ok_or(OpenError::Altered)
    }

    /// Whether it was sealed with the key in use.
    pub fn is_current(&self, sealed: &str) -> bool {
        key_of(sealed).is_some_and(|name| name == self.keys().current.name())
    }

    /// The name of the key in use, which tells nothing of it, and whether it is that of the variable.
    pub fn current(&self) -> (String, bool) {
        (self.keys().current.name(), self.given.is_some())
    }

    fn key(&self, name: &str) -> Option<SecretKey> {
        let keys = self.keys();
        std::iter::once(&keys.current).chain(&keys.earlier).find(|key| key.name() == name).cloned()
    }

    /// Whether the file is another than the one that was read.
    fn has_changed(&self) -> bool {
        fs::metadata(&self.file).ok().map(|file| stamp(&file)) != self.keys().file
    }

    /// Takes the keys of the file as they are now. Blocks.
    fn read_again(&self) -> Result<(), KeyError> {
        let read = keys(&self.file, self.given.as_ref(), &self.previous)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> KeyError {
        KeyError::Io { file: self.file.clone(), source }
    }

    fn keys(&self) -> std::sync::RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rotation<'_> {
    /// Takes a new key into use, if the key is the file's; that of a variable changes with the variable. Blocks.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; the old key stays.
    pub fn renew(&self) -> Result<(), KeyError> {
        let Seals { file, given, .. } = self.seals;
        if given.is_some() {
            return Ok(());
        }
        let mut of_file = read(file)?.1;
        of_file.insert(0, SecretKey::random());
        write(file, &of_file)?;
        self.seals.read_again()
    }

    /// Forgets the file's keys but the one in use and those of these names. Blocks.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; they stay in it then.
    pub fn forget_others(&self, names: &BTreeSet<String>) -> Result<(), KeyError> {
        let file = &self.seals.file;
        let (current, given) = self.seals.current();
        let mut of_file = read(file)?.1;
        of_file.retain(|key| names.contains(&key.name()) || key.name() == current);
        if !of_file.is_empty() {
            write(file, &of_file)?;
        } else if given && file.exists() {
            fs::remove_file(file).map_err(|source| self.seals.failed(source))?;
        }
        self.seals.read_again()
    }
}

/// The name of the key that something was sealed with.
pub fn key_of(sealed: &str) -> Option<&str> {
    Some(parts(sealed)?.0)
}

/// The keys of the variables and of the file together.
fn keys(file: &Path, given: Option<&SecretKey>, previous: &[SecretKey]) -> Result<Keys, KeyError> {
    let (stamp, mut of_file) = read(file)?;
    let current = match given {
        Some(given) => given.clone(),
        None if of_file.is_empty() => return Err(KeyError::Gone(file.to_owned())),
        None => of_file.remove(0),
    };
    of_file.extend_from_slice(previous);
    Ok(Keys { current, earlier: of_file, file: stamp })
}

/// A new key, as it is written into a variable.
pub fn fresh() -> Zeroizing<String> {
    SecretKey::random().text()
}
