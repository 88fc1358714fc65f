//! A plugin's import of a service, answered by another plugin.
//!
//! The forwarder knows only which import and which function it stands for. Who answers is read from the
//! context of the call that is running, so one linker serves every tenant.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Val};

use super::context::CallContext;
use super::links::Link;
use super::prepared::PreparedPlugin;
use super::signature::{ImportedFunction, ImportedInterface};
use super::state::CallState;
use super::{CallFailure, Runtime};

/// Defines a forwarder for each function of the import's plain view.
pub(super) fn add_to_linker(
    linker: &mut Linker<CallState>,
    import_index: usize,
    import: &ImportedInterface,
) -> wasmtime::Result<()> {
    let Some(name) = &import.plain_name else { return Ok(()) };
    let mut instance = linker.instance(name)?;
    for (function_index, function) in import.functions.iter().enumerate() {
        let function = function.clone();
        instance.func_new_async(&function.clone().name, move |store, _type, args, results| {
            let target = Target { import: import_index, function: function_index };
            let function = function.clone();
            Box::new(forward(store, target, function, args, results))
        })?;
    }
    Ok(())
}

/// Which function of which import.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) import: usize,
    pub(super) function: usize,
}

async fn forward(
    store: StoreContextMut<'_, CallState>,
    target: Target,
    function: Arc<ImportedFunction>,
    args: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let state = store.data();
    let call = Hop::new(state, target);
    let outcome = call.run(args).await;
    set_result(outcome, &function, results)
}

/// Everything a call to a provider needs, taken from the store of the caller.
pub(super) struct Hop {
    runtime: Arc<Runtime>,
    caller: Arc<PreparedPlugin>,
    pub(super) context: CallContext,
    target: Target,
}

impl Hop {
    pub(super) fn new(state: &CallState, target: Target) -> Self {
        let reserve = state.runtime.limits.hop_reserve_percent;
        Self {
            runtime: state.runtime.clone(),
            caller: state.plugin.clone(),
            context: state.context.child(state.plugin.key().id.clone(), reserve),
            target,
        }
    }

    pub(super) async fn run(self, args: &[Val]) -> Result<Option<Val>, CallFailure> {
        let links = self.context.links.clone();
        match links.get(&self.caller, self.target.import) {
            Some(Link::Provider(provider)) => {
                let Some(function) = provider.functions.get(self.target.function) else {
                    return Err(unlinked(&self.caller));
                };
                self.runtime.call(&provider.plugin, function, self.context, args).await
            }
            Some(Link::Missing(reason)) => Err(CallFailure::Unavailable { reason: reason.clone() }),
            None => Err(unlinked(&self.caller)),
        }
    }
}

fn unlinked(caller: &PreparedPlugin) -> CallFailure {
    CallFailure::Unavailable { reason: format!("no provider is linked for this import of {}", caller.key()) }
}

/// Puts the provider's value into the caller's result; a failure too, if its type has a case for it.
pub(super) fn set_result(
    outcome: Result<Option<Val>, CallFailure>,
    function: &ImportedFunction,
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let value = match outcome {
        Ok(value) => value,
        Err(failure) => match failure.as_value(&function.shape) {
            Some(value) => Some(value),
            None => return Err(wasmtime::Error::from(failure)),
        },
    };
    if let (Some(slot), Some(value)) = (results.first_mut(), value) {
        *slot = value;
    }
    Ok(())
}
