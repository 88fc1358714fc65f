//! What a new snapshot changes, said in the log: one line for each file.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::claims::{Records, overwritten};
use super::contract::Breach;
use super::plugin::Plugin;
use super::rejected::printable;
use super::snapshot::Snapshot;
use crate::db;
use crate::id::CorrelationId;
use crate::runtime::Announcements;

/// Says what is different in `after`.
pub(super) fn log(before: &Snapshot, after: &Snapshot) {
    let (old, new) = (before.by_file(), after.by_file());
    for (file, plugin) in &new {
        match old.get(file) {
            None => {
                tracing::info!(file, plugin = %plugin.key(), took_ms = plugin.took_ms(), "plugin added");
            }
            Some(known) if !Arc::ptr_eq(known, plugin) => {
                let (replaced, took_ms) = (known.key(), plugin.took_ms());
                tracing::info!(file, plugin = %plugin.key(), %replaced, took_ms, "plugin replaced");
            }
            Some(_) => {}
        }
    }
    for (file, plugin) in old.iter().filter(|(file, _)| !new.contains_key(*file)) {
        tracing::info!(file, plugin = %plugin.key(), "plugin removed");
    }
    log_kept(before, after);
    for file in after.rejected() {
        let known = |old: &super::Rejected| old.file_name == file.file_name && old.reason == file.reason;
        if !before.rejected().iter().any(known) {
            tracing::warn!(file = file.file_name, reason = file.reason, "plugin file was refused");
        }
    }
}

fn log_kept(before: &Snapshot, after: &Snapshot) {
    let is_in = |plugin: &Arc<Plugin>, snapshot: &Snapshot| {
        snapshot.kept().iter().any(|kept| Arc::ptr_eq(&kept.plugin, plugin))
    };
    for kept in after.kept().iter().filter(|kept| !is_in(&kept.plugin, before)) {
        let dependants = kept.dependants();
        tracing::info!(plugin = %kept.plugin.key(), dependants, "replaced, and kept for those that need it");
    }
    for kept in before.kept().iter().filter(|kept| !is_in(&kept.plugin, after)) {
        tracing::info!(plugin = %kept.plugin.key(), "no longer kept: nobody needs it");
    }
}

/// What the audit log calls it when a file brings, replaces or takes away a plugin, and when one is refused.
pub const DIRECTORY_OPERATIONS: [&str; 4] =
    ["directory.added", "directory.replaced", "directory.removed", "directory.refused"];

/// What the audit log has to say of it: which files brought, replaced or took away a plugin since it was last written
/// down, also while the host was not running, and which were refused.
pub(super) fn audited(known: &[db::Plugin], refused: &[db::RejectedFile], after: &Snapshot) -> Vec<db::AuditEntry> {
    let entry = |operation: &str, target: String, before: Option<String>, to: Option<String>| db::AuditEntry {
        at: Timestamp::now(),
        actor: "directory".to_owned(),
        tenant: None,
        operation: operation.to_owned(),
        target,
        before,
        after: to,
        outcome: "done".to_owned(),
        correlation_id: CorrelationId::new().to_string(),
        parts: Vec::new(),
    };
    let told = |file_name: &str, sha256: &str| json!({ "fileName": file_name, "sha256": sha256 }).to_string();
    let mut entries = Vec::new();
    for plugin in after.plugins() {
        let (key, now) = (plugin.key(), told(&plugin.file_name, &plugin.sha256));
        let is_it = |row: &&db::Plugin| row.id == key.id.as_str() && row.version == key.version.to_string();
        match known.iter().find(is_it) {
            None => entries.push(entry("directory.added", key.to_string(), None, Some(now))),
            Some(row) if row.sha256 != plugin.sha256 => {
                let was = told(&row.file_name, &row.sha256);
                entries.push(entry("directory.replaced", key.to_string(), Some(was), Some(now)));
            }
            Some(_) => {}
        }
    }
    for row in known.iter().filter(|row| !is_in(row, after)) {
        let was = told(&row.file_name, &row.sha256);
        entries.push(entry("directory.removed", format!("{} {}", row.id, row.version), Some(was), None));
    }
    for file in after.rejected() {
        let is_it = |row: &&db::RejectedFile| {
            (&row.file_name, &row.sha256, &row.reason) == (&file.file_name, &file.sha256, &file.reason)
        };
        if !refused.iter().any(|row| is_it(&row)) {
            let target = file.key.as_ref().map_or_else(|| file.file_name.clone(), ToString::to_string);
            let told = json!({ "fileName": file.file_name, "sha256": file.sha256, "reason": file.reason });
            let refused = entry("directory.refused", target, None, Some(told.to_string()));
            entries.push(db::AuditEntry { outcome: "rejected".to_owned(), ..refused });
        }
    }
    entries
}

/// The same for plugins that hear of it: what came and what went.
pub(super) fn announced(audited: &[db::AuditEntry]) -> Vec<(&'static str, String)> {
    let topic = |operation: &str| match operation {
        "directory.added" => Some("plugin.installed"),
        "directory.removed" => Some("plugin.uninstalled"),
        _ => None,
    };
    audited.iter().filter_map(|entry| Some((topic(&entry.operation)?, entry.target.clone()))).collect()
}

/// Whether the snapshot has this version, from whatever file.
pub(super) fn is_in(row: &db::Plugin, snapshot: &Snapshot) -> bool {
    let is_it =
        |plugin: &Arc<Plugin>| plugin.key().id.as_str() == row.id && plugin.key().version.to_string() == row.version;
    snapshot.plugins().iter().any(is_it)
}

/// Announces it, once it is written down.
pub(super) fn announce(announced: &[(&'static str, String)], announcements: &Announcements) {
    for (topic, key) in announced {
        let (plugin, version) = key.split_once(' ').unwrap_or((key, ""));
        announcements.tell_all(topic, plugin, json!({ "plugin": plugin, "version": version }));
    }
}

/// Says which claims follow the files, as they do in dev mode.
pub(super) fn log_overwritten(claims: &[db::Claim], records: &Records) {
    for claim in overwritten(claims, records) {
        let (kind, name, plugin) = (claim.kind.as_str(), &claim.name, &claim.plugin);
        tracing::info!(kind, name, plugin, "taken from who came first, because the host runs in dev mode");
    }
}

/// Says what new plugins ask for and wait for.
pub(super) fn log_withheld(before: &Snapshot, after: &Snapshot) {
    for plugin in after.plugins() {
        let is_new = !before.plugins().iter().any(|known| Arc::ptr_eq(known, plugin));
        let withheld = if is_new { after.choices().grants().withheld(plugin) } else { Vec::new() };
        if !withheld.is_empty() {
            let asks: Vec<String> = withheld.iter().map(ToString::to_string).collect();
            let grant = format!("tenon grant {} {}", plugin.key().id, asks.join(" "));
            tracing::warn!(plugin = %plugin.key(), grant, "the plugin asks for what it is not granted");
        }
    }
}

/// Says which promises are not kept, where the host lets that happen.
pub(super) fn log_tolerated(tolerated: &BTreeMap<String, Breach>) {
    for (file, breach) in tolerated {
        let broken = printable(&breach.to_string());
        tracing::warn!(
            file,
            broken,
            "taken although it breaks what an earlier version promised (loader.breaking_changes)"
        );
    }
}
