//! Whether a plugin starts, tried before it takes the place of one that works.
//!
//! The trial is an instance as a call would have it, with the limits of a call, for a tenant of its own that nobody is:
//! what a plugin does while it starts reaches no data of anybody's. What is found stays with the plugin, unless the
//! host was too busy to tell; so a file that spins as it starts costs one budget of processor time, not one a change.

use std::sync::Arc;

use super::plugin::Plugin;
use super::snapshot::TenantView;
use crate::id::{CorrelationId, TenantId};
use crate::runtime::{Runtime, Unasked};

/// The tenant of trials.
pub(super) const TRIAL_TENANT: &str = "tenon-trial";

/// Why a plugin does not start.
pub(super) struct Failed {
    pub failure: String,
    /// It says more of the host than of the plugin, and is to be tried again.
    pub passing: bool,
}

/// Tries it, unless it was tried before.
pub(super) async fn try_start(runtime: &Arc<Runtime>, plugin: &Plugin, view: &TenantView) -> Result<(), Failed> {
    if let Some(known) = plugin.started.get() {
        return known.clone().map_err(|failure| Failed { failure, passing: false });
    }
    let Ok(tenant) = TenantId::parse(TRIAL_TENANT) else { return Ok(()) };
    let limits = runtime.limits();
    let context = runtime.unasked(Unasked {
        tenant,
        correlation_id: CorrelationId::new(),
        hops: 0,
        hook: "start",
        links: view.links().clone(),
        deadline: limits.wall_deadline(),
        cpu: limits.cpu_budget(),
    });
    let clock = context.cpu.clock().clone();
    let tried = clock.run(runtime.try_instance(&plugin.prepared, context)).await;
    let result =
        tried.map_err(|failure| Failed { passing: failure.cause().is_passing(), failure: failure.to_string() });
    if !result.as_ref().is_err_and(|failed| failed.passing) {
        let kept = result.as_ref().map(|&()| ()).map_err(|failed| failed.failure.clone());
        // Whoever was first has found the same.
        let _ = plugin.started.set(kept);
    }
    result
}
