//! Puts the service list together from three plain queries, so that no database needs to build JSON.

use std::collections::HashMap;

use sqlx::FromRow;

use super::rows::{Consumer, Endpoint, PluginStatus, Service};

/// A service without what hangs on it.
#[derive(FromRow)]
pub(super) struct ServiceHead {
    name: String,
    version: String,
    plugin_id: String,
    plugin_version: String,
    #[sqlx(try_from = "String")]
    status: PluginStatus,
    reason: Option<String>,
}

/// A row and the service it belongs to.
#[derive(FromRow)]
pub(super) struct Of<T> {
    #[sqlx(flatten)]
    key: ServiceKey,
    #[sqlx(flatten)]
    row: T,
}

#[derive(FromRow, PartialEq, Eq, Hash)]
struct ServiceKey {
    of_service: String,
    of_version: String,
    of_plugin_id: String,
    of_plugin_version: String,
}

/// Gives each service its rows, keeping the order of all three lists.
pub(super) fn assemble(
    heads: Vec<ServiceHead>,
    endpoints: Vec<Of<Endpoint>>,
    consumers: Vec<Of<Consumer>>,
) -> Vec<Service> {
    let mut endpoints = grouped(endpoints);
    let mut consumers = grouped(consumers);
    let service = |head: ServiceHead| {
        let key = ServiceKey {
            of_service: head.name.clone(),
            of_version: head.version.clone(),
            of_plugin_id: head.plugin_id.clone(),
            of_plugin_version: head.plugin_version.clone(),
        };
        Service {
            name: head.name,
            version: head.version,
            plugin_id: head.plugin_id,
            plugin_version: head.plugin_version,
            status: head.status,
            reason: head.reason,
            endpoints: endpoints.remove(&key).unwrap_or_default(),
            consumers: consumers.remove(&key).unwrap_or_default(),
        }
    };
    heads.into_iter().map(service).collect()
}

fn grouped<T>(rows: Vec<Of<T>>) -> HashMap<ServiceKey, Vec<T>> {
    let mut groups: HashMap<ServiceKey, Vec<T>> = HashMap::new();
    for of in rows {
        groups.entry(of.key).or_default().push(of.row);
    }
    groups
}
