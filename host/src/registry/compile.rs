//! Components to machine code, in a child process, kept in a cache.
//!
//! Compiling is the one thing a hostile file can make arbitrarily expensive, so it happens in a process of
//! its own under limits on memory, processor time and output, in one thread, and in no more than
//! `loader.compile_processes` of them at once. From the moment that the host serves, they yield to everything
//! else. The host itself only looks for sections in a file before that, and loads what comes back.

mod cache;
mod child;
mod process;
mod under_way;

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use wasmtime::Engine;
use wasmtime::component::Component;

use self::cache::Cache;
use crate::config::LoaderConfig;
use crate::runtime::compatibility_hash;

pub use self::child::{Task, compile_in_this_process};
pub use self::under_way::Compiling;
pub(super) use self::under_way::{Entry, UnderWay};

/// The subcommand of the compiling process: component on standard input, machine code on standard output.
pub const SUBCOMMAND: &str = "compile-component";

/// Compiles components and remembers the result.
pub struct Compiler {
    engine: Engine,
    limits: LoaderConfig,
    /// The binary that has the subcommand [`SUBCOMMAND`].
    program: PathBuf,
    cache: Cache,
    processes: Semaphore,
    /// Whether there are requests that compiling could slow down.
    serving: watch::Sender<bool>,
}

/// The right to run one compiling process.
pub struct Turn<'a>(#[expect(dead_code, reason = "it is given back when dropped")] SemaphorePermit<'a>);

/// Machine code as our own compiling process gave it, and nobody else.
pub struct Compiled(Vec<u8>);

#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("the component does not compile: {0}")]
    Invalid(String),
    #[error(
        "the component uses asynchronous types (WASI 0.3), which this host does not run yet: build it against WASI 0.2"
    )]
    Async,
    #[error("compiling was stopped: it needed more than {0} s of processor time (loader.compile_cpu_s)")]
    Cpu(u64),
    #[error("compiling was stopped: it needed more than {0} bytes of memory (loader.compile_memory_bytes)")]
    Memory(u64),
    #[error("compiling was stopped: it needed more than {0} s (loader.compile_wall_s)")]
    Wall(u64),
    #[error("compiling was stopped: it needed more than {0} bytes of machine code (loader.compiled_bytes)")]
    Output(u64),
    #[error("the compiling process ended with {status}: {message}")]
    Crashed { status: String, message: String },
    #[error("the compiling process could not be run: {0}")]
    Process(#[source] io::Error),
    #[error("the compiled code could not be loaded: {0}")]
    Load(String),
    #[error(
        "the directory of compiled code cannot be used: {0}; free space on the disk of the data directory, or give this \
         user write permission to it"
    )]
    Cache(#[source] io::Error),
}

impl Compiler {
    /// Opens the cache under the data directory, making it and its key when they are not there yet.
    ///
    /// # Errors
    ///
    /// [`CompileError::Cache`] when a directory or the key cannot be made or read.
    pub fn open(engine: &Engine, data: &Path, program: PathBuf, limits: &LoaderConfig) -> Result<Self, CompileError> {
        Ok(Self {
            engine: engine.clone(),
            limits: limits.clone(),
            program,
            cache: Cache::open(data, compatibility_hash(engine), limits).map_err(CompileError::Cache)?,
            processes: Semaphore::new(limits.compile_processes),
            serving: watch::Sender::new(false),
        })
    }

    /// The component of the file with this hash, if an authentic copy for this engine is in the cache. Blocks.
    pub fn cached(&self, sha256: &str) -> Option<Component> {
        let code = self.cache.get(sha256)?;
        self.load(&code)
            .inspect_err(|error| tracing::warn!(%error, sha256, "cached code does not load; compiling again"))
            .ok()
    }

    /// Waits until one more process may compile.
    pub async fn turn(&self) -> Turn<'_> {
        // The semaphore is never closed, so there is always a permit in the end.
        match self.processes.acquire().await {
            Ok(permit) => Turn(permit),
            Err(_closed) => std::future::pending().await,
        }
    }

    /// The machine code of the component of these bytes.
    ///
    /// # Errors
    ///
    /// [`CompileError`] when the bytes are no valid component or compiling them takes too much.
    pub async fn compile(&self, bytes: &[u8], _turn: &Turn<'_>) -> Result<Compiled, CompileError> {
        process::run(&self.program, bytes, &self.limits, self.serving.subscribe()).await.map(Compiled)
    }

    /// The component of the file with this hash, whose machine code this is; it is kept for the next start. Blocks.
    ///
    /// # Errors
    ///
    /// [`CompileError::Load`] when it is not for this engine.
    pub fn keep_and_load(&self, sha256: &str, Compiled(code): &Compiled) -> Result<Component, CompileError> {
        if let Err(error) = self.cache.keep(sha256, code) {
            tracing::warn!(
                %error,
                sha256,
                "compiled code could not be kept: is the disk full? The next start compiles it again"
            );
        }
        self.load(code)
    }

    /// From now on compiling yields to everything else, also where it is under way.
    pub fn yield_to_requests(&self) {
        self.serving.send_replace(true);
    }

    /// Removes what is in nobody's use until the cache is within its bound. Blocks.
    pub fn prune(&self, in_use: impl Fn(&str) -> bool) {
        if let Err(error) = self.cache.prune(in_use) {
            tracing::warn!(%error, "the cache of compiled code cannot be pruned");
        }
    }

    fn load(&self, code: &[u8]) -> Result<Component, CompileError> {
        // SAFETY: deserialising trusts its input to be wasmtime's own output. These bytes came over a pipe
        // from our own compiling process, or from a file whose keyed hash proves that they once did.
        unsafe { Component::deserialize(&self.engine, code) }.map_err(|error| CompileError::Load(format!("{error:#}")))
    }
}
