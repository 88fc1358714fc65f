//! The deferred view of a service: start a call, go on, take the answer later.
//!
//! For each function `f` of an interface the view has a resource `f-call` with `start`, `subscribe` and
//! `get`. A call runs at once for as long as it does not wait: most answer without waiting, and then cost
//! no task. One that waits goes on as a task of its own, on a CPU clock that adds to the request's total.
//! It is cancelled when the resource is dropped, so no task outlives the store that started it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::task::JoinHandle;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceAny, ResourceType, Val};
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::{Pollable, subscribe};

use super::CallFailure;
use super::forward::{Hop, Target, set_result};
use super::signature::{ImportedFunction, ImportedInterface};
use super::state::CallState;

/// Defines the resources of the import's deferred view.
pub(super) fn add_to_linker(
    linker: &mut Linker<CallState>,
    import_index: usize,
    import: &ImportedInterface,
) -> wasmtime::Result<()> {
    let Some(name) = &import.deferred_name else { return Ok(()) };
    let mut instance = linker.instance(name)?;
    for (function_index, function) in import.functions.iter().enumerate() {
        let target = Target { import: import_index, function: function_index };
        let resource = format!("{}-call", function.name);
        instance.resource(&resource, ResourceType::host::<DeferredCall>(), |mut store, rep| {
            let state = store.data_mut();
            state.table.delete(Resource::<DeferredCall>::new_own(rep))?;
            state.deferred_calls = state.deferred_calls.saturating_sub(1);
            Ok(())
        })?;
        let started = function.clone();
        instance.func_new(&format!("[static]{resource}.start"), move |store, _type, args, results| {
            start(store, target, started.clone(), args, results)
        })?;
        instance.func_new(&format!("[method]{resource}.subscribe"), |store, _type, args, results| {
            subscribe_to(store, args, results)
        })?;
        instance.func_new_async(&format!("[method]{resource}.get"), |store, _type, args, results| {
            Box::new(get(store, args, results))
        })?;
    }
    Ok(())
}

/// A call under way, or its outcome.
struct DeferredCall {
    function: Arc<ImportedFunction>,
    progress: Progress,
}

enum Progress {
    Running(Task),
    Done(Result<Option<Val>, CallFailure>),
    /// The answer was handed out. It may be large, and is never copied to be kept.
    Taken,
}

/// A task that ends when its owner lets go of it.
struct Task(JoinHandle<Result<Option<Val>, CallFailure>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl Pollable for DeferredCall {
    async fn ready(&mut self) {
        if let Progress::Running(task) = &mut self.progress {
            let outcome = (&mut task.0).await.unwrap_or_else(|_| {
                Err(CallFailure::Unavailable { reason: "the call ended without an answer".into() })
            });
            self.progress = Progress::Done(outcome);
        }
    }
}

fn start(
    mut store: StoreContextMut<'_, CallState>,
    target: Target,
    function: Arc<ImportedFunction>,
    args: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let progress = match refuse_one_more(store.data()) {
        Some(failure) => Progress::Done(Err(failure)),
        None => begin(store.data(), target, args.to_vec()),
    };
    let state = store.data_mut();
    state.deferred_calls += 1;
    let call = state.table.push(DeferredCall { function, progress })?;
    return_resource(call.try_into_resource_any(&mut store)?, results)
}

/// The failure of a call that would be one too many: a value for the caller, as every provider's failure is.
fn refuse_one_more(state: &CallState) -> Option<CallFailure> {
    let limit = state.runtime.limits.deferred_calls;
    (state.deferred_calls >= limit).then(|| CallFailure::Unavailable {
        reason: format!("at most {limit} deferred calls at a time are allowed (limits.deferred_calls): drop one first"),
    })
}

/// Runs the call until it waits, and as a task from there on.
fn begin(state: &CallState, target: Target, args: Vec<Val>) -> Progress {
    let mut hop = Hop::new(state, target);
    let clock = hop.context.cpu.clock().fork();
    hop.context.cpu = hop.context.cpu.on(&clock);
    let mut running = Box::pin(async move { hop.run(&args).await });
    // Nobody is to be woken yet: a call that waits is polled again, as a task, right away.
    match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Progress::Done(outcome),
        Poll::Pending => Progress::Running(Task(tokio::spawn(clock.run(running)))),
    }
}

fn subscribe_to(mut store: StoreContextMut<'_, CallState>, args: &[Val], results: &mut [Val]) -> wasmtime::Result<()> {
    let call = argument(&mut store, args)?;
    let pollable = subscribe(&mut store.data_mut().table, call)?;
    return_resource(pollable.try_into_resource_any(&mut store)?, results)
}

async fn get(mut store: StoreContextMut<'_, CallState>, args: &[Val], results: &mut [Val]) -> wasmtime::Result<()> {
    let call = argument(&mut store, args)?;
    let call = store.data_mut().table.get_mut(&call)?;
    call.ready().await;
    let Progress::Done(outcome) = std::mem::replace(&mut call.progress, Progress::Taken) else {
        return Err(wasmtime::Error::msg("the answer of a deferred call can be taken once, and was taken before"));
    };
    set_result(outcome, &call.function, results)
}

fn argument(store: &mut StoreContextMut<'_, CallState>, args: &[Val]) -> wasmtime::Result<Resource<DeferredCall>> {
    let Some(Val::Resource(handle)) = args.first() else {
        return Err(wasmtime::Error::msg("a deferred call's method was called without its resource"));
    };
    Resource::try_from_resource_any(*handle, store)
}

fn return_resource(handle: ResourceAny, results: &mut [Val]) -> wasmtime::Result<()> {
    if let Some(slot) = results.first_mut() {
        *slot = Val::Resource(handle);
    }
    Ok(())
}
