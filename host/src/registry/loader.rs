//! From a directory of files to loaded plugins.
//!
//! A file is read once, and those bytes are what is hashed, checked, compiled and run. A bad file costs
//! only itself: it is listed with its reason, and the others load.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;

use super::compile::{CompileError, Compiler};
use super::package::{self, PackageError};
use super::plugin::{self, Disagreements, Plugin};
use crate::capability::sql::{SqlBackend, SqlError};
use crate::config::LoaderConfig;
use crate::hash::sha256_hex;
use crate::runtime::{PluginKey, PrepareError, PreparedParts, PreparedPlugin};

/// Reads plugin files.
pub struct Loader {
    compiler: Compiler,
    sql: Arc<SqlBackend>,
    limits: LoaderConfig,
}

/// A file that was found and not loaded.
#[derive(Debug, Clone)]
pub struct Rejected {
    pub file_name: String,
    /// Absent when the file could not be read to its end.
    pub sha256: Option<String>,
    pub reason: String,
    pub seen_at: Timestamp,
}

/// What a directory held.
#[derive(Default)]
pub struct Loaded {
    pub plugins: Vec<Arc<Plugin>>,
    pub rejected: Vec<Rejected>,
}

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the file cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("the file has {found} bytes; at most {limit} are allowed (loader.file_bytes)")]
    TooLarge { found: u64, limit: u64 },
    #[error("{name} beside it: {source}")]
    Sidecar { name: String, source: Box<LoadError> },
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("the embedded SQL cannot be used: {0}")]
    Tables(#[from] SqlError),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error("{0}")]
    Fit(Disagreements),
    #[error("{key} is already loaded from {other}; give one of the two another version, or remove it")]
    Duplicate { key: PluginKey, other: String },
}

impl Loader {
    pub fn new(compiler: Compiler, sql: Arc<SqlBackend>, limits: &LoaderConfig) -> Self {
        Self { compiler, sql, limits: limits.clone() }
    }

    /// Loads every `.wasm` file of the directory, in the order of their names.
    ///
    /// # Errors
    ///
    /// When the directory itself cannot be read. What is wrong with a file is in [`Loaded::rejected`].
    pub async fn load(&self, directory: &Path) -> io::Result<Loaded> {
        let files = wasm_files(directory)?;
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let results: Vec<_> = futures::stream::iter(files)
            .map(async |path| {
                let read = self.read(&path);
                let sha256 = read.as_ref().ok().map(|bytes| sha256_hex(bytes));
                let plugin = match (read, &sha256) {
                    (Ok(bytes), Some(sha256)) => self.plugin(&path, &bytes, sha256).await,
                    (Err(error), _) => Err(error),
                    (Ok(_), None) => Err(LoadError::Read(io::ErrorKind::InvalidData.into())),
                };
                (file_name(&path), sha256, plugin)
            })
            .buffered(at_once)
            .collect()
            .await;
        let mut loaded = Loaded::default();
        for (file_name, sha256, plugin) in results {
            match plugin.and_then(|plugin| unique(&loaded.plugins, plugin)) {
                Ok(plugin) => loaded.plugins.push(Arc::new(plugin)),
                Err(error) => {
                    let reason = error.to_string();
                    tracing::warn!(file = file_name, reason, "plugin file was not loaded");
                    loaded.rejected.push(Rejected { file_name, sha256, reason, seen_at: Timestamp::now() });
                }
            }
        }
        Ok(loaded)
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let limit = self.limits.file_bytes;
        let file = std::fs::File::open(path).map_err(LoadError::Read)?;
        let found = file.metadata().map_err(LoadError::Read)?.len();
        if found > limit {
            return Err(LoadError::TooLarge { found, limit });
        }
        let mut bytes = Vec::new();
        // The file may be growing: what counts is what is read.
        io::Read::read_to_end(&mut io::Read::take(file, limit + 1), &mut bytes).map_err(LoadError::Read)?;
        if bytes.len() as u64 > limit {
            return Err(LoadError::TooLarge { found: bytes.len() as u64, limit });
        }
        Ok(bytes)
    }

    async fn plugin(&self, path: &Path, bytes: &[u8], sha256: &str) -> Result<Plugin, LoadError> {
        let sidecar = path.with_extension("plugin.json");
        let name = file_name(&sidecar);
        let beside = match sidecar.is_file().then(|| self.read(&sidecar)).transpose() {
            Ok(beside) => beside,
            Err(error) => return Err(LoadError::Sidecar { name, source: Box::new(error) }),
        };
        let package = package::read(bytes, (&name, beside.as_deref()))?;
        let manifest = package.manifest;
        let tables = self.sql.tables(&manifest.id, &package.migrations, package.demo.as_deref())?;
        let component = self.compiler.component(bytes, sha256).await?;
        let prepared = PreparedPlugin::new(PreparedParts {
            key: PluginKey { id: manifest.id.clone(), version: manifest.version.clone() },
            component,
            tables: Arc::new(tables),
        })?;
        let endpoints = plugin::fit(&manifest, &prepared).map_err(LoadError::Fit)?;
        Ok(Plugin {
            manifest,
            prepared: Arc::new(prepared),
            endpoints,
            file_name: file_name(path),
            sha256: sha256.to_string(),
            loaded_at: Timestamp::now(),
        })
    }
}

fn unique(loaded: &[Arc<Plugin>], plugin: Plugin) -> Result<Plugin, LoadError> {
    match loaded.iter().find(|known| known.key() == plugin.key()) {
        Some(known) => Err(LoadError::Duplicate { key: plugin.key().clone(), other: known.file_name.clone() }),
        None => Ok(plugin),
    }
}

fn wasm_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let hidden = file_name(&path).starts_with('.');
        if !hidden && path.extension().is_some_and(|extension| extension == "wasm") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
