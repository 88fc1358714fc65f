//! One typed call: a slot, a store, an instance, the function, its value.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use wasmtime::component::{Instance, Val};
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::changes::NoteOnDrop;
use super::context::{CallContext, HEALTH};
use super::failure::Given;
use super::prepared::PreparedPlugin;
use super::signature::ExportedFunction;
use super::slots::Refused;
use super::state::{CallState, speaker};
use super::{CallFailure, CpuClock, Runtime};
use crate::log::said::{Line, Source};
use crate::usage::Quota;

/// How often a full pool is asked for an instance, and the time between.
const POOL_ATTEMPTS: u32 = 100;
const POOL_POLL: Duration = Duration::from_millis(1);

impl Runtime {
    /// Calls an exported function in a fresh instance and returns its value, if it has one.
    ///
    /// The deadline of the context bounds everything, waiting for a slot included. When it passes, the
    /// store is dropped with whatever it was doing. To be run on the context's CPU clock
    /// ([`super::CpuClock::run`]).
    ///
    /// # Errors
    ///
    /// [`CallFailure`] when the call gave no value; the plugin's own typed errors are values.
    pub async fn call(
        self: &Arc<Self>,
        plugin: &Arc<PreparedPlugin>,
        function: &ExportedFunction,
        context: CallContext,
        args: &[Val],
    ) -> Result<Option<Val>, CallFailure> {
        self.within_limits(plugin, context, async |context| {
            let (mut store, instance) = self.instance(plugin, context).await?;
            let mut results = [Val::Bool(false)];
            let results = &mut results[..usize::from(function.shape.result.is_some())];
            let outcome = async {
                let callee = instance
                    .get_func(&mut store, function.index)
                    .ok_or_else(|| wasmtime::Error::msg("the exported function is gone"))?;
                callee.call_async(&mut store, args, results).await
            };
            match outcome.await {
                Ok(()) => Ok(results.first_mut().map(|value| std::mem::replace(value, Val::Bool(false)))),
                Err(error) => Err(store.data().failure(error)),
            }
        })
        .await
    }

    /// Makes an instance as a call does, and drops it: whether the plugin starts within its limits.
    ///
    /// # Errors
    ///
    /// [`CallFailure`] when it does not.
    pub async fn try_instance(
        self: &Arc<Self>,
        plugin: &Arc<PreparedPlugin>,
        context: CallContext,
    ) -> Result<(), CallFailure> {
        self.within_limits(plugin, context, async |context| self.instance(plugin, context).await.map(drop)).await
    }

    /// A store of the call's own with the plugin's instance in it.
    ///
    /// The slot that the call holds says that the pool has a place. It may still be on its way back from
    /// another thread, which takes microseconds: so a full pool is asked again.
    pub(super) async fn instance(
        self: &Arc<Self>,
        plugin: &Arc<PreparedPlugin>,
        mut context: CallContext,
    ) -> Result<(Store<CallState>, Instance), CallFailure> {
        for _ in 0..POOL_ATTEMPTS {
            let mut store = CallState::store(self, plugin, context);
            match plugin.pre().instantiate_async(&mut store).await {
                Ok(instance) => return Ok((store, instance)),
                Err(error) if error.is::<PoolConcurrencyLimitError>() => context = store.data().context.clone(),
                Err(error) => return Err(store.data().failure(error)),
            }
            drop(store);
            tokio::time::sleep(POOL_POLL).await;
        }
        Err(CallFailure::Busy { plugin: plugin.key().id.to_string() })
    }

    /// Does work that belongs to a request in a turn of its tenant, as a call does. To be run on the clock.
    pub async fn in_turn<F: Future>(&self, clock: &CpuClock, work: F) -> F::Output {
        self.turns.run(clock, work).await
    }

    /// What holds for every kind of call: depth, a slot, turns, the deadline, and that a panic ends only the call.
    pub(super) async fn within_limits<T>(
        self: &Arc<Self>,
        plugin: &Arc<PreparedPlugin>,
        context: CallContext,
        call: impl AsyncFnOnce(CallContext) -> Result<T, CallFailure>,
    ) -> Result<T, CallFailure> {
        let name = || plugin.key().id.to_string();
        let (depth, deadline, begun) = (context.depth, context.deadline, Instant::now());
        let (identity, caller) = (context.identity.clone(), context.caller.clone());
        let tenant = context.tenant().clone();
        let (hook, given) = (context.hook, Given::to(&context, &self.limits));
        // What it does by itself may change anything. Asking how the plugin is changes nothing.
        let _noted = hook.filter(|hook| *hook != HEALTH).map(|_| NoteOnDrop::new(&tenant, &plugin.key().id));
        let meter = self.usage.meter(&identity.tenant, &plugin.key().id);
        let guarded = async {
            let clock = context.cpu.clock().clone();
            clock.counts_for(&meter);
            // What the host calls by itself costs no calls: it was brought about by something that did.
            let taken = if hook.is_some() { Ok(()) } else { meter.take(Quota::Calls, 1) };
            let left = taken.and_then(|()| meter.check(Quota::CpuTime));
            left.map_err(|exceeded| CallFailure::Quota { plugin: name(), exceeded })?;
            let _slot = self.slots.acquire(depth, &tenant).await.map_err(|refused| match refused {
                Refused::Depth => CallFailure::Depth { plugin: name(), depth, limit: self.limits.depth_max },
                Refused::TenantBusy { limit } => CallFailure::TenantBusy { tenant: identity.tenant.to_string(), limit },
            })?;
            // A nested call runs within the polls of its caller, or as a task that takes turns of its own.
            if depth == 0 { self.turns.run(&clock, call(context)).await } else { call(context).await }
        };
        let guarded = AssertUnwindSafe(guarded).catch_unwind();
        let outcome = match tokio::time::timeout_at(deadline.into(), guarded).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => Err(CallFailure::Host { plugin: name() }),
            Err(_elapsed) => Err(CallFailure::Deadline { plugin: name(), waited: begun.elapsed() }),
        };
        // What the host calls by itself is counted and told by whoever calls it.
        if hook.is_none() {
            let failure = outcome.as_ref().err();
            self.reports.call(plugin.key(), &identity, failure);
            let fault = failure.filter(|failure| failure.is_fault_of_provider(given));
            // What says nothing of the plugin leaves it as it was.
            if failure.is_none() || fault.is_some() {
                let fault = fault.map(|fault| fault as &dyn ToString);
                tenant.troubles.plugin(&plugin.key().id, fault, &self.breaker);
            }
        }
        // A caller may turn the failure into a value, so this is where it is told.
        outcome.inspect_err(|failure| {
            // Those who send more than can be answered must not fill the log as well.
            if matches!(failure, CallFailure::TenantBusy { .. }) && !tenant.is_first_refusal() {
                return;
            }
            if !self.log.admits(&identity.tenant, failure.written_bytes()) {
                return;
            }
            let (reason, backtrace) = (failure.to_string(), failure.backtrace());
            tracing::warn!(
                plugin = %plugin.key(),
                caller = caller.as_ref().map(tracing::field::display),
                tenant = %identity.tenant,
                correlation = %identity.correlation_id,
                reason,
                backtrace,
                "a call of a plugin failed"
            );
            let text = format!("a call failed: {failure}");
            let line = Line { source: Source::Host, context: None, text: &text };
            self.log.keep(&speaker(plugin.key(), &identity), line);
        })
    }
}
