//! The compiling process, seen from within.
//!
//! Its limits hold before it reads a byte of the component. It dies with the host: after the component its
//! standard input stays open, and the end of that input means that nobody waits for the result any longer.
//! The signal that Linux sends on a parent's death would not do, because it follows the thread that started
//! the child, and the host's threads come and go.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc;

use rlimit::Resource;
use wasmtime::Engine;

/// How the process ends when it has no machine code to give. Other endings are crashes.
pub(super) mod status {
    pub const INVALID: u8 = 10;
    pub const ASYNC: u8 = 11;
    pub const NO_MEMORY: u8 = 12;
    /// Nobody reads it.
    pub const ORPHAN: u8 = 13;
}

/// What the host asks of the compiling process.
#[derive(clap::Args)]
pub struct Task {
    pub(super) memory_bytes: u64,
    pub(super) cpu_s: u64,
    pub(super) input_bytes: u64,
}

/// Reads a component from standard input and writes its machine code to standard output.
pub fn compile_in_this_process(task: &Task) -> ExitCode {
    let outcome = confine(task).and_then(|()| input(task.input_bytes)).and_then(|bytes| {
        let code = compile(&bytes)?;
        io::stdout().write_all(&code).map_err(|error| (status::ORPHAN, error.to_string()))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, message)) => {
            // Without a reader there is nobody to tell.
            let _ = writeln!(io::stderr(), "{message}");
            status.into()
        }
    }
}

type Failure = (u8, String);

/// Sets the limits of this process.
fn confine(task: &Task) -> Result<(), Failure> {
    let failed = |error: io::Error| (status::NO_MEMORY, format!("the limits cannot be set: {error}"));
    Resource::CORE.set(0, 0).map_err(failed)?;
    // The softer limit ends the process by a signal of its own, so that the host can tell why; the harder one
    // ends it in any case.
    Resource::CPU.set(task.cpu_s, task.cpu_s.saturating_add(1)).map_err(failed)?;
    Resource::AS.set(task.memory_bytes, task.memory_bytes).map_err(failed)
}

/// The component, and a thread that waits for the host's end.
fn input(length: u64) -> Result<Vec<u8>, Failure> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let watch = move || {
        let mut stdin = io::stdin().lock();
        let mut bytes = Vec::new();
        let read = (&mut stdin).take(length).read_to_end(&mut bytes);
        let complete = read.is_ok() && bytes.len() as u64 == length;
        if complete && sender.send(bytes).is_ok() {
            // Nothing more is sent: this returns when the host closes its end, or is gone.
            let _ = stdin.read(&mut [0]);
        }
        #[expect(clippy::disallowed_methods, reason = "this process has nothing to close, and nobody waits for it")]
        std::process::exit(status::ORPHAN.into());
    };
    std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(watch)
        .map_err(|error| (status::NO_MEMORY, format!("no thread can be started: {error}")))?;
    receiver.recv().map_err(|error| (status::ORPHAN, error.to_string()))
}

fn compile(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let failed = |error: wasmtime::Error| (status::INVALID, format!("{error:#}"));
    let mut config = crate::runtime::codegen_config();
    // One thread for each process, so that the number of processes is the number of processors in use.
    config.parallel_compilation(false);
    let engine = Engine::new(&config).map_err(failed)?;
    match engine.precompile_component(bytes) {
        Err(_) if needs_async(bytes) => Err((status::ASYNC, "asynchronous types".into())),
        outcome => outcome.map_err(failed),
    }
}

/// True when the component is valid only with asynchronous types.
fn needs_async(bytes: &[u8]) -> bool {
    use wasmparser::{Validator, WasmFeatures};
    let all = WasmFeatures::all();
    let valid = |features| Validator::new_with_features(features).validate_all(bytes).is_ok();
    valid(all) && !valid(all.difference(WasmFeatures::CM_ASYNC))
}
