//! Machine code on disk.
//!
//! Loading compiled code is trusting it, so each entry begins with a keyed hash over its name, the engine and
//! its content; the key lies outside the directory. What is not exactly what was written under exactly this
//! name for exactly this engine is as good as missing. Bound: `loader.cache_bytes`, which only entries in use
//! can exceed.

use std::fs::{self, FileTimes, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::LoaderConfig;
use crate::registry::directory;
use crate::secret;

const TAG_BYTES: usize = 32;
const ENDING: &str = "cwasm";
/// An entry that was being written when its host ended is removed after this time.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

pub(super) struct Cache {
    directory: PathBuf,
    /// The engine's.
    compatibility: String,
    /// Keyed, before anything was hashed.
    mac: Hmac<Sha256>,
    entry_bytes: u64,
    all_bytes: u64,
}

impl Cache {
    pub(super) fn open(data: &Path, compatibility: String, limits: &LoaderConfig) -> io::Result<Self> {
        let directory = data.join("compiled");
        secret::make_private(&directory)?;
        let key = key(&data.join("keys").join("compiled-code.key"))?;
        let mac = Hmac::new_from_slice(&key).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let entry_bytes = limits.compiled_bytes.saturating_add(TAG_BYTES as u64);
        Ok(Self { directory, compatibility, mac, entry_bytes, all_bytes: limits.cache_bytes })
    }

    /// The machine code of the component with this hash, if it is there and authentic.
    pub(super) fn get(&self, sha256: &str) -> Option<Vec<u8>> {
        let name = self.name(sha256);
        let path = self.directory.join(&name);
        let entry = match directory::read_regular(&path, self.entry_bytes) {
            Ok(entry) => entry.bytes,
            Err(error) if error.is_absent() => return None,
            Err(error) => {
                tracing::warn!(%error, file = name, "cached code cannot be read; compiling again");
                return None;
            }
        };
        let Some(code) = self.authentic(&name, entry) else {
            tracing::warn!(file = name, "cached code was altered; compiling again");
            return None;
        };
        used_now(&path);
        Some(code)
    }

    /// The code of an entry, if all of it was written by this host under this name.
    fn authentic(&self, name: &str, mut entry: Vec<u8>) -> Option<Vec<u8>> {
        let code = entry.split_off(entry.len().min(TAG_BYTES));
        self.mac(name, &code).verify_slice(&entry).is_ok().then_some(code)
    }

    pub(super) fn keep(&self, sha256: &str, code: &[u8]) -> io::Result<()> {
        let name = self.name(sha256);
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(&self.mac(&name, code).finalize().into_bytes())?;
        file.write_all(code)?;
        file.persist(self.directory.join(name)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Removes entries until the rest is within the bound: those of files that are not in use, the longest
    /// unused first.
    pub(super) fn prune(&self, in_use: impl Fn(&str) -> bool) -> io::Result<()> {
        let mut all = 0;
        let mut unused = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            // It may have gone since, by our own hand in another thread or by the operator's.
            let Ok(metadata) = entry.metadata() else { continue };
            let path = entry.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                if metadata.is_file() && age(&metadata) > ABANDONED_AFTER {
                    fs::remove_file(path)?;
                }
                continue;
            }
            all += metadata.len();
            let name = entry.file_name();
            let sha256 = name.to_str().and_then(|name| name.split('-').next());
            let current = |sha256: &str| name.to_str() == Some(&*self.name(sha256)) && in_use(sha256);
            if !sha256.is_some_and(current) {
                unused.push((last_used(&metadata), path, metadata.len()));
            }
        }
        unused.sort();
        for (_, path, length) in unused {
            if all <= self.all_bytes {
                break;
            }
            match fs::remove_file(&path) {
                Ok(()) => all -= length,
                Err(error) => tracing::warn!(%error, file = %path.display(), "it cannot be removed"),
            }
        }
        Ok(())
    }

    fn name(&self, sha256: &str) -> String {
        format!("{sha256}-{}.{ENDING}", &self.compatibility[..16])
    }

    fn mac(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(name.as_bytes());
        mac.update(self.compatibility.as_bytes());
        mac.update(code);
        mac
    }
}

/// Notes the use where the file system itself may not: many do not keep the time of reading.
fn used_now(path: &Path) {
    let noted = fs::File::open(path).and_then(|file| file.set_times(FileTimes::new().set_accessed(SystemTime::now())));
    if let Err(error) = noted {
        tracing::debug!(%error, file = %path.display(), "the time of its use cannot be noted");
    }
}

fn last_used(metadata: &Metadata) -> SystemTime {
    let times = [metadata.accessed(), metadata.modified()];
    times.into_iter().flatten().max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn age(metadata: &Metadata) -> Duration {
    metadata.modified().ok().and_then(|time| time.elapsed().ok()).unwrap_or_default()
}

/// A damaged key costs no more than compiling again, so another takes its place.
fn key(path: &Path) -> io::Result<[u8; secret::KEY_BYTES]> {
    match secret::key_file(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            tracing::warn!(%error, file = %path.display(), "the key of the compiled code is damaged; making another");
            fs::remove_file(path)?;
            secret::key_file(path)
        }
        key => key,
    }
}

#[cfg(test)]
mod tests;
