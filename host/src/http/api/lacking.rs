//! Versions that a tenant does not have because it lacks a setting: what it lacks, and the command that sets it.

use crate::id::TenantId;
use crate::registry::Plugin;
use crate::registry::resolve::{InactiveReason, PluginResolution, Status};

/// Why a tenant that lacks a setting does not have this version, if that is why.
pub(super) fn told(tenant: Option<&TenantId>, plugin: &Plugin, resolved: Option<&PluginResolution>) -> Option<String> {
    let Status::Inactive { reason: InactiveReason::Unconfigured { fields } } = &resolved?.status else { return None };
    let (tenant, key) = (tenant?, plugin.key());
    let quoted = fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
    Some(format!("{tenant} has no value for {quoted}, which {key} requires: {}", command(tenant, plugin, fields)))
}

/// What sets them. A secret is read from standard input, of which there is one.
fn command(tenant: &TenantId, plugin: &Plugin, fields: &[String]) -> String {
    let is_secret =
        |field: &&String| plugin.manifest.config.iter().any(|known| known.key.as_str() == *field && known.secret);
    let (secret, open): (Vec<_>, Vec<_>) = fields.iter().partition(is_secret);
    let open = open.iter().map(|field| format!(" {field}=VALUE"));
    let mut secret = secret.iter();
    let stdin = secret.next().map(|field| format!(" --stdin {field}"));
    let files = secret.map(|field| format!(" --file {field}=FILE"));
    let values: String = open.chain(stdin).chain(files).collect();
    format!("tenon config set {}{values} --tenant {tenant}", plugin.key().id)
}
