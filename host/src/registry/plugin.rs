//! A plugin as it lies loaded: manifest, component and endpoints, agreeing with each other.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::endpoint::{self, Endpoint};
use super::manifest::Manifest;
use crate::runtime::{PluginKey, PreparedPlugin};

/// One version of a plugin, ready to take calls once its imports have providers.
pub struct Plugin {
    pub manifest: Manifest,
    pub prepared: Arc<PreparedPlugin>,
    pub endpoints: Vec<Endpoint>,
    /// The file it came from, without its directory.
    pub file_name: String,
    /// Of the whole file, in hexadecimal.
    pub sha256: String,
    pub loaded_at: Timestamp,
}

impl Plugin {
    pub fn key(&self) -> &PluginKey {
        self.prepared.key()
    }
}

/// Every way in which a manifest does not fit its component.
#[derive(Debug, PartialEq, Eq)]
pub struct Disagreements(pub Vec<String>);

impl fmt::Display for Disagreements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the manifest does not fit the component:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Checks the manifest against the component's WIT and binds the endpoints.
///
/// # Errors
///
/// All that does not fit: a declared service that is not exported under that version, a declared
/// dependency that is not imported, an endpoint without its function.
pub fn fit(manifest: &Manifest, prepared: &PreparedPlugin) -> Result<Vec<Endpoint>, Disagreements> {
    let mut problems = Vec::new();
    for (index, service) in manifest.services.iter().enumerate() {
        let versions: Vec<_> = prepared
            .exports()
            .iter()
            .filter(|export| export.name.interface.is_of(&service.name))
            .map(|export| export.name.version.clone())
            .collect();
        if versions.is_empty() {
            problems.push(format!(
                "$.services[{index}]: `{}` is declared, but the component exports no interface of it",
                service.name
            ));
        } else if !versions.contains(&service.version) {
            problems.push(format!(
                "$.services[{index}].version: found {}, but the component exports `{}` at {}",
                service.version, service.name, versions[0]
            ));
        }
    }
    for (index, dependency) in manifest.dependencies.iter().enumerate() {
        if !prepared.imports().iter().any(|import| import.name.interface.is_of(&dependency.service)) {
            problems.push(format!(
                "$.dependencies[{index}]: `{}` is declared, but the component imports no interface of it: remove the \
                 dependency or use the service",
                dependency.service
            ));
        }
    }
    match endpoint::bind(manifest, prepared) {
        Ok(endpoints) if problems.is_empty() => Ok(endpoints),
        Ok(_) => Err(Disagreements(problems)),
        Err(errors) => {
            problems.extend(errors.iter().map(ToString::to_string));
            Err(Disagreements(problems))
        }
    }
}
