//! Compiled code, shared by all the hosts that tests start, in this process and in others.
//!
//! Compiling the plugins takes a debug host a second or two, loading compiled code some milliseconds. So
//! each scratch data directory begins with a copy of what earlier hosts compiled, and of the key that proves
//! it, and what is new is copied back after the start. Files only ever appear here, whole and under names
//! that hash their content, so nobody needs a lock to read. A host that has to compile starts under one,
//! lest all the tests compile the same plugins at once. `cargo clean` empties the cache.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

const KEY: &str = "keys/compiled-code.key";
const CODE: &str = "compiled";

/// What a data directory borrowed, until [`Loan::give_back`].
pub struct Loan {
    data: PathBuf,
    /// Held while something has to be compiled.
    _lock: Option<File>,
}

/// Furnishes a new data directory for a host that will load these plugin files.
pub async fn lend(data: &Path, plugins: &Path) -> Loan {
    let (data, plugins) = (data.to_owned(), plugins.to_owned());
    // Taking the lock blocks.
    tokio::task::spawn_blocking(move || lend_now(data, &plugins)).await.unwrap()
}

fn lend_now(data: PathBuf, plugins: &Path) -> Loan {
    let cache = cache();
    for directory in ["keys", CODE] {
        std::fs::create_dir_all(cache.join(directory)).unwrap();
        std::fs::create_dir_all(data.join(directory)).unwrap();
    }
    make_key(&cache);
    if !data.join(KEY).exists() {
        std::fs::copy(cache.join(KEY), data.join(KEY)).unwrap();
    }
    let hashes = hashes(plugins);
    if copy_known(&cache, &data, &hashes) {
        return Loan { data, _lock: None };
    }
    let lock = File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    // Whoever held it may have compiled just these.
    let lock = if copy_known(&cache, &data, &hashes) { None } else { Some(lock) };
    Loan { data, _lock: lock }
}

impl Loan {
    /// Keeps what the host compiled for others.
    pub fn give_back(self) {
        let cache = cache();
        for name in file_names(&self.data.join(CODE)) {
            let kept = cache.join(CODE).join(&name);
            if !kept.exists() {
                let code = std::fs::read(self.data.join(CODE).join(&name)).unwrap();
                whole(&cache, &code).persist(kept).unwrap();
            }
        }
    }
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("code-cache")
}

/// One key for all: the first to get it there wins.
fn make_key(cache: &Path) {
    if cache.join(KEY).exists() {
        return;
    }
    let random: Vec<u8> = (0..2).flat_map(|_| uuid::Uuid::new_v4().into_bytes()).collect();
    match whole(cache, &random).persist_noclobber(cache.join(KEY)) {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => panic!("{error}"),
    }
}

/// Copies the code of these plugins; false when one of them has none.
fn copy_known(cache: &Path, data: &Path, hashes: &[String]) -> bool {
    let known: Vec<String> = file_names(&cache.join(CODE)).filter_map(|name| name.into_string().ok()).collect();
    let mut complete = true;
    for hash in hashes {
        // An older host's code of the same plugin may be there too: it takes its own and passes over that.
        let mut found = false;
        for name in known.iter().filter(|name| name.starts_with(hash.as_str())) {
            std::fs::copy(cache.join(CODE).join(name), data.join(CODE).join(name)).unwrap();
            found = true;
        }
        complete &= found;
    }
    complete
}

fn hashes(plugins: &Path) -> Vec<String> {
    let files = file_names(plugins).map(|name| plugins.join(name));
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    // Tests put there what must not be read: pipes, devices, giants.
    let plain = files.filter(|path| path.metadata().is_ok_and(|file| file.is_file() && file.len() < 64 << 20));
    let bytes = plain.filter_map(|path| std::fs::read(path).ok());
    bytes.map(|bytes| Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()).collect()
}

fn file_names(directory: &Path) -> impl Iterator<Item = OsString> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).filter(|name| !name.to_string_lossy().starts_with('.'))
}

/// A file with all its content, to be given its name in one step.
fn whole(cache: &Path, bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new_in(cache).unwrap();
    file.write_all(bytes).unwrap();
    file
}
