//! Whoever reads: what is theirs, and what they may see.

use super::entry::Audience;
use super::topics::Topics;
use crate::capability::notifications::EVERYONE;
use crate::db::Inbox;
use crate::id::TenantId;
use crate::permission::PermissionSet;
use crate::runtime::Identity;

/// Who may see all events of a tenant.
const ALL_EVENTS: &str = "events:read";

/// Somebody in a tenant.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) tenant: TenantId,
    /// Who it is, among all of the tenant.
    pub(super) name: String,
    /// Whose notifications it reads: its own, those of its roles, and everybody's.
    pub(super) recipients: Vec<String>,
    permissions: PermissionSet,
}

impl Reader {
    /// A user has its id. Who has none, as an operator on the host's own socket, is known by the name it has in the audit
    /// log, and no notification is for it alone.
    pub fn of(identity: &Identity, name: &str) -> Self {
        let user = identity.user.as_ref();
        let roles = identity.roles.iter().map(|role| format!("role:{role}"));
        let own = user.map(|user| format!("user:{user}"));
        Self {
            tenant: identity.tenant.clone(),
            name: user.map_or_else(|| name.to_owned(), ToString::to_string),
            recipients: roles.chain(own).chain([EVERYONE.to_owned()]).collect(),
            permissions: identity.permissions.clone(),
        }
    }

    pub fn inbox(&self) -> Inbox {
        let (tenant, reader) = (self.tenant.to_string(), self.name.clone());
        Inbox { tenant, recipients: self.recipients.clone(), reader }
    }

    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Whether it may see all events of its tenant.
    pub fn sees_all_events(&self) -> bool {
        self.permissions.covers_operation(ALL_EVENTS)
    }

    pub fn permissions(&self) -> &PermissionSet {
        &self.permissions
    }

    /// Whether it may hear something, and wants to.
    pub(super) fn hears(&self, topics: &Topics, audience: &Audience) -> bool {
        match audience {
            Audience::Recipient(recipient) => self.recipients.iter().any(|own| **own == **recipient),
            Audience::Event { topic, from, permission } => {
                let may = || permission.as_ref().is_some_and(|permission| self.permissions.covers(permission));
                topics.covers(topic, from.as_deref()) && (self.sees_all_events() || may())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{CorrelationId, RoleName, UserId};
    use crate::permission::{PermissionName, PermissionPattern};

    fn reader(user: Option<&str>, roles: &[&str], permissions: &[&str]) -> Reader {
        let identity = Identity {
            tenant: TenantId::parse("acme").unwrap(),
            user: user.map(|user| UserId::parse(user).unwrap()),
            workspace: None,
            roles: roles.iter().map(|role| RoleName::parse(role).unwrap()).collect(),
            permissions: permissions.iter().map(|pattern| PermissionPattern::parse(pattern).unwrap()).collect(),
            correlation_id: CorrelationId::new(),
            hops: 0,
        };
        Reader::of(&identity, "local")
    }

    fn won(permission: Option<&str>) -> Audience {
        let permission = permission.map(|name| PermissionName::parse(name).unwrap());
        Audience::Event { topic: "deal.won".into(), from: Some("crm".into()), permission }
    }

    #[test]
    fn a_notification_is_for_whom_it_names() {
        let jo = reader(Some("jo"), &["sales"], &[]);
        let hears = |reader: &Reader, to: &str| reader.hears(&Topics::All, &Audience::Recipient(to.into()));
        for to in ["everyone", "user:jo", "role:sales"] {
            assert!(hears(&jo, to), "{to}");
        }
        for to in ["user:sales", "role:jo", "user:al", "role:owner", "jo", "user:jo2"] {
            assert!(!hears(&jo, to), "{to}");
        }
        let operator = reader(None, &["operator"], &["*"]);
        assert!(hears(&operator, "everyone") && hears(&operator, "role:operator") && !hears(&operator, "user:local"));
        assert_eq!((jo.name.as_str(), operator.name.as_str()), ("jo", "local"));
    }

    #[test]
    fn an_event_is_for_those_who_have_its_permission_or_may_see_all() {
        let (read, other) = (Some("plugin.crm.deals.read"), Some("plugin.crm.contacts.read"));
        let hears = |permissions: &[&str], event: &Audience| reader(None, &[], permissions).hears(&Topics::All, event);
        assert!(hears(&["plugin.crm.deals.read"], &won(read)) && hears(&["plugin.*"], &won(read)));
        assert!(!hears(&["plugin.crm.deals.read"], &won(other)));
        assert!(!hears(&["plugin.*"], &won(None)), "what asks for nothing is for nobody but those who see all");
        assert!(hears(&["events:read"], &won(None)) && hears(&["events:read"], &won(other)));
        assert!(!hears(&[], &won(read)));
    }
}
