//! From a file to a loaded plugin.
//!
//! A file is read once, and those bytes are what is hashed, checked, compiled and run. Who vouches for them comes
//! first: nothing is parsed of a file that nobody may have signed. Whatever goes wrong in
//! between, a panic included, is the reason why that one file is refused. Bound: as many files are in memory
//! at once as there are processors, and one more for each that is being compiled.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use wasmtime::component::Component;

use super::claims::Claims;
use super::compile::{CompileError, Compiler, Compiling, Entry, Turn, UnderWay};
use super::directory::{self, Found, ReadError, Unfit};
use super::package::{self, Package, PackageError};
use super::plugin::{self, Disagreements, Plugin};
use super::trust::{Policy, Refusal, SignatureError, Signer, examine};
use crate::capability::sql::{Brought, PluginTables, SqlBackend, SqlError};
use crate::config::LoaderConfig;
use crate::hash::{hex, sha256};
use crate::id::PluginId;
use crate::runtime::{PluginKey, PrepareError, PreparedParts, PreparedPlugin, Rules};

/// The setting that bounds a file.
const FILE_BYTES: &str = "loader.file_bytes";

/// Reads plugin files.
pub struct Loader {
    bench: Arc<Bench>,
    /// Files in memory at once, apart from those that are compiled.
    quick: Semaphore,
    compiling: UnderWay,
}

/// What a file is worked on with, also from blocking threads.
struct Bench {
    compiler: Compiler,
    sql: Arc<SqlBackend>,
    limits: LoaderConfig,
}

/// What became of a file.
pub struct Outcome {
    /// Absent when the file could not be read to its end.
    pub sha256: Option<String>,
    /// Absent when the manifest could not be read.
    pub key: Option<PluginKey>,
    pub result: Result<Arc<Plugin>, LoadError>,
}

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Read(ReadError),
    #[error("the file has {found} bytes; at most {limit} are allowed ({setting})")]
    TooLarge { found: u64, limit: u64, setting: &'static str },
    #[error("{name} beside it: {source}")]
    Beside { name: String, source: Box<LoadError> },
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Refused(#[from] Refusal),
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
    #[error("the host failed on it: {0}")]
    Panicked(String),
}

impl LoadError {
    /// True when the file is not yet what it is going to be.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Read(ReadError::Changing) => true,
            Self::Read(error) => error.is_absent(),
            Self::Beside { source, .. } => source.is_transient(),
            _ => false,
        }
    }

    /// True when what is wrong lies in what is embedded, so that the component itself was not looked at.
    pub fn leaves_component_unseen(&self) -> bool {
        let embedded = matches!(self, Self::Package(PackageError::Manifest(_) | PackageError::NoManifest { .. }));
        embedded || matches!(self, Self::Tables(_))
    }
}

impl From<ReadError> for LoadError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLarge { found, limit } => Self::TooLarge { found, limit, setting: FILE_BYTES },
            ReadError::Unfit(unfit) => Self::Unfit(unfit),
            other => Self::Read(other),
        }
    }
}

/// What is known of a file as soon as it is known, for those who are told why it failed after that.
#[derive(Default)]
struct Facts {
    sha256: Option<String>,
    key: Option<PluginKey>,
}

/// A file taken apart and checked, as far as that goes without its machine code.
struct Opened {
    /// Without signatures at the end, which are nothing to compile.
    bytes: Vec<u8>,
    /// Of those bytes.
    code: String,
    sha256: String,
    content: String,
    signer: Option<Signer>,
    package: Package,
    tables: PluginTables,
    /// Its machine code, if it is in the cache.
    component: Option<Component>,
}

/// Either the plugin that is known already, or what has to be made into one.
enum Step {
    Known(Arc<Plugin>),
    Opened(Box<Opened>),
}

impl Loader {
    pub fn new(compiler: Compiler, sql: Arc<SqlBackend>, limits: &LoaderConfig) -> Self {
        let quick = std::thread::available_parallelism().map_or(1, usize::from);
        let bench = Bench { compiler, sql, limits: limits.clone() };
        Self { bench: Arc::new(bench), quick: Semaphore::new(quick), compiling: UnderWay::default() }
    }

    pub fn limits(&self) -> &LoaderConfig {
        &self.bench.limits
    }

    /// The files that are being compiled, or wait for it.
    pub fn compiling(&self) -> Vec<Compiling> {
        self.compiling.list()
    }

    /// From now on compiling yields to everything else.
    pub fn yield_to_requests(&self) {
        self.bench.compiler.yield_to_requests();
    }

    /// Loads one file. `known` is the plugin that was loaded from it before, which is given back when its
    /// bytes are the same.
    pub async fn load(&self, found: &Found, known: Option<&Arc<Plugin>>, policy: &Arc<Policy>) -> Outcome {
        let (mut facts, begun) = (Facts::default(), Instant::now());
        let result = self.try_load(found, (known, policy), &mut facts, begun).await;
        Outcome { sha256: facts.sha256, key: facts.key, result }
    }

    async fn try_load(
        &self,
        found: &Found,
        against: (Option<&Arc<Plugin>>, &Arc<Policy>),
        facts: &mut Facts,
        begun: Instant,
    ) -> Result<Arc<Plugin>, LoadError> {
        let quick = self.quick.acquire().await;
        match self.open(found, against, facts).await? {
            Step::Known(plugin) => return Ok(plugin),
            Step::Opened(mut opened) => {
                if let Some(component) = opened.component.take() {
                    return self.finish(found, opened, component, begun).await;
                }
            }
        }
        // It has to be compiled, which may take long. Until it is its turn it is let go, and read again then.
        drop(quick);
        let entry = facts.key.as_ref().map(|key| self.compiling.enter(&found.name, key));
        let turn = self.bench.compiler.turn().await;
        match self.open(found, against, facts).await? {
            Step::Known(plugin) => Ok(plugin),
            Step::Opened(mut opened) => {
                let component = match opened.component.take() {
                    Some(component) => component,
                    None => {
                        entry.iter().for_each(Entry::begin);
                        self.compile(&opened.bytes, &opened.code, &turn).await?
                    }
                };
                self.finish(found, opened, component, begun).await
            }
        }
    }

    async fn open(
        &self,
        found: &Found,
        (known, policy): (Option<&Arc<Plugin>>, &Arc<Policy>),
        facts: &mut Facts,
    ) -> Result<Step, LoadError> {
        let (bench, found, known, policy) = (self.bench.clone(), found.clone(), known.cloned(), policy.clone());
        let (step, learnt) = blocking(move || {
            let mut facts = Facts::default();
            let step = bench.open(&found, (known, &policy), &mut facts);
            Ok((step, facts))
        })
        .await?;
        *facts = learnt;
        step
    }

    /// The component of these bytes with this hash, compiled anew. Its machine code is tens of MiB: it is written and
    /// loaded on a thread of its own.
    async fn compile(&self, bytes: &[u8], code: &str, turn: &Turn<'_>) -> Result<Component, LoadError> {
        let compiled = self.bench.compiler.compile(bytes, turn).await?;
        let (bench, code) = (self.bench.clone(), code.to_owned());
        blocking(move || Ok(bench.compiler.keep_and_load(&code, &compiled)?)).await
    }

    async fn finish(
        &self,
        found: &Found,
        opened: Box<Opened>,
        component: Component,
        begun: Instant,
    ) -> Result<Arc<Plugin>, LoadError> {
        let name = found.name.clone();
        let types_bytes = self.bench.limits.types_bytes;
        blocking(move || opened.into_plugin(name, component, types_bytes, begun).map(Arc::new)).await
    }

    /// What is wrong with a component, whatever is embedded in it.
    pub async fn component_fault(&self, found: &Found) -> Option<LoadError> {
        self.try_component(found).await.err()
    }

    async fn try_component(&self, found: &Found) -> Result<(), LoadError> {
        let (path, limit) = (found.path.clone(), self.bench.limits.file_bytes);
        let bytes = blocking(move || Ok(directory::read_regular(&path, limit)?.bytes)).await?;
        let turn = self.bench.compiler.turn().await;
        let component = self.compile(&bytes, &hex(&sha256(&bytes)), &turn).await?;
        let bench = self.bench.clone();
        blocking(move || {
            // Who it is has no bearing on its types and imports.
            let id = PluginId::parse("unknown").map_err(|error| LoadError::Panicked(error.to_string()))?;
            let version = semver::Version::new(0, 0, 0);
            let brought =
                Brought { plugin: &id, version: &version, migrations: &[], demo: None, compatible_from: None };
            let tables = Arc::new(bench.sql.tables(&brought)?);
            let key = PluginKey { id, version };
            PreparedPlugin::new(PreparedParts {
                key,
                component,
                tables,
                rules: &|_, _| Rules::default(),
                topics: Vec::new(),
                namespaces: Vec::new(),
                notifies: Vec::new(),
            })?;
            Ok(())
        })
        .await
    }

    /// Removes machine code that nobody uses, as far as the cache is over its bound.
    pub async fn prune(&self, in_use: std::collections::HashSet<String>) {
        let bench = self.bench.clone();
        let prune = blocking(move || {
            bench.compiler.prune(|sha256| in_use.contains(sha256));
            Ok(())
        });
        if let Err(error) = prune.await {
            tracing::warn!(%error, "the cache of compiled code was not pruned");
        }
    }
}

impl Bench {
    fn open(
        &self,
        found: &Found,
        (known, policy): (Option<Arc<Plugin>>, &Policy),
        facts: &mut Facts,
    ) -> Result<Step, LoadError> {
        let stamp = found.identity.file.clone()?;
        let file = directory::read_regular(&found.path, self.limits.file_bytes)?;
        if file.stamp != stamp {
            return Err(ReadError::Changing.into());
        }
        let mut bytes = file.bytes;
        let whole = sha256(&bytes);
        let sha256 = hex(&whole);
        facts.sha256 = Some(sha256.clone());
        package::refuse_other_formats(&bytes)?;
        let (name, sidecar) = beside(&directory::sidecar(&found.path), (self.limits.file_bytes, FILE_BYTES))?;
        let settings = &policy.settings;
        let limit = (settings.signature_file_bytes, "trust.signature_file_bytes");
        let (_, signatures) = beside(&directory::signatures(&found.path), limit)?;
        let examined =
            examine((&bytes, whole), (&name, sidecar.as_deref()), signatures.as_deref(), settings.signatures)?;
        policy.admit(&examined)?;
        let package = package::read(examined.payload, (&name, sidecar.as_deref()), self.limits.embedded_sql_bytes)?;
        let content = package.content(&examined.hash, examined.manifest.as_ref());
        let manifest = &package.manifest;
        let key = PluginKey { id: manifest.id.clone(), version: manifest.version.clone() };
        facts.key = Some(key.clone());
        let signer = policy.vouched(&examined, &key.id, package.is_manifest_beside().then_some(&*name))?;
        policy.allows_version(&key)?;
        let same = |known: &Arc<Plugin>| known.claims.content == content && known.sha256 == sha256;
        if let Some(known) = known.filter(|known| same(known) && known.signer == signer) {
            return Ok(Step::Known(known));
        }
        let tables = self.sql.tables(&package.brought())?;
        let (length, code) = (examined.payload.len(), hex(&examined.hash));
        bytes.truncate(length);
        let component = self.compiler.cached(&code);
        Ok(Step::Opened(Box::new(Opened { bytes, code, sha256, content, signer, package, tables, component })))
    }
}

impl Opened {
    fn into_plugin(
        self,
        file_name: String,
        component: Component,
        types_bytes: usize,
        load_begun: Instant,
    ) -> Result<Plugin, LoadError> {
        let manifest = self.package.manifest;
        let key = PluginKey { id: manifest.id.clone(), version: manifest.version.clone() };
        let tables = Arc::new(self.tables);
        let rules = |interface: &_, function: &str| manifest.rules(interface, function);
        let topics = manifest.publishes.iter().map(|published| published.name.as_str().into()).collect();
        let namespaces = manifest.shared_data.owned();
        let notifies = manifest.notifies.iter().map(|notified| notified.kind.as_str().into()).collect();
        let parts = PreparedParts { key: key.clone(), component, tables, rules: &rules, topics, namespaces, notifies };
        let prepared = PreparedPlugin::new(parts)?;
        let endpoints = plugin::fit(&manifest, &prepared).map_err(LoadError::Fit)?;
        Ok(Plugin {
            claims: Claims::new(key, self.content, prepared.exports(), types_bytes),
            manifest,
            prepared: Arc::new(prepared),
            endpoints,
            signer: self.signer,
            file_name,
            sha256: self.sha256,
            code: self.code,
            loaded_at: Timestamp::now(),
            load_begun,
            started: OnceLock::new(),
        })
    }
}

/// A file beside the plugin, by its name and content, of at most so many bytes by this setting.
fn beside(path: &Path, (limit, setting): (u64, &'static str)) -> Result<(String, Option<Vec<u8>>), LoadError> {
    let name = path.file_name().map(directory::shown).unwrap_or_default();
    let source = match directory::read_regular(path, limit) {
        Ok(file) => return Ok((name, Some(file.bytes))),
        Err(error) if error.is_absent() || matches!(error, ReadError::Unfit(_)) => return Ok((name, None)),
        Err(ReadError::TooLarge { found, limit }) => LoadError::TooLarge { found, limit, setting },
        Err(error) => error.into(),
    };
    Err(LoadError::Beside { name, source: Box::new(source) })
}

/// Runs work that takes a thread for some time, or panics.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(LoadError::Panicked(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
