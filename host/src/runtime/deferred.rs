//! The deferred view of a service: start a call, go on, take the answer later.
//!
//! For each function `f` of an interface the view has a resource `f-call` with `start`, `subscribe` and
//! `get`. A call runs at once for as long as it does not wait: most answer without waiting, and then cost
//! no task. One that waits goes on as a task of its own, on a CPU clock that adds to the request's total.
//! It is cancelled when the resource is dropped, so no task outlives the store that started it. How many calls
//! there are and what they hold, arguments and answers, is bounded for the instance.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::task::JoinHandle;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceAny, ResourceType, Val};
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::{Pollable, subscribe};

use super::CallFailure;
use super::forward::{Hop, Target, set_result};
use super::held::{Held, HeldBytes};
use super::signature::{ImportedFunction, ImportedInterface};
use super::state::CallState;
use crate::fault;

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
            fault::point("a deferred drop");
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
    Done(Outcome),
    /// The answer was handed out. It may be large, and is never copied to be kept.
    Taken,
}

/// What came of a call, with what it holds until it is fetched.
struct Outcome {
    answer: Result<Option<Val>, CallFailure>,
    _held: Option<Held>,
}

impl From<CallFailure> for Outcome {
    fn from(failure: CallFailure) -> Self {
        Self { answer: Err(failure), _held: None }
    }
}

/// A task that ends when its owner lets go of it.
struct Task(JoinHandle<Outcome>);

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
                CallFailure::Unavailable { reason: "the call ended without an answer".into() }.into()
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
    fault::point("a deferred start");
    let progress = match refuse_one_more(store.data()) {
        Some(failure) => Progress::Done(failure.into()),
        None => begin(store.data(), target, args),
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
fn begin(state: &CallState, target: Target, args: &[Val]) -> Progress {
    let held_bytes = state.deferred_bytes.clone();
    let Some(held_args) = held_bytes.hold(args) else {
        return Progress::Done(too_much(&held_bytes).into());
    };
    let args = args.to_vec();
    let mut hop = Hop::new(state, target);
    let (deadline, plugin) = (hop.context.deadline, hop.provider());
    let clock = hop.context.cpu.clock().fork();
    hop.context.cpu = hop.context.cpu.on(&clock);
    let mut running = Box::pin(async move {
        let answer = hop.run(&args).await;
        drop((args, held_args));
        keep(answer, &held_bytes)
    });
    // A poll that has lasted a tick is to end, and not to go on with one call after the other.
    let first = match clock.poll_lasts() < state.runtime.limits.epoch_tick() {
        // Nobody is to be woken yet: a call that waits is polled again, as a task, right away.
        true => running.as_mut().poll(&mut Context::from_waker(Waker::noop())),
        false => Poll::Pending,
    };
    match first {
        Poll::Ready(outcome) => Progress::Done(outcome),
        Poll::Pending => {
            let (runtime, of_task, waits) = (state.runtime.clone(), clock.clone(), Instant::now());
            let running = async move {
                // The deadline counts while it waits for a turn, too.
                let in_turn = tokio::time::timeout_at(deadline.into(), runtime.turns.run(&of_task, running));
                in_turn.await.unwrap_or_else(|_| CallFailure::Deadline { plugin, waited: waits.elapsed() }.into())
            };
            Progress::Running(Task(tokio::spawn(clock.run(running))))
        }
    }
}

/// The outcome as it is kept for the plugin: an answer for which there is no room is dropped at once.
fn keep(answer: Result<Option<Val>, CallFailure>, held_bytes: &HeldBytes) -> Outcome {
    match answer {
        Ok(Some(value)) => match held_bytes.hold(std::slice::from_ref(&value)) {
            held @ Some(_) => Outcome { answer: Ok(Some(value)), _held: held },
            None => too_much(held_bytes).into(),
        },
        answer => Outcome { answer, _held: None },
    }
}

fn too_much(held_bytes: &HeldBytes) -> CallFailure {
    let limit = held_bytes.limit();
    let reason = format!(
        "deferred calls may hold {limit} bytes of arguments and answers together (limits.deferred_bytes): fetch \
         answers as they come, or ask for less"
    );
    CallFailure::Unavailable { reason }
}

fn subscribe_to(mut store: StoreContextMut<'_, CallState>, args: &[Val], results: &mut [Val]) -> wasmtime::Result<()> {
    fault::point("a deferred subscribe");
    let call = argument(&mut store, args)?;
    let pollable = subscribe(&mut store.data_mut().table, call)?;
    return_resource(pollable.try_into_resource_any(&mut store)?, results)
}

async fn get(mut store: StoreContextMut<'_, CallState>, args: &[Val], results: &mut [Val]) -> wasmtime::Result<()> {
    let call = argument(&mut store, args)?;
    let call = store.data_mut().table.get_mut(&call)?;
    call.ready().await;
    fault::point("a deferred get");
    let Progress::Done(outcome) = std::mem::replace(&mut call.progress, Progress::Taken) else {
        return Err(wasmtime::Error::msg("the answer of a deferred call can be taken once, and was taken before"));
    };
    set_result(outcome.answer, &call.function, results)
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
