//! The compiling process, seen from the host: what it gets, what may come back, how its end is read.

use std::convert::Infallible;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, getpriority_process, setpriority_process};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::child::status;
use super::{CompileError, SUBCOMMAND};
use crate::config::LoaderConfig;

/// What is kept of the process's standard error. The rest is read and dropped, so that it never waits for us.
const MESSAGE_BYTES: u64 = 4096;

/// Below every other process.
const LOWEST_PRIORITY: i32 = 19;

/// Compiles a component in a process of its own. The process ends when this future is dropped. It yields to
/// requests from the moment that the host is `serving`: not so far that a busy host would never get a new version.
pub(super) async fn run(
    program: &Path,
    bytes: &[u8],
    limits: &LoaderConfig,
    serving: watch::Receiver<bool>,
) -> Result<Vec<u8>, CompileError> {
    let mut child = Command::new(program)
        .arg(SUBCOMMAND)
        .args([limits.compile_memory_bytes, limits.compile_cpu_s, bytes.len() as u64].map(|number| number.to_string()))
        .env_clear()
        // The allocator would set aside more address space at once than the process may have in all.
        .env("MIMALLOC_ARENA_RESERVE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(CompileError::Process)?;
    let (Some(mut input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(CompileError::Process(std::io::ErrorKind::BrokenPipe.into()));
    };
    let feed = async {
        // A child that dies early closes the pipe; its exit status tells why. The pipe stays open
        // afterwards: its end would tell the child that we are gone.
        let _ = input.write_all(bytes).await;
        Ok(())
    };
    let priority = lowered_when(serving, &child, limits.compile_niceness);
    let work = async {
        let ((), code, message) = tokio::try_join!(feed, code(output, limits.compiled_bytes), message(errors))?;
        let status = child.wait().await.map_err(CompileError::Process)?;
        if status.success() { Ok(code) } else { Err(failure(status, message, limits)) }
    };
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(limits.compile_wall(), work) => outcome,
        never = priority => match never {},
    };
    drop(input);
    outcome.unwrap_or(Err(CompileError::Wall(limits.compile_wall_s)))
}

/// Lowers the priority of a process when the host serves. All its work is done by its first thread, which is
/// the one that this concerns.
fn lowered_when(
    mut serving: watch::Receiver<bool>,
    child: &Child,
    niceness: u8,
) -> impl Future<Output = Infallible> + use<> {
    let process = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    async move {
        // The sender goes only with the host itself. No process would mean this one.
        if serving.wait_for(|serving| *serving).await.is_ok()
            && process.is_some()
            && let Err(error) = getpriority_process(None)
                .and_then(|own| setpriority_process(process, (own + i32::from(niceness)).min(LOWEST_PRIORITY)))
        {
            tracing::warn!(%error, "the compiling process keeps its priority");
        }
        std::future::pending().await
    }
}

async fn code(output: impl AsyncRead + Unpin, limit: u64) -> Result<Vec<u8>, CompileError> {
    let mut code = Vec::new();
    output.take(limit.saturating_add(1)).read_to_end(&mut code).await.map_err(CompileError::Process)?;
    if code.len() as u64 > limit { Err(CompileError::Output(limit)) } else { Ok(code) }
}

async fn message(mut errors: impl AsyncRead + Unpin) -> Result<String, CompileError> {
    let mut message = Vec::new();
    (&mut errors).take(MESSAGE_BYTES).read_to_end(&mut message).await.map_err(CompileError::Process)?;
    tokio::io::copy(&mut errors, &mut tokio::io::sink()).await.map_err(CompileError::Process)?;
    Ok(String::from_utf8_lossy(&message).trim().to_string())
}

fn failure(ended: ExitStatus, message: String, limits: &LoaderConfig) -> CompileError {
    // The system's own allocator, and ours, say so before they abort.
    let out_of_memory = message.contains("memory allocation of");
    match (ended.code().map(u8::try_from), ended.signal()) {
        (Some(Ok(status::INVALID)), _) => CompileError::Invalid(message),
        (Some(Ok(status::ASYNC)), _) => CompileError::Async,
        (Some(Ok(status::NO_MEMORY)), _) => CompileError::Memory(limits.compile_memory_bytes),
        (_, Some(signal)) if signal == Signal::XCPU.as_raw() => CompileError::Cpu(limits.compile_cpu_s),
        (_, Some(_)) if out_of_memory => CompileError::Memory(limits.compile_memory_bytes),
        _ => CompileError::Crashed { status: ended.to_string(), message },
    }
}
