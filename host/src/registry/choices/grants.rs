//! What plugins ask for, and what of it they were granted.
//!
//! A grant belongs to a plugin's id. So what was granted goes on in its next version, and what only that version asks
//! for waits for a word of its own.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde::Serialize;

use crate::capability::outbound::{AskedHost, AskedPort, grant_value};
use crate::db::{self, GrantKind};
use crate::id::{Namespace, PluginId, ServiceName};
use crate::permission::PermissionName;
use crate::registry::Plugin;
use crate::registry::manifest::Hook;

/// What was granted to all plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grants {
    /// Each has what it asks for.
    Automatic,
    Given(HashMap<PluginId, BTreeSet<(Kind, String)>>),
}

/// One thing that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ask {
    pub kind: Kind,
    pub value: String,
    /// What it is for, in its author's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// To call a service of others.
    Service,
    /// To do there what needs this permission.
    Permission,
    /// To hear of an event.
    Event,
    /// To make requests to a host outside.
    Host,
    /// To tell that host which request they belong to.
    Trace,
    /// To read a namespace of another plugin's shared data.
    Namespace,
}

impl Kind {
    pub fn stored(self) -> GrantKind {
        match self {
            Self::Service => GrantKind::Service,
            Self::Permission => GrantKind::Permission,
            Self::Event => GrantKind::Event,
            Self::Host => GrantKind::Host,
            Self::Trace => GrantKind::Trace,
            Self::Namespace => GrantKind::Namespace,
        }
    }

    fn read(kind: GrantKind) -> Self {
        match kind {
            GrantKind::Service => Self::Service,
            GrantKind::Permission => Self::Permission,
            GrantKind::Event => Self::Event,
            GrantKind::Host => Self::Host,
            GrantKind::Trace => Self::Trace,
            GrantKind::Namespace => Self::Namespace,
        }
    }
}

impl fmt::Display for Ask {
    /// As `tenon grant` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{} {}", self.kind.stored().as_str(), self.value)
    }
}

impl Default for Grants {
    fn default() -> Self {
        Self::Given(HashMap::new())
    }
}

impl Grants {
    pub(super) fn read(rows: Vec<db::Grant>) -> Self {
        let mut given: HashMap<PluginId, BTreeSet<(Kind, String)>> = HashMap::new();
        for row in rows {
            match PluginId::parse(&row.plugin) {
                Ok(plugin) => _ = given.entry(plugin).or_default().insert((Kind::read(row.kind), row.value)),
                Err(_) => tracing::error!(plugin = row.plugin, "a grant cannot be read"),
            }
        }
        Self::Given(given)
    }

    fn has(&self, plugin: &PluginId, kind: Kind, value: &str) -> bool {
        match self {
            Self::Automatic => true,
            Self::Given(given) => given.get(plugin).is_some_and(|given| given.contains(&(kind, value.to_owned()))),
        }
    }

    pub fn service(&self, plugin: &PluginId, service: &ServiceName) -> bool {
        self.has(plugin, Kind::Service, service.as_str())
    }

    pub fn permission(&self, plugin: &PluginId, permission: &PermissionName) -> bool {
        self.has(plugin, Kind::Permission, permission.as_str())
    }

    /// The hosts outside that a plugin asks for, with what of it it was granted.
    pub fn hosts(&self, plugin: &Plugin) -> Vec<AskedHost> {
        let id = &plugin.key().id;
        let asked = plugin.manifest.outbound.iter().map(|asked| {
            let granted = |port| self.has(id, Kind::Host, &grant_value(&asked.host, port));
            let ports = asked.ports().iter().map(|&port| AskedPort { port, granted: granted(port) });
            let trace = asked.trace_context && self.has(id, Kind::Trace, asked.host.as_str());
            AskedHost { host: asked.host.clone(), ports: ports.collect(), trace }
        });
        asked.collect()
    }

    pub fn event(&self, plugin: &PluginId, hook: &Hook) -> bool {
        self.has(plugin, Kind::Event, &hook.ask())
    }

    pub fn namespace(&self, plugin: &PluginId, namespace: &Namespace) -> bool {
        self.has(plugin, Kind::Namespace, namespace.as_str())
    }

    /// Whether a plugin has what it asks for.
    pub fn covers(&self, plugin: &PluginId, ask: &Ask) -> bool {
        self.has(plugin, ask.kind, &ask.value)
    }

    /// What a plugin asks for and does not have.
    pub fn withheld(&self, plugin: &Plugin) -> Vec<Ask> {
        let id = &plugin.key().id;
        asks(plugin).into_iter().filter(|ask| !self.covers(id, ask)).collect()
    }
}

/// All that one version of a plugin asks for: the services its component imports, what it does there, the events it is
/// called for, the shared data that it reads, and the hosts outside that it asks.
pub fn asks(plugin: &Plugin) -> Vec<Ask> {
    let manifest = &plugin.manifest;
    let mut asks: Vec<Ask> = Vec::new();
    let mut add = |kind, value: &str, reason: &str| {
        let known = asks.iter().any(|ask| ask.kind == kind && ask.value == value);
        if !known {
            let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
            asks.push(Ask { kind, value: value.to_owned(), reason });
        }
    };
    for import in plugin.prepared.imports() {
        let name = &import.name;
        let declared = manifest.dependency(&name.interface, &name.version);
        let reason = declared.map(|declared| declared.reason.as_str()).unwrap_or_default();
        add(Kind::Service, name.interface.service().as_str(), reason);
        for permission in declared.iter().flat_map(|declared| &declared.permissions) {
            add(Kind::Permission, permission.as_str(), "");
        }
    }
    for hook in &manifest.hooks {
        add(Kind::Event, &hook.ask(), &hook.description);
    }
    for read in &manifest.shared_data.reads {
        add(Kind::Namespace, read.namespace.as_str(), &read.description);
    }
    for asked in &manifest.outbound {
        for &port in asked.ports() {
            add(Kind::Host, &grant_value(&asked.host, port), &asked.description);
        }
        if asked.trace_context {
            add(Kind::Trace, asked.host.as_str(), "");
        }
    }
    asks
}
