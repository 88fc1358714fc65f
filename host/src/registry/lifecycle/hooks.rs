//! Calling a plugin's own lifecycle functions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::Val;

use super::Failure;
use crate::id::{CorrelationId, TenantId};
use crate::permission::PermissionSet;
use crate::registry::Plugin;
use crate::runtime::{CallContext, Cause, CpuClock, Identity, LinkTable, Runtime};

/// Calls a function of the plugin's, if it exports it: for a tenant, or for nobody. There is no user, so it may call
/// what asks for no permission.
pub(super) async fn call(
    runtime: &Arc<Runtime>,
    plugin: &Plugin,
    hook: &'static str,
    tenant: &TenantId,
    links: &Arc<LinkTable>,
    deadline: Duration,
) -> Result<(), Failure> {
    let Some(function) = plugin.hook(hook) else { return Ok(()) };
    let limits = runtime.limits();
    let correlation_id = CorrelationId::new();
    let identity = Identity {
        tenant: tenant.clone(),
        user: None,
        workspace: None,
        roles: Vec::new(),
        permissions: PermissionSet::none(),
        correlation_id: correlation_id.clone(),
        hops: 0,
    };
    let clock = CpuClock::start(runtime.tenant(tenant));
    let context = CallContext {
        identity: Arc::new(identity),
        hook: Some(hook),
        caller: None,
        depth: 0,
        deadline: Instant::now() + deadline,
        cpu: clock.allowance(limits.cpu_budget(), limits.sql_cpu()),
        links: links.clone(),
        sources: None,
    };
    let answer = clock.run(runtime.call(&plugin.prepared, function, context, &[])).await;
    let failure = match answer {
        Ok(value) => match refused(value) {
            None => return Ok(()),
            Some(text) => Failure::new(hook, Cause::Plugin, text),
        },
        Err(failure) => Failure::of_call(hook, &failure),
    };
    Err(Failure { correlation_id: Some(correlation_id), ..failure })
}

/// The text of an error, if the function answered with one.
fn refused(value: Option<Val>) -> Option<String> {
    match value {
        Some(Val::Result(Err(Some(text)))) => match *text {
            Val::String(text) => Some(text),
            _ => Some("it answered with an error that is no text".to_owned()),
        },
        Some(Val::Result(Err(None))) => Some("it answered with an error".to_owned()),
        _ => None,
    }
}
