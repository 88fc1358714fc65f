//! Who hears an event.

use crate::db::NewEvent;
use crate::registry::choices::grants::Grants;
use crate::registry::{Plugin, TenantView};

/// Fills in who hears an event: the plugins that are active for the tenant, hear the topic and were granted that.
pub(super) fn addressed(event: NewEvent, view: &TenantView, grants: &Grants) -> NewEvent {
    let heard = view.active().filter(|plugin| hears(plugin, grants, &event.source, &event.topic));
    let mut subscribers: Vec<String> = heard.map(|plugin| plugin.key().id.to_string()).collect();
    subscribers.sort_unstable();
    NewEvent { subscribers, ..event }
}

/// Whether a version of a plugin hears an event, and was granted that.
pub(super) fn hears(plugin: &Plugin, grants: &Grants, source: &str, topic: &str) -> bool {
    let publisher = source.strip_prefix(PLUGINS);
    let mut hooks = plugin.manifest.hooks.iter();
    plugin.event_handler().is_some()
        && hooks.any(|hook| {
            let is_from = hook.from.as_ref().is_none_or(|from| publisher == Some(from.as_str()));
            is_from && hook.name.covers(topic) && grants.event(&plugin.key().id, hook)
        })
}

const PLUGINS: &str = "/plugins/";

/// The source of what a plugin publishes.
pub(super) fn source(plugin: &str) -> String {
    format!("{PLUGINS}{plugin}")
}
