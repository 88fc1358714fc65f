//! Who a call is for and what it may still use. Made once, passed on, never changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::changes::Sources;
use super::clock::CpuAllowance;
use super::links::LinkTable;
use super::tenant::Tenant;
use crate::id::{CorrelationId, PluginId, RoleName, TenantId, UserId, WorkspaceId};
use crate::permission::PermissionSet;

/// [`CallContext::hook`] of the call that asks a plugin how it is.
pub const HEALTH: &str = "health";

/// The part of a context that is the same on every hop of a request.
#[derive(Debug)]
pub struct Identity {
    pub tenant: TenantId,
    pub user: Option<UserId>,
    pub workspace: Option<WorkspaceId>,
    pub roles: Vec<RoleName>,
    /// What the user may do, by these roles.
    pub permissions: PermissionSet,
    pub correlation_id: CorrelationId,
    /// How many events caused each other up to this request; 0 for one from outside.
    pub hops: u8,
}

impl Identity {
    /// Of what the host calls by itself, for a tenant. There is no user, so it may call what asks for no permission.
    pub fn of_the_host(tenant: TenantId, correlation_id: CorrelationId, hops: u8) -> Self {
        let (user, workspace, roles, permissions) = (None, None, Vec::new(), PermissionSet::none());
        Self { tenant, user, workspace, roles, permissions, correlation_id, hops }
    }
}

/// The immutable identity and limits of one call.
#[derive(Clone)]
pub struct CallContext {
    pub identity: Arc<Identity>,
    /// What the host calls by itself, as a lifecycle function or [`HEALTH`]; none for the calls of users and plugins.
    pub hook: Option<&'static str>,
    /// The plugin that makes the call; none when it comes from outside.
    pub caller: Option<PluginId>,
    /// How many plugin calls lie above this one.
    pub depth: u8,
    /// When the call is given up, whatever it does.
    pub deadline: Instant,
    /// What it may still compute, together with everything it calls.
    pub cpu: CpuAllowance,
    /// The providers of this tenant's imports, as they were when the request came in.
    pub links: Arc<LinkTable>,
    /// What is noted while this call or one above it computes an answer to be kept.
    pub sources: Option<Arc<Sources>>,
}

impl CallContext {
    /// The context of a call that `caller` makes while this one runs.
    ///
    /// `reserve_percent` of the time and of the CPU budget that are left stay with the caller, so that it
    /// can still answer when the callee uses all of its own.
    pub fn child(&self, caller: PluginId, reserve_percent: u8) -> Self {
        Self {
            identity: self.identity.clone(),
            hook: None,
            caller: Some(caller),
            depth: self.depth.saturating_add(1),
            deadline: self.deadline_below(reserve_percent),
            cpu: self.cpu.child(reserve_percent),
            links: self.links.clone(),
            sources: self.sources.clone(),
        }
    }

    /// When what this call waits for is given up, `reserve_percent` of the time that is left before its own deadline.
    pub fn deadline_below(&self, reserve_percent: u8) -> Instant {
        self.deadline - share(self.remaining(), reserve_percent)
    }

    /// What the tenant has in use, this call included.
    pub fn tenant(&self) -> &Arc<Tenant> {
        self.cpu.clock().tenant()
    }

    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

fn share(whole: Duration, percent: u8) -> Duration {
    whole * u32::from(percent.min(100)) / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::CpuClock;
    use crate::runtime::tenant::tests::{tenant, tenants};

    #[test]
    fn a_child_leaves_its_caller_time_to_answer() {
        let context = CallContext {
            identity: Arc::new(Identity {
                tenant: TenantId::parse("acme").unwrap(),
                user: None,
                workspace: None,
                roles: Vec::new(),
                permissions: PermissionSet::none(),
                correlation_id: CorrelationId::new(),
                hops: 0,
            }),
            hook: None,
            caller: None,
            depth: 0,
            deadline: Instant::now() + Duration::from_secs(10),
            cpu: CpuClock::start(tenant(&tenants(), "acme")).allowance(Duration::from_millis(50), Duration::ZERO),
            links: Arc::new(LinkTable::default()),
            sources: None,
        };
        let child = context.child(PluginId::parse("crm").unwrap(), 10);
        assert_eq!(child.depth, 1);
        let kept = context.deadline - child.deadline;
        assert!(kept > Duration::from_millis(900) && kept <= Duration::from_secs(1), "{kept:?}");
    }
}
