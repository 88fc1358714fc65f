//! The plugin manifest: what a plugin says of itself beyond its WIT.
//!
//! Invariant: a [`Manifest`] that [`Manifest::parse`] returned keeps every rule that can be checked
//! without the component. What it declares is compared with the component's exports and imports by
//! the loader.
//!
//! Parsing reports everything at once, in two passes: [`shape`] walks the published JSON Schema
//! over the whole document; [`rules`] then compares fields that have to agree, among those that
//! came through the first.

mod config;
mod config_rules;
mod data;
mod frontend;
mod function;
mod grammar;
mod json;
mod model;
mod path;
mod problem;
mod rules;
mod schedule;
mod schema;
mod shape;
mod shared;
mod text;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use config::{ConfigError, ConfigField, ConfigOption, ConfigType, Validation};
pub use data::DataRules;
pub use frontend::{Frontend, Injection, InjectionPoint, MenuItem, Route};
pub use function::FunctionRef;
pub use json::MAX_MANIFEST_BYTES;
pub use model::{
    Author, Dependency, Endpoint, Hook, Manifest, Method, Notified, OutboundHost, Permission, Published, Service,
};
pub use path::{PathTemplate, Segment};
pub use problem::{JsonPath, ManifestErrors, Problem};
pub use schedule::{CronPattern, Missed, Schedule, ScheduleName, ZoneName};
pub use shape::nearest;
pub use shared::{NamespaceRead, OwnedNamespace, Reader, SharedData};
pub use text::{
    ComponentName, ConfigKey, Email, EventName, EventPattern, HOST_TOPICS, NotificationKind, Pattern, PermissionName,
    PermissionPart, WebUrl,
};

use problem::Problems;

impl Manifest {
    /// Reads a manifest, or says all that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestErrors> {
        let mut problems = Problems::default();
        let Some(document) = json::read(bytes, &mut problems) else {
            return Err(problems.into_errors());
        };
        shape::check(&document, schema::manifest_schema(), &mut problems);

        let malformed: Option<Vec<String>> =
            problems.iter().map(|problem| problem.path.top_field().map(str::to_owned)).collect();
        let malformed = match malformed {
            Some(fields) if !problems.is_full() => fields,
            // The document itself is no object, or there is more wrong with it than was noted.
            _ => return Err(problems.into_errors()),
        };
        match deserialize(&well_formed_part(document, &malformed), &mut problems) {
            Some(manifest) => {
                rules::check(&manifest, &malformed, &mut problems);
                problems.into_result(manifest)
            }
            None => Err(problems.into_errors()),
        }
    }

    /// The JSON Schema (2020-12) that authors' editors and `docs/manifest.schema.json` get.
    pub fn schema() -> Value {
        schema::manifest_schema().clone()
    }
}

/// The document without its malformed fields. The three that every manifest has are filled in;
/// no rule reads a filled-in value.
fn well_formed_part(mut document: Value, malformed: &[String]) -> Value {
    const FILLED_IN: [(&str, &str); 3] = [("id", "unreadable"), ("name", "unreadable"), ("version", "0.0.0")];
    if let Value::Object(fields) = &mut document {
        fields.retain(|name, _| !malformed.contains(name));
        for (name, value) in FILLED_IN {
            fields.entry(name).or_insert_with(|| value.into());
        }
    }
    document
}

/// What has the shape of a manifest deserialises. Should the schema ever say less than the types,
/// the difference ends here as one more problem with its place.
fn deserialize(document: &Value, problems: &mut Problems) -> Option<Manifest> {
    use serde_path_to_error::Segment as At;

    serde_path_to_error::deserialize(document)
        .map_err(|error| {
            let path = error.path().iter().fold(JsonPath::root(), |path, segment| match segment {
                At::Seq { index } => path.item(*index),
                At::Map { key } => path.field(key),
                At::Enum { .. } | At::Unknown => path,
            });
            let found = format!("a value that cannot be read: {}", error.inner());
            problems.add(&path, found, "what the manifest's schema describes", "compare it with the schema");
        })
        .ok()
}
