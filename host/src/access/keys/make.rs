//! Making keys: nobody can make one that may do more than they may themselves.

use jiff::Timestamp;

use super::super::text::KeyText;
use super::{Keys, Mac};
use crate::db::{DbError, NewApiKey};
use crate::id::{RoleName, TenantId};
use crate::permission::{PermissionPattern, PermissionSet};

/// The beginning of every permission that can be given to a key beside its role.
const OF_PLUGINS: &str = "plugin.";

/// A key that somebody wants.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whose it is to be; none for an operator's.
    pub tenant: Option<TenantId>,
    pub name: String,
    pub role: RoleName,
    /// Permissions of plugins beside those of the role.
    pub permissions: Vec<PermissionPattern>,
    pub expires_at: Option<Timestamp>,
}

/// What became of an order.
#[derive(Debug)]
pub enum Made {
    /// The text of the key, which is nowhere else.
    Key { id: String, text: String },
    /// A field of the order cannot be.
    Wrong { field: &'static str, message: String },
    /// It would be able to do what its maker is not.
    Beyond { permission: String },
    /// There are as many as there may be.
    TooMany { most: u32 },
}

impl Keys {
    /// Makes a key. `maker` is what whoever wants it may do, `by` their name.
    ///
    /// # Errors
    ///
    /// When the control plane cannot write.
    pub async fn make(&self, order: Order, maker: &PermissionSet, by: &str) -> Result<Made, DbError> {
        let now = Timestamp::now();
        if let Some(made) = self.objection(&order, maker, now) {
            return Ok(made);
        }
        let Some(key) = KeyText::random() else {
            return Ok(Made::Wrong { field: "", message: "no id could be made".to_owned() });
        };
        let Order { tenant, name, role, permissions, expires_at } = order;
        let row = NewApiKey {
            id: key.id.to_string(),
            tenant: tenant.map(|tenant| tenant.to_string()),
            name,
            role: role.to_string(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
            mac: self.mac(&key).finalize().into_bytes().to_vec(),
            created_at: now,
            created_by: by.to_owned(),
            expires_at,
        };
        match self.control.key_insert(row, self.per_tenant).await? {
            true => Ok(Made::Key { id: key.id.to_string(), text: key.to_text() }),
            false => Ok(Made::TooMany { most: self.per_tenant }),
        }
    }

    /// What stands against an order, if anything does.
    fn objection(&self, order: &Order, maker: &PermissionSet, now: Timestamp) -> Option<Made> {
        let wrong = |field, message: String| Some(Made::Wrong { field, message });
        let is_operator = order.role.as_str() == "operator";
        if order.name.chars().count() > 128 || order.name.chars().any(char::is_control) {
            return wrong("name", "must be at most 128 characters, none of them a control character".to_owned());
        }
        if !self.roles.contains(&order.role) {
            return wrong("role", format!("there is no role `{}`: the section [roles] has them", order.role));
        }
        if is_operator && order.tenant.is_some() {
            return wrong("role", "an operator's key is of no tenant: name none, or another role".to_owned());
        }
        if !is_operator && order.tenant.is_none() {
            return wrong(
                "role",
                "name the tenant; a key of none is an operator's, with the role `operator`".to_owned(),
            );
        }
        if order.expires_at.is_some_and(|end| end <= now) {
            return wrong("expiresAt", "lies in the past".to_owned());
        }
        if order.permissions.len() > 100 {
            return wrong("permissions", "must be at most 100".to_owned());
        }
        if let Some(other) = order.permissions.iter().find(|pattern| !pattern.as_str().starts_with(OF_PLUGINS)) {
            return wrong("permissions", format!("`{other}` is none of a plugin: it must begin with `{OF_PLUGINS}`"));
        }
        let role = self.roles.permissions(std::slice::from_ref(&order.role));
        let wanted = role.or(&order.permissions.iter().cloned().collect());
        let beyond = maker.first_beyond(&wanted)?;
        Some(Made::Beyond { permission: beyond.to_string() })
    }
}
