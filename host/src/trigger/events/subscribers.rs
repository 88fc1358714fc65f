//! Who hears an event.

use crate::capability::shared_data::{self, Reach};
use crate::db::NewEvent;
use crate::registry::choices::grants::Grants;
use crate::registry::{Plugin, TenantView};

/// What is to be known of an event to say who hears it.
pub(super) struct Heard<'a> {
    pub source: &'a str,
    pub topic: &'a str,
    pub subject: Option<&'a str>,
}

/// Fills in who hears an event: the plugins that are active for the tenant, hear the topic and were granted that.
pub(super) fn addressed(event: NewEvent, view: &TenantView, grants: &Grants) -> NewEvent {
    let NewEvent { source, topic, subject, .. } = &event;
    let told = Heard { source, topic, subject: subject.as_deref() };
    let heard = view.active().filter(|plugin| hears(plugin, view, grants, &told));
    let mut subscribers: Vec<String> = heard.map(|plugin| plugin.key().id.to_string()).collect();
    subscribers.sort_unstable();
    NewEvent { subscribers, ..event }
}

/// Whether a version of a plugin hears an event, and was granted that. Of shared data it hears what it may read.
pub(super) fn hears(plugin: &Plugin, view: &TenantView, grants: &Grants, event: &Heard<'_>) -> bool {
    let publisher = event.source.strip_prefix(PLUGINS);
    let mut hooks = plugin.manifest.hooks.iter();
    plugin.event_handler().is_some()
        && (event.topic != shared_data::TOPIC || event.subject.is_some_and(|name| may_read(plugin, view, name)))
        && hooks.any(|hook| {
            let is_from = hook.from.as_ref().is_none_or(|from| publisher == Some(from.as_str()));
            is_from && hook.name.covers(event.topic) && grants.event(&plugin.key().id, hook)
        })
}

fn may_read(plugin: &Plugin, view: &TenantView, namespace: &str) -> bool {
    let owns = plugin.prepared.namespaces().iter().any(|own| own.namespace.as_str() == namespace);
    let mut reads = view.links().reads(&plugin.prepared).iter();
    owns || reads.any(|read| read.namespace.as_str() == namespace && matches!(read.reach, Reach::Allowed(_)))
}

const PLUGINS: &str = "/plugins/";

/// The source of what a plugin publishes.
pub(super) fn source(plugin: &str) -> String {
    format!("{PLUGINS}{plugin}")
}
