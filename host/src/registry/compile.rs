//! Components to machine code, in a child process, kept in a cache.
//!
//! Compiling is the one thing a hostile file can make arbitrarily expensive, so it happens in a process of
//! its own under limits on memory and CPU time. Loading compiled code is trusting it, so every cached file
//! carries a keyed hash over its name and content; the key lies outside the cache directory.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hmac::digest::InvalidLength;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::config::LoaderConfig;
use crate::runtime::compatibility_hash;

const TAG_BYTES: usize = 32;

/// Compiles components and remembers the result.
pub struct Compiler {
    engine: Engine,
    compatibility: String,
    limits: LoaderConfig,
    /// The binary that has the subcommand [`SUBCOMMAND`].
    program: PathBuf,
    cache: PathBuf,
    /// Keyed, before anything was hashed.
    mac: Hmac<Sha256>,
}

/// The subcommand of the compiling process: component on standard input, machine code on standard output.
pub const SUBCOMMAND: &str = "compile-component";

#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("the component does not compile: {0}")]
    Invalid(String),
    #[error(
        "the component uses asynchronous types (WASI 0.3), which this host does not run yet: build it against WASI 0.2"
    )]
    Async,
    #[error("compiling was stopped: it needed more than {0}")]
    Limit(String),
    #[error("the compiling process could not be run: {0}")]
    Process(#[source] io::Error),
    #[error("the compiled code could not be loaded: {0}")]
    Load(String),
    #[error("the directory of compiled code cannot be used: {0}")]
    Cache(#[source] io::Error),
}

impl Compiler {
    /// Opens the cache under the data directory, making it and its key when they are not there yet.
    ///
    /// # Errors
    ///
    /// [`CompileError::Cache`] when a directory or the key cannot be made or read.
    pub fn open(engine: &Engine, data: &Path, program: PathBuf, limits: &LoaderConfig) -> Result<Self, CompileError> {
        let cache = data.join("compiled");
        std::fs::create_dir_all(&cache).map_err(CompileError::Cache)?;
        let key = cache_key(&data.join("keys").join("compiled-code.key")).map_err(CompileError::Cache)?;
        Ok(Self {
            engine: engine.clone(),
            compatibility: compatibility_hash(engine),
            limits: limits.clone(),
            program,
            cache,
            mac: Hmac::new_from_slice(&key)
                .map_err(|InvalidLength| CompileError::Cache(io::ErrorKind::InvalidData.into()))?,
        })
    }

    /// The component of these bytes, from the cache if an authentic copy for this engine is there.
    ///
    /// # Errors
    ///
    /// [`CompileError`] when the bytes are no valid component or compiling them takes too much.
    pub async fn component(&self, bytes: &[u8], sha256: &str) -> Result<Component, CompileError> {
        let name = format!("{sha256}-{}.cwasm", &self.compatibility[..16]);
        let path = self.cache.join(&name);
        if let Some(code) = self.cached(&name, &path) {
            match self.load(&code) {
                Ok(component) => return Ok(component),
                Err(error) => tracing::warn!(%error, file = name, "cached code does not load; compiling again"),
            }
        }
        if needs_async(bytes) {
            return Err(CompileError::Async);
        }
        let code = self.compile(bytes).await?;
        self.keep(&name, &path, &code).map_err(CompileError::Cache)?;
        self.load(&code)
    }

    fn load(&self, code: &[u8]) -> Result<Component, CompileError> {
        // SAFETY: deserialising trusts its input to be wasmtime's own output. These bytes came over a pipe
        // from our own compiling process, or from a file whose keyed hash proves that they once did.
        unsafe { Component::deserialize(&self.engine, code) }.map_err(|error| CompileError::Load(format!("{error:#}")))
    }

    async fn compile(&self, bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
        let mut child = Command::new(&self.program)
            .arg(SUBCOMMAND)
            .arg(self.limits.compile_memory_bytes.to_string())
            .arg(self.limits.compile_cpu_s.to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(CompileError::Process)?;
        let mut input = child.stdin.take();
        let feed = async {
            if let Some(input) = &mut input {
                // A child that dies early closes the pipe; its exit status tells why.
                let _ = input.write_all(bytes).await;
            }
            drop(input);
        };
        let wall = Duration::from_secs(self.limits.compile_wall_s);
        let run = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output = match tokio::time::timeout(wall, run).await {
            Ok(output) => output.map_err(CompileError::Process)?,
            Err(_) => return Err(CompileError::Limit(format!("{} s", self.limits.compile_wall_s))),
        };
        if output.status.success() {
            return Ok(output.stdout);
        }
        let message = String::from_utf8_lossy(&output.stderr).trim().to_string();
        match output.status.code() {
            Some(1) => Err(CompileError::Invalid(message)),
            // Ended by a signal or a panic: the kernel enforced a limit, or the compiler gave up under one. A
            // panic for another reason is a fault of the compiler's, which its own words tell.
            _ => Err(CompileError::Limit(format!(
                "{} s of CPU time or {} bytes of memory (loader.compile_cpu_s, loader.compile_memory_bytes), or the \
                 compiler failed: {message}",
                self.limits.compile_cpu_s, self.limits.compile_memory_bytes
            ))),
        }
    }

    fn cached(&self, name: &str, path: &Path) -> Option<Vec<u8>> {
        let mut file = std::fs::read(path).ok()?;
        if file.len() < TAG_BYTES {
            return None;
        }
        let code = file.split_off(TAG_BYTES);
        if self.mac(name, &code).verify_slice(&file).is_err() {
            tracing::warn!(file = name, "cached code was altered; compiling again");
            return None;
        }
        Some(code)
    }

    fn keep(&self, name: &str, path: &Path, code: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.cache)?;
        io::Write::write_all(&mut file, &self.mac(name, code).finalize().into_bytes())?;
        io::Write::write_all(&mut file, code)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    fn mac(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(name.as_bytes());
        mac.update(self.compatibility.as_bytes());
        mac.update(code);
        mac
    }
}

/// The compiling process: reads a component, writes machine code. Its limits hold before it reads a byte.
///
/// # Errors
///
/// A text for the operator, to be written to standard error before the process ends with status 1.
pub fn compile_in_this_process(memory_bytes: u64, cpu_s: u64) -> Result<(), String> {
    rlimit::setrlimit(rlimit::Resource::AS, memory_bytes, memory_bytes).map_err(|error| error.to_string())?;
    rlimit::setrlimit(rlimit::Resource::CPU, cpu_s, cpu_s).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::stdin(), &mut bytes).map_err(|error| error.to_string())?;
    let engine = Engine::new(&crate::runtime::codegen_config()).map_err(|error| format!("{error:#}"))?;
    let code = engine.precompile_component(&bytes).map_err(|error| format!("{error:#}"))?;
    io::Write::write_all(&mut io::stdout(), &code).map_err(|error| error.to_string())
}

/// True when the component is valid only with asynchronous types.
fn needs_async(bytes: &[u8]) -> bool {
    use wasmparser::{Validator, WasmFeatures};
    let all = WasmFeatures::all();
    let valid = |features| Validator::new_with_features(features).validate_all(bytes).is_ok();
    valid(all) && !valid(all.difference(WasmFeatures::CM_ASYNC))
}

fn cache_key(path: &Path) -> io::Result<[u8; 32]> {
    if let Ok(key) = std::fs::read(path)
        && let Ok(key) = key.try_into()
    {
        return Ok(key);
    }
    let key: [u8; 32] = rand::random();
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(path)?, &key)?;
    Ok(key)
}
