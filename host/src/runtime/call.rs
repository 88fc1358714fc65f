//! One typed call: a slot, a store, an instance, the function, its value.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use wasmtime::component::{Instance, Val};
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::context::CallContext;
use super::prepared::PreparedPlugin;
use super::signature::ExportedFunction;
use super::state::CallState;
use super::{CallFailure, Runtime};

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

    /// What holds for every kind of call: depth, a slot, the deadline, and that a panic ends only the call.
    pub(super) async fn within_limits<T>(
        self: &Arc<Self>,
        plugin: &Arc<PreparedPlugin>,
        context: CallContext,
        call: impl AsyncFnOnce(CallContext) -> Result<T, CallFailure>,
    ) -> Result<T, CallFailure> {
        let name = || plugin.key().id.to_string();
        let (depth, deadline, begun) = (context.depth, context.deadline, Instant::now());
        let (identity, caller) = (context.identity.clone(), context.caller.clone());
        let guarded = async {
            let Some(_slot) = self.slots.acquire(depth).await else {
                return Err(CallFailure::Depth { plugin: name(), depth, limit: self.limits.depth_max });
            };
            call(context).await
        };
        let guarded = AssertUnwindSafe(guarded).catch_unwind();
        let outcome = match tokio::time::timeout_at(deadline.into(), guarded).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => Err(CallFailure::Host { plugin: name() }),
            Err(_elapsed) => Err(CallFailure::Deadline { plugin: name(), waited: begun.elapsed() }),
        };
        // A caller may turn the failure into a value, so this is where it is told.
        outcome.inspect_err(|failure| {
            tracing::warn!(
                plugin = %plugin.key(),
                caller = caller.as_ref().map(tracing::field::display),
                tenant = %identity.tenant,
                correlation = %identity.correlation_id,
                backtrace = failure.backtrace(),
                "{failure}"
            );
        })
    }
}
