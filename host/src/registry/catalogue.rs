//! The catalogue: a directory of plugins that can be installed, without any of them being compiled or run.
//!
//! Its files are read as the loader reads them, up to its bounds, and again only when they have changed. One look at a
//! time.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::directory::{self, Found, Identity};
use super::manifest::Manifest;
use super::package;
use super::rejected::Rejected;
use super::trust;
use crate::config::{LoaderConfig, TrustConfig};
use crate::hash::sha256_hex;

/// A directory of plugins.
pub struct Catalogue {
    directory: PathBuf,
    limits: Limits,
    known: Mutex<HashMap<String, (Identity, Arc<Entry>)>>,
}

/// What of a file is read, as the loader has it.
#[derive(Clone)]
struct Limits {
    loader: LoaderConfig,
    /// `trust.signatures`.
    signatures: usize,
}

/// One file of it.
pub struct Entry {
    pub file_name: String,
    pub path: PathBuf,
    /// Absent when the file could not be read.
    pub sha256: Option<String>,
    /// What it says it is, or why it says nothing, in words that are safe to show.
    pub manifest: Result<Manifest, String>,
}

impl Catalogue {
    pub fn new(directory: PathBuf, loader: LoaderConfig, trust: &TrustConfig) -> Self {
        Self { directory, limits: Limits { loader, signatures: trust.signatures }, known: Mutex::default() }
    }

    /// Every plugin file, by name. A directory that does not exist is an empty catalogue.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub async fn entries(&self) -> io::Result<Vec<Arc<Entry>>> {
        let mut known = self.known.lock().await;
        let (directory, limits) = (self.directory.clone(), self.limits.clone());
        let mut before = std::mem::take(&mut *known);
        let read = tokio::task::spawn_blocking(move || {
            let listing = match directory::list(&directory, limits.loader.files, &HashSet::new()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                listing => listing?,
            };
            let each = listing.files.into_iter().map(|found| {
                let same = before.remove(&found.name).filter(|(identity, _)| *identity == found.identity);
                let entry = same.map_or_else(|| Arc::new(read(&found, &limits)), |(_, entry)| entry);
                (found.name, (found.identity, entry))
            });
            Ok::<_, io::Error>(each.collect::<Vec<_>>())
        });
        let read = read.await.map_err(io::Error::other)??;
        let entries = read.iter().map(|(_, (_, entry))| entry.clone()).collect();
        *known = read.into_iter().collect();
        Ok(entries)
    }
}

/// A file of the catalogue and what lies beside it.
pub struct Content {
    pub component: Vec<u8>,
    pub manifest: Option<Vec<u8>>,
    pub signatures: Option<Vec<u8>>,
}

impl Catalogue {
    /// The very bytes that an entry was made of.
    ///
    /// # Errors
    ///
    /// Why the file cannot be read, or that it holds something else by now.
    pub async fn content(&self, entry: &Arc<Entry>) -> Result<Content, String> {
        let (entry, limit) = (entry.clone(), self.limits.loader.file_bytes);
        let read = move || {
            let component = directory::read_regular(&entry.path, limit).map_err(|error| error.to_string())?.bytes;
            if entry.sha256 != Some(sha256_hex(&component)) {
                return Err("it has changed since the catalogue was looked at: try again".to_owned());
            }
            let beside = |path: PathBuf| directory::read_regular(&path, limit).ok().map(|file| file.bytes);
            let manifest = beside(directory::sidecar(&entry.path));
            let signatures = beside(directory::signatures(&entry.path));
            Ok(Content { component, manifest, signatures })
        };
        tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?
    }
}

fn read(found: &Found, limits: &Limits) -> Entry {
    let mut sha256 = None;
    let manifest = parse(found, limits, &mut sha256);
    let manifest = manifest.map_err(|reason| Rejected::new(found.name.clone(), None, None, &reason).reason);
    Entry { file_name: found.name.clone(), path: found.path.clone(), sha256, manifest }
}

fn parse(found: &Found, limits: &Limits, sha256: &mut Option<String>) -> Result<Manifest, String> {
    let Limits { loader, signatures } = limits;
    let file = directory::read_regular(&found.path, loader.file_bytes).map_err(|error| error.to_string())?;
    *sha256 = Some(sha256_hex(&file.bytes));
    // Who signed it matters when it is installed; its manifest is read without the signatures, which stand behind it.
    let split = trust::split(&file.bytes, *signatures).map_err(|error| error.to_string())?;
    let beside = directory::sidecar(&found.path);
    let name = beside.file_name().map(directory::shown).unwrap_or_default();
    let beside = directory::read_regular(&beside, loader.file_bytes).ok().map(|file| file.bytes);
    let package = package::read(split.payload, (&name, beside.as_deref()), loader.embedded_sql_bytes);
    Ok(package.map_err(|error| error.to_string())?.manifest)
}
