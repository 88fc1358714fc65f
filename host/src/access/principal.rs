//! Who is behind a credential, before it is known which tenant a request concerns.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{RoleName, TenantId, UserId};
use crate::permission::PermissionSet;

/// A person or machine that has shown who it is.
#[derive(Debug, Clone)]
pub struct Principal {
    /// For the audit log: `local`, `dev`, or the kind of credential with its name.
    pub name: String,
    pub user: Option<UserId>,
    pub roles: Vec<RoleName>,
    /// What it may do, by these roles.
    pub permissions: PermissionSet,
    pub reach: Reach,
    /// What it is in one tenant, where that differs from tenant to tenant; then it is nothing elsewhere.
    pub within: Option<Arc<BTreeMap<TenantId, Within>>>,
}

/// What somebody is in one tenant.
#[derive(Debug, Clone)]
pub struct Within {
    pub roles: Vec<RoleName>,
    pub permissions: PermissionSet,
}

/// The tenants that a principal may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every tenant there is: an operator.
    Every,
    /// Every tenant, also one that nobody has seen yet, and `demo` without naming any: dev mode.
    Dev,
    /// These alone.
    Only(Vec<TenantId>),
}

impl Principal {
    /// The same with what it is in this tenant.
    pub fn as_in(mut self, tenant: &TenantId) -> Self {
        if let Some(within) = self.within.take() {
            let there = within.get(tenant);
            self.roles = there.map(|there| there.roles.clone()).unwrap_or_default();
            self.permissions = there.map_or_else(PermissionSet::none, |there| there.permissions.clone());
        }
        self
    }
}
