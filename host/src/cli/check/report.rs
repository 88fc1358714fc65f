//! What `tenon check` found, for people and for programs.

use std::fmt;

use semver::Version;
use serde::Serialize;

use crate::id::{PluginId, ServiceName};
use crate::registry::Plugin;
use crate::registry::contract::{Advice, Breach, BrokenConsumer, Change, PackageChanges, Provider, Weight};
use crate::runtime::PluginKey;

/// All that was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) ok: bool,
    file: String,
    /// Absent when its manifest cannot be read.
    id: Option<PluginId>,
    version: Option<Version>,
    /// Why the host would not load it.
    problems: Vec<String>,
    exports: Vec<String>,
    against: Option<Comparison>,
    host: Option<OnHost>,
}

/// Two versions of a plugin.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comparison {
    /// Where the earlier one was found.
    with: String,
    id: PluginId,
    version: Version,
    packages: Vec<Package>,
    /// Which version the plugin needs.
    plugin: Advice,
    /// Who of the loaded plugins would find nobody, if the new version took the place of this one. Absent where
    /// nobody knows who is loaded.
    consumers: Option<Vec<BrokenConsumer>>,
}

/// A WIT package that has changed, and which version it needs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    service: ServiceName,
    #[serde(flatten)]
    advice: Option<Advice>,
    changes: Vec<Change>,
}

/// What a running host would make of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OnHost {
    pub(super) url: String,
    /// Absent when no version of the plugin is loaded there.
    pub(super) comparison: Option<Comparison>,
    /// The promise for which it would be refused.
    pub(super) refused: Option<Breach>,
}

impl Report {
    pub(super) fn good(file: String, plugin: &Plugin) -> Self {
        let PluginKey { id, version } = plugin.key().clone();
        let exports = plugin.prepared.exports().iter().map(|export| export.name.to_string()).collect();
        let problems = Vec::new();
        Self { ok: true, file, id: Some(id), version: Some(version), problems, exports, against: None, host: None }
    }

    pub(super) fn refused(file: String, key: Option<PluginKey>, problems: Vec<String>) -> Self {
        let (id, version) = key.map(|key| (key.id, key.version)).unzip();
        Self { ok: false, file, id, version, problems, exports: Vec::new(), against: None, host: None }
    }

    pub(super) fn compare(&mut self, comparison: Comparison) {
        self.ok &= comparison.is_enough();
        self.against = Some(comparison);
    }

    pub(super) fn host(&mut self, host: OnHost) {
        self.ok &= host.refused.is_none() && host.comparison.as_ref().is_none_or(Comparison::is_enough);
        self.host = Some(host);
    }
}

impl Comparison {
    /// `same` is true when the files are.
    pub(super) fn new(with: String, old: &Provider<'_>, new: &Provider<'_>, same: bool) -> Self {
        let changes = old.offer.changes_to(&new.offer);
        let floor = if same { Weight::Nothing } else { Weight::Patch };
        let weight = changes.iter().map(PackageChanges::weight).max().unwrap_or(Weight::Nothing).max(floor);
        let packages = changes.into_iter().map(|package| Package {
            advice: package.advice(),
            service: package.service,
            changes: package.changes,
        });
        Self {
            with,
            id: old.key.id.clone(),
            version: old.key.version.clone(),
            packages: packages.collect(),
            plugin: Advice::new(weight, &old.key.version, &new.key.version),
            consumers: None,
        }
    }

    /// The same, knowing who would find nobody.
    pub(super) fn with_consumers(self, consumers: Vec<BrokenConsumer>) -> Self {
        Self { consumers: Some(consumers), ..self }
    }

    fn is_enough(&self) -> bool {
        self.plugin.enough && self.packages.iter().all(|package| package.advice.as_ref().is_none_or(|a| a.enough))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let (Some(id), Some(version)) = (&self.id, &self.version) {
            write!(f, ": {id} {version}")?;
        }
        if self.problems.is_empty() {
            writeln!(f, ": the host would load it")?;
        } else {
            writeln!(f, ": the host would refuse it")?;
        }
        for problem in &self.problems {
            writeln!(f, "  {}", problem.replace('\n', "\n  "))?;
        }
        if !self.exports.is_empty() {
            writeln!(f, "  exports {}", self.exports.join(", "))?;
        }
        self.against.iter().try_for_each(|comparison| write!(f, "{comparison}"))?;
        self.host.iter().try_for_each(|host| write!(f, "{host}"))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nCompared with {} {} ({}):", self.id, self.version, self.with)?;
        if self.packages.is_empty() {
            writeln!(f, "  what it offers is the same")?;
        }
        for change in self.packages.iter().flat_map(|package| &package.changes) {
            writeln!(f, "  {}  {change}", if change.is_compatible() { "compatible" } else { "breaks    " })?;
        }
        for consumer in self.consumers.iter().flatten() {
            writeln!(f, "  in its place it would break {}", told(consumer))?;
        }
        for package in &self.packages {
            if let Some(advice) = &package.advice {
                writeln!(f, "  version of the WIT package {}: {}", package.service, Said(advice))?;
            }
        }
        writeln!(f, "  version of the plugin: {}", Said(&self.plugin))
    }
}

impl fmt::Display for OnHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.comparison {
            Some(comparison) => write!(f, "{comparison}")?,
            None => writeln!(f, "\nNo version of it is loaded at {}.", self.url)?,
        }
        match &self.refused {
            Some(breach) => writeln!(f, "\n{} would refuse it: {breach}", self.url),
            None => Ok(()),
        }
    }
}

fn told(consumer: &BrokenConsumer) -> String {
    format!("{} {}: {}", consumer.id, consumer.version, consumer.reasons.join("; "))
}

/// A piece of advice in words.
struct Said<'a>(&'a Advice);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Advice { weight, from, found, needs, enough } = self.0;
        let why = match weight {
            Weight::Nothing => "nothing has changed",
            Weight::Patch => "only the code has changed",
            Weight::Addition => "something was added",
            Weight::Breaking => "something breaks",
        };
        match enough {
            true if found == needs => write!(f, "{found} is right: {why} since {from}"),
            true => write!(f, "{found} will do, {needs} would be enough: {why} since {from}"),
            false => write!(f, "{found} is too low, make it {needs}: {why} since {from}"),
        }
    }
}
