//! What resolution needs to know of a loaded plugin: no component, no engine.

use std::collections::BTreeSet;

use semver::{Comparator, Op, Version, VersionReq};
use serde::Serialize;

use crate::id::{InterfaceName, PluginId};

/// One loaded version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginVersion {
    pub id: PluginId,
    pub version: Version,
    pub exports: Vec<Export>,
    pub imports: Vec<Import>,
    /// Set for one whose file holds another by now: it serves these plugins alone, where nobody else can.
    pub kept_for: Option<BTreeSet<PluginId>>,
    /// Set for such a one that besides goes on for tenants which cannot have what took its place.
    pub stands_in: bool,
}

/// An interface that a component exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    pub interface: InterfaceName,
    pub version: Version,
}

/// An interface that a component imports and another plugin has to serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    pub interface: InterfaceName,
    /// The version the component was built against.
    pub version: Version,
    /// The versions its manifest accepts.
    pub requirement: VersionReq,
    pub required: bool,
    /// What the manifest says it is needed for.
    pub reason: Option<String>,
    /// Whether the plugin may use the service at all. Left out where nobody has to say so.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub granted: bool,
}

impl Import {
    /// An import of which the manifest says nothing: required, in any compatible version.
    pub fn undeclared(interface: InterfaceName, version: Version) -> Self {
        let caret = Comparator {
            op: Op::Caret,
            major: version.major,
            minor: Some(version.minor),
            patch: Some(version.patch),
            pre: version.pre.clone(),
        };
        let requirement = VersionReq { comparators: vec![caret] };
        Import { interface, version, requirement, required: true, reason: None, granted: true }
    }
}
