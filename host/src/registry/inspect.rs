//! One file looked at as the loader looks at it, without a host and without its data directory.
//!
//! Invariant: it is the loader that looks. So what is good here is loaded there, under the same limits, unless
//! another plugin was first.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use wasmtime::Engine;

use super::compile::{CompileError, Compiler};
use super::directory;
use super::loader::{Loader, Outcome};
use super::plugin::Plugin;
use super::rejected::printable;
use super::trust::Policy;
use crate::capability::sql::SqlBackend;
use crate::config::Config;
use crate::runtime::{PluginKey, build_engine};
use crate::usage::Usage;

/// Looks at files. What it needs on disk goes with it.
pub struct Inspector {
    loader: Loader,
    policy: Arc<Policy>,
    _scratch: TempDir,
}

/// What a file is.
pub struct Inspection {
    /// What it says it is, where its manifest could be read.
    pub key: Option<PluginKey>,
    /// It, or everything that is wrong with it, safe to be shown.
    pub plugin: Result<Arc<Plugin>, Vec<String>>,
}

#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("a scratch directory cannot be made: {0}; is there room in TMPDIR?")]
    Scratch(#[from] io::Error),
    #[error("the engine cannot be made: {0}; less in [pool] or [limits] may help")]
    Engine(String),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("there is no file {}", .0.display())]
    Absent(PathBuf),
}

impl Inspector {
    /// `compiler` is the program that has the compiling subcommand.
    ///
    /// # Errors
    ///
    /// When there is no scratch directory or no engine to be had.
    pub fn new(config: &Config, compiler: PathBuf) -> Result<Self, InspectError> {
        let scratch = tempfile::tempdir()?;
        let usage = Arc::new(Usage::new(&config.quotas, &config.sql, config.dev));
        let sql = Arc::new(SqlBackend::new(scratch.path(), &config.sql, None, usage)?);
        let engine: Engine =
            build_engine(&config.limits, &config.pool).map_err(|error| InspectError::Engine(format!("{error:#}")))?;
        let compiler = Compiler::open(&engine, scratch.path(), compiler, &config.loader)?;
        let policy = Arc::new(Policy::of_anybody(&config.trust));
        Ok(Self { loader: Loader::new(compiler, sql, &config.loader), policy, _scratch: scratch })
    }

    /// Looks at one file. A manifest that is wrong does not hide what is wrong with the component.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub async fn inspect(&self, path: &Path) -> Result<Inspection, InspectError> {
        let found = directory::one(path).ok_or_else(|| InspectError::Absent(path.to_owned()))?;
        let Outcome { key, result, .. } = self.loader.load(&found, None, &self.policy).await;
        let error = match result {
            Ok(plugin) => return Ok(Inspection { key: Some(plugin.key().clone()), plugin: Ok(plugin) }),
            Err(error) => error,
        };
        let more = if error.leaves_component_unseen() { self.loader.component_fault(&found).await } else { None };
        let problems = [Some(error), more].into_iter().flatten().map(|error| printable(&error.to_string()));
        Ok(Inspection { key, plugin: Err(problems.collect()) })
    }
}
