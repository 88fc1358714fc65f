//! Calling a plugin's own lifecycle functions.

use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use crate::id::{CorrelationId, TenantId};
use crate::registry::Plugin;
use crate::runtime::{Cause, LinkTable, Runtime, Unasked, refused};

/// Calls a function of the plugin's, if it exports it: for a tenant, or for nobody.
pub(super) async fn call(
    runtime: &Arc<Runtime>,
    plugin: &Plugin,
    hook: &'static str,
    tenant: &TenantId,
    links: &Arc<LinkTable>,
    deadline: Duration,
) -> Result<(), Failure> {
    let Some(function) = plugin.hook(hook) else { return Ok(()) };
    let correlation_id = CorrelationId::new();
    let call = Unasked {
        tenant: tenant.clone(),
        correlation_id: correlation_id.clone(),
        hops: 0,
        hook,
        links: links.clone(),
        deadline,
        cpu: runtime.limits().cpu_budget(),
    };
    let failure = match runtime.call_unasked(&plugin.prepared, function, call, &[]).await {
        Ok(value) => match refused(value) {
            None => return Ok(()),
            Some(text) => Failure::new(hook, Cause::Plugin, text),
        },
        Err(failure) => Failure::of_call(hook, &failure),
    };
    Err(Failure { correlation_id: Some(correlation_id), ..failure })
}
