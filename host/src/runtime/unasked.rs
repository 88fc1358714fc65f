//! Calls that nobody asked for: what the host calls plugins for by itself.
//!
//! There is no user, so such a call may call what asks for no permission. Its tenant, links and limits are said by whoever
//! makes it, and everything else is the same for all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::Val;

use super::context::{CallContext, Identity};
use super::links::LinkTable;
use super::prepared::PreparedPlugin;
use super::signature::ExportedFunction;
use super::{CallFailure, CpuClock, Runtime};
use crate::id::{CorrelationId, TenantId};

/// One of them, before it is made.
pub struct Unasked {
    /// [`TenantId::nobody`] for what concerns none.
    pub tenant: TenantId,
    pub correlation_id: CorrelationId,
    /// How many events caused each other up to it.
    pub hops: u8,
    /// What it is called for, as `on-activate`.
    pub hook: &'static str,
    pub links: Arc<LinkTable>,
    /// Time for it, waiting included.
    pub deadline: Duration,
    /// CPU time for it, with everything that is called for it.
    pub cpu: Duration,
}

impl Runtime {
    /// The context of such a call, with all its limits, from now on.
    pub fn unasked(&self, call: Unasked) -> CallContext {
        let Unasked { tenant, correlation_id, hops, hook, links, deadline, cpu } = call;
        let clock = CpuClock::start(self.tenant(&tenant));
        CallContext {
            identity: Arc::new(Identity::of_the_host(tenant, correlation_id, hops)),
            hook: Some(hook),
            caller: None,
            depth: 0,
            deadline: Instant::now() + deadline,
            cpu: clock.allowance(cpu, self.limits().sql_cpu()),
            links,
            sources: None,
        }
    }

    /// Makes such a call, on a clock of its own.
    ///
    /// # Errors
    ///
    /// [`CallFailure`] when the call gave no value; the plugin's own typed errors are values.
    pub async fn call_unasked(
        self: &Arc<Self>,
        plugin: &Arc<PreparedPlugin>,
        function: &ExportedFunction,
        call: Unasked,
        args: &[Val],
    ) -> Result<Option<Val>, CallFailure> {
        let context = self.unasked(call);
        let clock = context.cpu.clock().clone();
        clock.run(self.call(plugin, function, context, args)).await
    }
}

/// The text of an error, if a function of type `result<_, string>` answered with one.
pub fn refused(value: Option<Val>) -> Option<String> {
    match value {
        Some(Val::Result(Err(Some(text)))) => match *text {
            Val::String(text) => Some(text),
            _ => Some("it answered with an error that is no text".to_owned()),
        },
        Some(Val::Result(Err(None))) => Some("it answered with an error".to_owned()),
        _ => None,
    }
}
