//! What a manifest can say. The JSON Schema is generated from these types, so their doc comments
//! are what authors read in their editors.

use std::time::Duration;

use schemars::JsonSchema;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use super::config::ConfigField;
use super::data::DataRules;
use super::frontend::Frontend;
use super::function::FunctionRef;
use super::path::PathTemplate;
use super::schedule::Schedule;
use super::shared::SharedData;
use super::text::{
    Email, EventName, EventPattern, NotificationKind, PermissionName, PermissionPart, VersionRequirement, WebUrl,
};
use crate::id::{HostPattern, InterfaceName, PluginId, ServiceName};
use crate::runtime::{Effect, PerMinute, RateRule, Rules};

/// What a plugin says of itself beyond what its WIT says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Where editors find the schema of this file. The host does not read it.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema_location: Option<String>,
    /// The plugin's name among all plugins, the same in all its versions.
    pub id: PluginId,
    /// What people call it.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// The plugin's own version, which its services do not have to share.
    pub version: Version,
    /// What it does, in a sentence or two.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2000))]
    pub description: String,
    /// The catalogue's shelf it stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    pub category: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Author>,
    /// An SPDX expression, such as Apache-2.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub license: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 50)))]
    pub keywords: Vec<String>,
    /// The name of an icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub icon: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<WebUrl>,
    /// What each tenant can set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub config: Vec<ConfigField>,
    /// What its users may be allowed to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub permissions: Vec<Permission>,
    /// Events it is called for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub hooks: Vec<Hook>,
    /// Events it tells others of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub publishes: Vec<Published>,
    /// What it does at certain times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub schedules: Vec<Schedule>,
    /// Data that it keeps for others to read, and those of others that it reads.
    #[serde(default, skip_serializing_if = "SharedData::is_empty")]
    pub shared_data: SharedData,
    /// Notifications it sends to people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub notifies: Vec<Notified>,
    /// Services it offers to other plugins. Its component exports each under the same version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub services: Vec<Service>,
    /// Services it uses. Its component imports each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub dependencies: Vec<Dependency>,
    /// Hosts outside that it makes requests to. Each works once an operator has granted it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub outbound: Vec<OutboundHost>,
    /// What HTTP clients can call, below /plugins/{id}.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub endpoints: Vec<Endpoint>,
    #[serde(default, skip_serializing_if = "Frontend::is_empty")]
    pub frontend: Frontend,
    /// Which other versions can work with its tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataRules>,
}

impl Manifest {
    /// What the manifest says of an import: the dependency on the interface's service whose range
    /// begins on the major version of the import (the minor one before 1.0).
    pub fn dependency(&self, interface: &InterfaceName, version: &Version) -> Option<&Dependency> {
        let fits = |dependency: &&Dependency| {
            interface.is_of(&dependency.service)
                && dependency.series().is_none_or(|series| series == series_of(version.major, version.minor))
        };
        self.dependencies.iter().find(fits)
    }

    /// What a plugin and its user need to call this function: the permissions of all endpoints that name it. A function
    /// that no endpoint names needs none. The interface counts in all versions in which the component exports it.
    pub fn required(&self, interface: &InterfaceName, function: &str) -> Vec<PermissionName> {
        let names_it = |reference: &FunctionRef| reference.interface == *interface && reference.function == function;
        let endpoints = self.endpoints.iter().filter(|endpoint| endpoint.function.as_ref().is_some_and(names_it));
        let mut required: Vec<PermissionName> = Vec::new();
        for permission in endpoints.flat_map(|endpoint| &endpoint.permissions) {
            if !required.contains(permission) {
                required.push(permission.clone());
            }
        }
        required
    }

    /// What a user needs to see events of this topic that the plugin publishes; none if that is not said.
    pub fn to_see(&self, topic: &str) -> Option<&PermissionName> {
        self.publishes.iter().find(|published| published.name.as_str() == topic)?.permission.as_ref()
    }

    /// What the endpoints that name this function say of it: the strictest of each rule. They share one counter.
    pub fn rules(&self, interface: &InterfaceName, function: &str) -> Rules {
        let names_it = |reference: &FunctionRef| reference.interface == *interface && reference.function == function;
        let named = |endpoint: &&Endpoint| endpoint.function.as_ref().is_some_and(names_it);
        let endpoints: Vec<&Endpoint> = self.endpoints.iter().filter(named).collect();
        if endpoints.is_empty() {
            return Rules::default();
        }
        let reads = endpoints.iter().all(|endpoint| endpoint.method == Method::Get);
        let limited = endpoints.iter().filter_map(|endpoint| Some((endpoint.per_minute()?, endpoint)));
        let strictest = limited.min_by_key(|(per_minute, _)| *per_minute);
        let shortest: Option<Vec<u32>> = endpoints.iter().map(|endpoint| endpoint.cache_ttl).collect();
        Rules {
            effect: if reads { Effect::Reads } else { Effect::Writes },
            rate: strictest.map(|(per_minute, endpoint)| {
                let counted = format!("{interface}.{function}");
                RateRule::new(self.id.clone(), counted, endpoint.as_clients_write_it(&self.id), per_minute)
            }),
            keep_for: shortest.filter(|_| reads).and_then(|ttls| ttls.into_iter().min()).map(seconds),
        }
    }

    /// What an endpoint that the plugin's own handler answers says of how often.
    pub fn rate_of_handler(&self, endpoint: &Endpoint) -> Option<RateRule> {
        let name = endpoint.as_clients_write_it(&self.id);
        endpoint.per_minute().map(|per_minute| RateRule::new(self.id.clone(), name.clone(), name, per_minute))
    }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

/// Who made it. A plain string in the manifest is a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "AuthorForm")]
pub struct Author {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<WebUrl>,
}

/// Who made it: a name, or a name with addresses.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum AuthorForm {
    Name(#[schemars(length(min = 1, max = 200))] String),
    Full(FullAuthor),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FullAuthor {
    #[schemars(length(min = 1, max = 200))]
    name: String,
    #[serde(default)]
    email: Option<Email>,
    #[serde(default)]
    url: Option<WebUrl>,
}

impl From<AuthorForm> for Author {
    fn from(form: AuthorForm) -> Self {
        match form {
            AuthorForm::Name(name) => Author { name, email: None, url: None },
            AuthorForm::Full(FullAuthor { name, email, url }) => Author { name, email, url },
        }
    }
}

/// Something users may be allowed to do. Its full name is plugin.<id>.<resource>.<action>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Permission {
    pub resource: PermissionPart,
    pub action: PermissionPart,
    /// What granting it means.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2000))]
    pub description: String,
}

impl Permission {
    pub fn full_name(&self, plugin: &PluginId) -> PermissionName {
        PermissionName::new(plugin, &self.resource, &self.action)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hook {
    pub name: EventPattern,
    /// Only those that this plugin publishes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PluginId>,
    /// What the plugin does when it happens.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2000))]
    pub description: String,
}

impl Hook {
    /// What has to be granted for it.
    pub fn ask(&self) -> String {
        match &self.from {
            Some(plugin) => format!("{}@{plugin}", self.name),
            None => self.name.to_string(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Published {
    /// The topic. Those that begin with tenant, plugin, user, api, config and shared-data are the host's.
    pub name: EventName,
    /// When it is published, and what its data are.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2000))]
    pub description: String,
    /// What a user needs to see it in a stream of events: one of `permissions`, under its full name. Without one, only
    /// those see it who may see all events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<PermissionName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notified {
    /// What it is about, so that people can tell one from another.
    pub kind: NotificationKind,
    /// When it is sent, and to whom.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2000))]
    pub description: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    pub name: ServiceName,
    /// The version of the WIT package.
    pub version: Version,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2000))]
    pub description: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dependency {
    pub service: ServiceName,
    /// Which versions of the service will do.
    #[schemars(with = "VersionRequirement")]
    pub version: VersionReq,
    /// Whether the plugin cannot work without it. Calls to an optional one that is missing answer unavailable.
    #[serde(default = "yes")]
    pub required: bool,
    /// What the plugin needs it for. Operators read this when it is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2000))]
    pub reason: String,
    /// What it does there on behalf of its users. A call that needs a permission which is not listed is denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub permissions: Vec<PermissionName>,
}

impl Dependency {
    /// Where the range begins: major and, before 1.0, minor version. None for `*`.
    pub(super) fn series(&self) -> Option<(u64, u64)> {
        let first = self.version.comparators.first()?;
        Some(series_of(first.major, first.minor.unwrap_or(0)))
    }
}

/// A host outside, or all below a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutboundHost {
    pub host: HostPattern,
    /// What the plugin asks it for. Operators read this before they grant it.
    #[schemars(length(min = 1, max = 2000))]
    pub description: String,
    /// The ports it is asked at; 443 alone if none is named. For plain http, name 80.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(range(min = 1, max = 65_535)))]
    pub ports: Vec<u16>,
    /// Whether it is told which request of the host's each request to it belongs to (the header traceparent).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trace_context: bool,
}

impl OutboundHost {
    /// The ports it is asked at.
    pub fn ports(&self) -> &[u16] {
        if self.ports.is_empty() { &[443] } else { &self.ports }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    pub method: Method,
    pub path: PathTemplate,
    /// The exported function that answers. Without one, the component's wasi:http handler does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionRef>,
    /// Permissions the user needs, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub permissions: Vec<PermissionName>,
    /// How many calls a minute each tenant may make, over HTTP and from other plugins together. Endpoints that name the
    /// same function share what the strictest of them says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rate_limit: Option<u32>,
    /// For how many seconds an answer may be given again, as long as nothing was written; GET endpoints with a function
    /// only. Endpoints that name the same function all have it or none, and the shortest counts.
    #[serde(rename = "cacheTTL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub cache_ttl: Option<u32>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2000))]
    pub description: String,
    /// The HTTP status of success.
    #[serde(default = "ok_status")]
    #[schemars(range(min = 200, max = 299))]
    pub status: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads; the only one whose answers can be cached.
    Get,
    /// Creates or does something.
    Post,
    /// Replaces.
    Put,
    /// Changes a part.
    Patch,
    /// Removes.
    Delete,
}

impl Endpoint {
    fn per_minute(&self) -> Option<PerMinute> {
        self.rate_limit.and_then(PerMinute::new)
    }

    fn as_clients_write_it(&self, plugin: &PluginId) -> String {
        format!("{} /plugins/{plugin}{}", self.method.as_str(), self.path)
    }
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

fn series_of(major: u64, minor: u64) -> (u64, u64) {
    (major, if major == 0 { minor } else { 0 })
}

fn yes() -> bool {
    true
}

fn ok_status() -> u16 {
    200
}
