//! What each role may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::config::section::Field;
use crate::id::RoleName;
use crate::permission::{PermissionPattern, PermissionSet};

/// The roles there are without a word in the file: name, meaning, patterns.
const DEFAULTS: [(Field, &[&str]); 4] = [
    (Field { name: "operator", docs: &[" Everything, for every tenant. Nobody is one within a tenant."] }, &["*"]),
    (
        Field { name: "owner", docs: &[" Everything within the own tenant."] },
        &["plugin.*", "plugins:*", "keys:*", "audit:*", "tenants:*", "integrations:*", "events:*"],
    ),
    (
        Field { name: "admin", docs: &[" Everything plugins offer, and to switch and set them for the own tenant."] },
        &["plugin.*", "plugins:*", "audit:read", "events:read", "events:manage"],
    ),
    (Field { name: "member", docs: &[" To read, in every plugin."] }, &["plugin.*.*.read", "plugins:read"]),
];

/// What each role may do. A role of the file replaces the default of its name and leaves the others; a role of neither
/// may do nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RolesConfig(BTreeMap<RoleName, PermissionSet>);

impl RolesConfig {
    pub(in crate::config) const FIELDS: &'static [Field] = &{
        let [(operator, _), (owner, _), (admin, _), (member, _)] = DEFAULTS;
        [operator, owner, admin, member]
    };

    /// Whether there is a role of this name.
    pub fn contains(&self, role: &RoleName) -> bool {
        self.0.contains_key(role)
    }

    /// What somebody with these roles may do: all that one of them may.
    pub fn permissions(&self, roles: &[RoleName]) -> PermissionSet {
        let known = roles.iter().filter_map(|role| self.0.get(role));
        known.fold(PermissionSet::none(), |all, one| all.or(one))
    }
}

impl Default for RolesConfig {
    fn default() -> Self {
        let roles = DEFAULTS.into_iter().filter_map(|(field, patterns)| {
            let patterns = patterns.iter().filter_map(|pattern| PermissionPattern::parse(pattern).ok());
            Some((RoleName::parse(field.name).ok()?, patterns.collect()))
        });
        Self(roles.collect())
    }
}

impl<'de> Deserialize<'de> for RolesConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut roles = Self::default();
        roles.0.extend(BTreeMap::deserialize(deserializer)?);
        Ok(roles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::PermissionName;

    fn may(roles: &RolesConfig, of: &[&str], permission: &str) -> bool {
        let of: Vec<RoleName> = of.iter().map(|role| RoleName::parse(role).unwrap()).collect();
        roles.permissions(&of).covers(&PermissionName::parse(permission).unwrap())
    }

    #[test]
    fn the_default_roles_are_all_there() {
        let roles = RolesConfig::default();
        let (read, update) = ("plugin.crm.deals.read", "plugin.crm.deals.update");
        for (of, reads, updates) in [
            (&["owner"][..], true, true),
            (&["admin"], true, true),
            (&["member"], true, false),
            (&["stranger"], false, false),
            (&["stranger", "member"], true, false),
            (&["member", "admin"], true, true),
            (&[], false, false),
        ] {
            assert_eq!((may(&roles, of, read), may(&roles, of, update)), (reads, updates), "{of:?}");
        }
    }

    #[test]
    fn a_role_of_the_file_replaces_its_default_and_leaves_the_others() {
        let roles: RolesConfig = toml::from_str("member = []\nclerk = [\"plugin.crm.*\"]").unwrap();
        assert!(!may(&roles, &["member"], "plugin.crm.deals.read"));
        assert!(may(&roles, &["clerk"], "plugin.crm.deals.update"));
        assert!(!may(&roles, &["clerk"], "plugin.analytics.reports.read"));
        assert!(may(&roles, &["owner"], "plugin.crm.deals.update"));
    }
}
