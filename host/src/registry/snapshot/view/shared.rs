//! Which shared data of others a plugin reaches, for one tenant.
//!
//! It takes three: the reader's manifest asks, the owner's manifest names it among the readers, and an operator has granted
//! it. And the owner answers for the tenant.

use std::collections::HashMap;

use super::Served;
use crate::capability::shared_data::{Reach, Reading};
use crate::id::{Namespace, PluginId};
use crate::registry::choices::grants::Grants;
use crate::registry::plugin::Plugin;

/// What a plugin asks to read, with whether it may.
pub(super) fn readings(plugin: &Plugin, served: &HashMap<PluginId, Served>, grants: &Grants) -> Vec<Reading> {
    let reader = &plugin.key().id;
    let asked = plugin.manifest.shared_data.reads.iter().map(|read| {
        let namespace = read.namespace.clone();
        let reach = match grants.namespace(reader, &namespace) {
            true => offered(reader, &namespace, served),
            false => Reach::Denied(format!(
                "{reader} is not granted {namespace}: an operator grants it with `tenon grant {reader} --namespace {namespace}`"
            )),
        };
        Reading { namespace, reach }
    });
    asked.collect()
}

/// What the owner of a namespace says to a reader.
fn offered(reader: &PluginId, namespace: &Namespace, served: &HashMap<PluginId, Served>) -> Reach {
    let owner = match served.get(namespace.owner()) {
        Some(Served::Active(owner)) => owner,
        Some(Served::Inactive { reason, .. }) => {
            return Reach::Absent(format!(
                "plugin {}, which owns {namespace}, is not active: {reason}",
                namespace.owner()
            ));
        }
        None => return Reach::Absent(format!("plugin {}, which owns {namespace}, is not there", namespace.owner())),
    };
    let mut owned = owner.manifest.shared_data.owns.iter();
    match owned.find(|owned| owned.namespace == *namespace) {
        Some(owned) if owned.may_be_read_by(reader) => Reach::Allowed(owner.key().id.clone()),
        Some(_) => Reach::Denied(format!("{} does not name {reader} among the readers of {namespace}", owner.key())),
        None => Reach::Denied(format!("{} has no namespace {namespace}", owner.key())),
    }
}
