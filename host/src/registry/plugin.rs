//! A plugin as it lies loaded: manifest, component and endpoints, agreeing with each other.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use jiff::Timestamp;

use super::claims::Claims;
use super::contract::{self, Offer};
use super::endpoint::{self, Endpoint};
use super::handler;
use super::lifecycle::ON_ACTIVATE;
use super::manifest::Manifest;
use super::scheduled;
use super::trust::Signer;
use crate::runtime::{ExportedFunction, PluginKey, PreparedPlugin};

/// One version of a plugin, ready to take calls once its imports have providers.
pub struct Plugin {
    pub manifest: Manifest,
    pub prepared: Arc<PreparedPlugin>,
    pub endpoints: Vec<Endpoint>,
    /// What it takes from others by being loaded first.
    pub claims: Claims,
    /// Who vouches for it, where somebody does who is trusted.
    pub signer: Option<Signer>,
    /// The file it came from, without its directory, as it can be shown.
    pub file_name: String,
    /// Of the whole file, in hexadecimal.
    pub sha256: String,
    /// The same without the signatures at its end: what its machine code is kept under.
    pub code: String,
    pub loaded_at: Timestamp,
    /// When its file was found to be whole.
    pub load_begun: Instant,
    /// Whether it starts, and why not, once that was tried.
    pub started: OnceLock<Result<(), String>>,
}

/// By its name: what it consists of is no text.
impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plugin({})", self.key())
    }
}

impl Plugin {
    /// How long it is since its file was found to be whole, in milliseconds.
    pub fn took_ms(&self) -> u64 {
        u64::try_from(self.load_begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether there is something to do before a tenant's first call: moving its data, or a word to the plugin.
    pub fn has_lifecycle(&self) -> bool {
        self.prepared.tables().has_migrations() || self.hook(ON_ACTIVATE).is_some()
    }

    /// One of the functions that the host calls as the plugin comes and goes, if it exports them.
    pub fn hook(&self, name: &str) -> Option<&Arc<ExportedFunction>> {
        let mut exports = self.prepared.exports().iter();
        let lifecycle = exports.find(|export| {
            export.name.interface.as_str() == "tenon:plugin/lifecycle" && export.name.version.major == 1
        });
        lifecycle?.function(name)
    }

    /// What is called for each event that it hears, if it exports it.
    pub fn event_handler(&self) -> Option<&Arc<ExportedFunction>> {
        handler::event_handler(&self.prepared)
    }

    /// What is called at each tick of its schedules, if it exports it.
    pub fn scheduled(&self) -> Option<&Arc<ExportedFunction>> {
        scheduled::scheduled(&self.prepared)
    }

    pub fn key(&self) -> &PluginKey {
        self.prepared.key()
    }

    /// What it offers to others.
    pub fn provider(&self) -> contract::Provider<'_> {
        contract::Provider { key: self.key(), offer: Offer::of(self.prepared.exports()) }
    }

    /// What it uses of others.
    pub fn consumer(&self) -> contract::Consumer<'_> {
        let needs = self.prepared.imports().iter().map(|import| {
            let declared = self.manifest.dependency(&import.name.interface, &import.name.version);
            contract::Need {
                name: &import.name,
                requirement: declared.map(|declared| &declared.version),
                functions: import.functions.iter().map(|f| (f.name.as_str(), &f.shape)).collect(),
            }
        });
        contract::Consumer { key: self.key(), needs: needs.collect() }
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
    if !manifest.hooks.is_empty() && handler::event_handler(prepared).is_none() {
        problems.push(
            "$.hooks: events are to be heard, but the component does not export `tenon:plugin/event-handler@1.0.0`: \
             remove the hooks or implement the interface"
                .to_owned(),
        );
    }
    if let Some(handler) = handler::event_handler(prepared)
        && !handler::is_sound(&handler.shape)
    {
        problems.push("the exported `tenon:plugin/event-handler` is not that of wit/tenon-plugin".to_owned());
    }
    if !manifest.schedules.is_empty() && scheduled::scheduled(prepared).is_none() {
        problems.push(
            "$.schedules: there are schedules, but the component does not export `tenon:plugin/scheduled@1.0.0`: remove \
             the schedules or implement the interface"
                .to_owned(),
        );
    }
    if let Some(run) = scheduled::scheduled(prepared)
        && !scheduled::is_sound(&run.shape)
    {
        problems.push("the exported `tenon:plugin/scheduled` is not that of wit/tenon-plugin".to_owned());
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
