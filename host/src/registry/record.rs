//! A snapshot as the control plane keeps it.

use super::plugin::Plugin;
use super::resolve::{self, Outcome, Status};
use super::snapshot::Snapshot;
use crate::db;

/// The rows of a snapshot, with the links of a tenant that has chosen nothing, the plugins of before that are still being
/// loaded, what is claimed anew, and what the audit log has to say of it.
pub fn of(
    snapshot: &Snapshot,
    awaited: Vec<db::Plugin>,
    claims: Vec<db::Claim>,
    audit: Vec<db::AuditEntry>,
) -> db::RegistrySnapshot {
    let view = snapshot.default_view();
    db::RegistrySnapshot {
        plugins: snapshot.plugins().iter().map(|plugin| record(plugin, view.resolved(plugin.key()))).collect(),
        awaited: awaited.into_iter().map(|plugin| (plugin.id, plugin.version)).collect(),
        rejected: snapshot
            .rejected()
            .iter()
            .map(|file| db::RejectedFile {
                file_name: file.file_name.clone(),
                sha256: file.sha256.clone(),
                reason: file.reason.clone(),
                seen_at: file.seen_at,
            })
            .collect(),
        claims,
        audit,
    }
}

fn record(plugin: &Plugin, resolved: Option<&resolve::PluginResolution>) -> db::PluginRecord {
    let (status, reason) = match resolved.map(|resolved| &resolved.status) {
        Some(Status::Active) => (db::PluginStatus::Active, None),
        Some(Status::Inactive { reason }) => (db::PluginStatus::Inactive, Some(reason.to_string())),
        None => (db::PluginStatus::Inactive, Some("it was not resolved".to_string())),
    };
    db::PluginRecord {
        plugin: db::Plugin {
            id: plugin.manifest.id.to_string(),
            version: plugin.manifest.version.to_string(),
            sha256: plugin.sha256.clone(),
            file_name: plugin.file_name.clone(),
            manifest: serde_json::to_string(&plugin.manifest).unwrap_or_default(),
            status,
            reason,
            first_seen_at: plugin.loaded_at,
            loaded_at: plugin.loaded_at,
        },
        services: plugin.manifest.services.iter().map(|service| service_record(plugin, service)).collect(),
        imports: resolved.map(|resolved| resolved.links.iter().map(import).collect()).unwrap_or_default(),
    }
}

/// A service with the endpoints whose functions belong to it.
fn service_record(plugin: &Plugin, service: &super::manifest::Service) -> db::ServiceRecord {
    let endpoints =
        plugin.manifest.endpoints.iter().filter(|endpoint| {
            endpoint.function.as_ref().is_some_and(|function| function.interface.is_of(&service.name))
        });
    db::ServiceRecord {
        name: service.name.to_string(),
        version: service.version.to_string(),
        endpoints: endpoints.map(endpoint).collect(),
    }
}

fn endpoint(endpoint: &super::manifest::Endpoint) -> db::Endpoint {
    db::Endpoint {
        method: endpoint.method.as_str().to_string(),
        path: endpoint.path.to_string(),
        function: endpoint.function.as_ref().map(ToString::to_string),
        permissions: endpoint.permissions.iter().map(ToString::to_string).collect(),
        rate_limit_per_minute: endpoint.rate_limit.map(i64::from),
        cache_ttl_s: endpoint.cache_ttl.map(i64::from),
        description: Some(endpoint.description.clone()).filter(|text| !text.is_empty()),
    }
}

fn import(link: &resolve::Link) -> db::Import {
    let import = &link.import;
    db::Import {
        service: import.interface.service().to_string(),
        interface: import.interface.label().to_string(),
        service_version: import.version.to_string(),
        requirement: import.requirement.to_string(),
        required: import.required,
        reason: import.reason.clone(),
        provider: match &link.outcome {
            Outcome::Linked { provider } => Some(db::Provider {
                plugin_id: provider.id.to_string(),
                plugin_version: provider.version.to_string(),
                service_version: provider.export.to_string(),
            }),
            Outcome::Missing { .. } => None,
        },
    }
}
