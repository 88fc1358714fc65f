//! A plugin's import of a service, answered by another plugin.
//!
//! The forwarder knows only which import and which function it stands for. Who answers is read from the
//! context of the call that is running, so one linker serves every tenant.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Val};

use super::changes::Source;
use super::context::CallContext;
use super::failure::Given;
use super::links::{Link, LinkedFunction, Provider};
use super::prepared::PreparedPlugin;
use super::signature::{ImportedFunction, ImportedInterface};
use super::state::CallState;
use super::troubles::{Attempt, LinkKey, Refusal, Troubles};
use super::{Answered, CallFailure, Missing, Runtime, Tenant, Want};
use crate::fault;

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
    fault::point("a forwarder");
    let state = store.data();
    let call = Hop::new(state, target);
    let outcome = call.run(args).await;
    fault::point("a forwarder, when its provider has answered");
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

    /// The plugin that answers, for those who are told that it did not.
    pub(super) fn provider(&self) -> String {
        match self.context.links.get(&self.caller, self.target.import) {
            Some(Link::Provider(provider)) => provider.plugin.key().id.to_string(),
            _ => self.caller.key().id.to_string(),
        }
    }

    pub(super) async fn run(self, args: &[Val]) -> Result<Option<Val>, CallFailure> {
        let links = self.context.links.clone();
        match links.get(&self.caller, self.target.import) {
            Some(Link::Provider(provider)) => {
                let Some(linked) = provider.functions.get(self.target.function) else {
                    return Err(unlinked(&self.caller));
                };
                let user = &self.context.identity.permissions;
                linked.access.check(user).map_err(|missing| self.denied(&provider.plugin, linked, missing))?;
                let sources = self.context.sources.clone();
                let outcome = self.ask(provider, linked, args).await;
                if let (Some(sources), Err(_)) = (sources, &outcome) {
                    sources.lack();
                }
                outcome
            }
            Some(Link::Missing(reason)) => Err(CallFailure::Unavailable { reason: reason.clone() }),
            None => Err(unlinked(&self.caller)),
        }
    }

    /// Calls the provider as the rules of its function, the link's breaker and what is left of the request allow.
    async fn ask(self, provider: &Provider, linked: &LinkedFunction, args: &[Val]) -> Result<Option<Val>, CallFailure> {
        let (runtime, plugin, function) = (&self.runtime, &provider.plugin, &linked.function);
        let tenant = self.context.tenant().clone();
        self.affords(plugin)?;
        if let Some(rule) = &function.rules.rate {
            runtime.admit(rule, tenant.id())?;
        }
        // What is kept is given also while its plugin is left alone.
        if let Some(kept) = runtime.kept_answer(plugin, function, &self.context, args) {
            return Ok(kept.into_value());
        }
        let key = LinkKey { caller: self.caller.serial(), import: self.target.import, provider: plugin.serial() };
        let attempt = Troubles::attempt(&tenant, key).map_err(|refusal| resting(plugin, &refusal))?;
        if let Some(sources) = &self.context.sources {
            sources.ask(&tenant.changes, &Source::Plugin(plugin.key().id.clone()));
        }
        let given = Given::to(&self.context, &runtime.limits);
        let answered = runtime.answer(plugin, function, self.context, args, Want::Any).await;
        let link = Ends { runtime, caller: &self.caller, import: self.target.import, provider: plugin };
        match &answered {
            Ok(_) => link.answered(attempt, &tenant),
            Err(failure) if failure.is_fault_of_provider(given) => link.failed(attempt, &tenant, failure),
            // It says nothing of the provider.
            Err(_) => drop(attempt),
        }
        answered.map(Answered::into_value)
    }

    /// Whether enough of the request's CPU budget is left for the provider, and for the caller after it.
    fn affords(&self, provider: &PreparedPlugin) -> Result<(), CallFailure> {
        let limits = &self.runtime.limits;
        let percent = limits.hop_cpu_min_percent;
        if self.context.cpu.left() >= limits.cpu_budget() * u32::from(percent) / 100 {
            return Ok(());
        }
        let reason = format!(
            "too little of the request's CPU budget is left to call plugin {}: less than {percent} % (limits.\
             hop_cpu_min_percent)",
            provider.key().id
        );
        Err(CallFailure::Unavailable { reason })
    }

    /// The caller gets the reason as a value. It can ask again as often as it likes, so the log is told only on request.
    fn denied(&self, provider: &PreparedPlugin, linked: &LinkedFunction, missing: Missing<'_>) -> CallFailure {
        let (caller, callee, function) = (self.caller.key(), provider.key(), &linked.function.name);
        let reason = format!("plugin {} may not call `{function}` of {}: {missing}", caller.id, callee.id);
        let identity = &self.context.identity;
        tracing::debug!(
            plugin = %callee,
            %caller,
            tenant = %identity.tenant,
            correlation = %identity.correlation_id,
            "{reason}"
        );
        CallFailure::Denied { reason }
    }
}

/// The two ends of a link, told how a call over it went.
struct Ends<'a> {
    runtime: &'a Runtime,
    caller: &'a PreparedPlugin,
    import: usize,
    provider: &'a PreparedPlugin,
}

/// What a line about a breaker takes in the log.
const REST_BYTES: usize = 256;

impl Ends<'_> {
    fn answered(&self, attempt: Attempt, tenant: &Tenant) {
        let (plugin, caller, tenant) = (self.provider.key(), self.caller.key(), tenant.id());
        if attempt.succeeded() && self.runtime.log.admits(tenant, REST_BYTES) {
            tracing::info!(%plugin, %caller, %tenant, "called again");
        }
    }

    fn failed(&self, attempt: Attempt, tenant: &Tenant, failure: &CallFailure) {
        let Some(interface) = self.caller.imports().get(self.import).map(|import| &import.name) else { return };
        let opened = attempt.failed((self.caller, self.provider, interface), failure, &self.runtime.breaker);
        let (plugin, caller, tenant) = (self.provider.key(), self.caller.key(), tenant.id());
        if opened && self.runtime.log.admits(tenant, REST_BYTES) {
            let open_ms = self.runtime.breaker.open_ms;
            tracing::warn!(%plugin, %caller, %tenant, %interface, open_ms, "not called for a while");
        }
    }
}

/// The provider is not called for a while.
fn resting(provider: &PreparedPlugin, refusal: &Refusal) -> CallFailure {
    let Refusal { failures, reason, wait } = refusal;
    let until = match wait {
        Some(wait) => format!("for another {} ms", wait.as_millis().max(1)),
        None => "until a call on trial is over".to_owned(),
    };
    let id = &provider.key().id;
    let reason = format!("plugin {id} is not called {until}: it failed {failures} times in a row, at last: {reason}");
    CallFailure::Unavailable { reason }
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
