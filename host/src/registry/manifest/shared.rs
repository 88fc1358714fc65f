//! What a manifest says of shared data, and the rules for it. Doc comments end up in the JSON Schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::Manifest;
use super::problem::{JsonPath, Problems};
use super::rules::distinct;
use crate::capability::shared_data::Own;
use crate::id::{Namespace, PluginId, text_type};

/// Data that it keeps for others to read, and those of others that it reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedData {
    /// Namespaces of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub owns: Vec<OwnedNamespace>,
    /// Namespaces of other plugins. Each can be read once an operator has granted it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub reads: Vec<NamespaceRead>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnedNamespace {
    /// It begins with the plugin's id and a dot.
    pub namespace: Namespace,
    /// The plugins that may read it, besides this one. Where there are any, each change is told as the event
    /// shared-data.changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub readers: Vec<Reader>,
    /// What is in it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2000))]
    pub description: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceRead {
    pub namespace: Namespace,
    /// What the plugin reads it for. Operators read this before they grant it.
    #[schemars(length(min = 1, max = 2000))]
    pub description: String,
}

text_type! {
    /// A plugin by its id, or * for every plugin.
    Reader {
        what: "a reader",
        allowed: "the id of a plugin, or * for every plugin",
        example: "analytics",
        pattern: r"^(\*|[a-z0-9][a-z0-9_-]{0,62})$",
        max_length: 63,
        accepts: |text| text == "*" || (PluginId::RULE.accepts)(text),
    }
}

impl SharedData {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Its own namespaces as calls use them.
    pub fn owned(&self) -> Vec<Own> {
        let own = |owned: &OwnedNamespace| Own {
            namespace: owned.namespace.clone(),
            is_announced: !owned.readers.is_empty(),
        };
        self.owns.iter().map(own).collect()
    }
}

impl OwnedNamespace {
    /// Whether a plugin other than its owner may read it.
    pub fn may_be_read_by(&self, plugin: &PluginId) -> bool {
        self.readers.iter().any(|reader| reader.as_str() == "*" || reader.as_str() == plugin.as_str())
    }
}

pub(super) fn namespaces_are_distinct_and_its_own(manifest: &Manifest, problems: &mut Problems) {
    let owns = JsonPath::root().field("sharedData").field("owns");
    let owned = &manifest.shared_data.owns;
    distinct(
        &owns,
        "namespace",
        owned,
        |a, b| a.namespace == b.namespace,
        |of| format!("`{}`", of.namespace),
        problems,
    );
    for (index, OwnedNamespace { namespace, readers, .. }) in owned.iter().enumerate() {
        if namespace.owner() != manifest.id.as_str() {
            let expected = format!("one that begins with the plugin's id, `{}.`", manifest.id);
            let fix = "begin it so; what is read of another plugin stands in `$.sharedData.reads`";
            problems.add(&owns.item(index).field("namespace"), format!("`{namespace}`"), expected, fix);
        }
        for (at, reader) in readers.iter().enumerate() {
            if readers[..at].contains(reader) {
                let place = owns.item(index).field("readers").item(at);
                problems.add(&place, format!("`{reader}` again"), "each one once", "remove it");
            }
        }
    }
}

pub(super) fn namespaces_read_are_distinct_and_of_others(manifest: &Manifest, problems: &mut Problems) {
    let list = JsonPath::root().field("sharedData").field("reads");
    let reads = &manifest.shared_data.reads;
    distinct(
        &list,
        "namespace",
        reads,
        |a, b| a.namespace == b.namespace,
        |of| format!("`{}`", of.namespace),
        problems,
    );
    for (index, NamespaceRead { namespace, description }) in reads.iter().enumerate() {
        if namespace.owner() == manifest.id.as_str() {
            let expected = "a namespace of another plugin: its own a plugin reads anyway";
            let fix = "remove it, and declare it in `$.sharedData.owns`";
            problems.add(&list.item(index).field("namespace"), format!("`{namespace}`"), expected, fix);
        }
        if description.trim().is_empty() {
            let expected = "a sentence that tells operators what the plugin reads it for";
            let fix = format!("say what `{namespace}` is read for");
            problems.add(&list.item(index).field("description"), "no description of what is read", expected, fix);
        }
    }
}
