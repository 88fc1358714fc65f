//! Whether a plugin keeps what earlier versions of it promised, and who relies on what it does not keep.
//!
//! A version number is a promise: whatever is offered on a compatibility track stays on it. So a plugin is compared
//! with the highest earlier version of each of its packages on the same track, and with all that earlier versions
//! of the plugin on its own track offered. A lower version promises nothing of a higher one.

use std::fmt;

use semver::{Version, VersionReq};
use serde::Serialize;

use super::advice::{Weight, next};
use super::change::{Change, Kind, Part, Place};
use super::compare::{Offer, Package};
use crate::id::ServiceName;
use crate::registry::resolve::Track;
use crate::runtime::shape::FunctionShape;
use crate::runtime::{PluginKey, VersionedInterface};

/// Changes that a message names. Programs get all of them.
const CHANGES_SHOWN: usize = 12;

/// A plugin by what it offers.
#[derive(Debug, Clone)]
pub struct Provider<'a> {
    pub key: &'a PluginKey,
    pub offer: Offer<'a>,
}

/// A plugin by what it uses.
#[derive(Debug, Clone)]
pub struct Consumer<'a> {
    pub key: &'a PluginKey,
    pub needs: Vec<Need<'a>>,
}

/// One interface that a plugin uses.
#[derive(Debug, Clone)]
pub struct Need<'a> {
    pub name: &'a VersionedInterface,
    /// What its manifest accepts, where it says so.
    pub requirement: Option<&'a VersionReq>,
    pub functions: Vec<(&'a str, &'a FunctionShape)>,
}

/// A promise that a plugin does not keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Breach {
    pub packages: Vec<BrokenPackage>,
    /// The loaded plugins that would not go on working.
    pub consumers: Vec<BrokenConsumer>,
    /// The lowest version of the plugin that promises nothing of what is broken.
    pub plugin_needs: Version,
}

/// A WIT package that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokenPackage {
    pub service: ServiceName,
    /// Who offered it so, as `crm 1.0.0`.
    pub offered_by: String,
    pub from: Version,
    /// Absent when it is not offered any longer.
    pub to: Option<Version>,
    /// The lowest version that allows the change.
    pub needs: Version,
    /// Those that break somebody.
    pub changes: Vec<Change>,
}

/// A plugin that calls what is not there any longer, or not so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokenConsumer {
    pub id: String,
    pub version: Version,
    /// The first function of each interface that does not fit, and how.
    pub reasons: Vec<String>,
}

/// What `coming` does not keep of the promises of its `earlier` versions; of `recorded` ones, where none of those
/// that can be seen promised anything of the kind. Who would be broken is not known yet.
pub fn judge(coming: &Provider<'_>, earlier: &[Provider<'_>], recorded: &[Provider<'_>]) -> Option<Breach> {
    let mut packages = Vec::new();
    for package in &coming.offer.packages {
        let Some((by, before)) = followed(package, earlier).or_else(|| followed(package, recorded)) else { continue };
        let mut changes = before.changes_to(package);
        changes.retain(|change| !change.is_compatible());
        if !changes.is_empty() {
            packages.push(broken(by, before, Some(&package.version), changes));
        }
    }
    packages.extend(withdrawn(coming, earlier, recorded));
    let highest = packages.iter().filter_map(|package| Version::parse(package.offered_by.rsplit(' ').next()?).ok());
    let from = highest.max()?;
    Some(Breach { packages, consumers: Vec::new(), plugin_needs: next(&from, Weight::Breaking) })
}

/// What becomes of consumers of `before` when `after` takes its place, whatever its version promises: those of a
/// package that has moved to another track find it gone.
pub fn replaced(before: &Provider<'_>, after: &Provider<'_>, consumers: &[Consumer<'_>]) -> Vec<BrokenConsumer> {
    let packages = before.offer.packages.iter().map(|package| {
        let stays = |other: &&Package<'_>| {
            other.service == package.service && Track::of(&other.version) == Track::of(&package.version)
        };
        let to = after.offer.packages.iter().rfind(stays).map(|other| &other.version);
        broken(before.key, package, to, Vec::new())
    });
    let mut breach =
        Breach { packages: packages.collect(), consumers: Vec::new(), plugin_needs: before.key.version.clone() };
    breach.concern(&after.offer, consumers);
    breach.consumers
}

/// The package that this one follows: the highest on its track that is not above it.
fn followed<'a, 'b>(package: &Package<'_>, providers: &'b [Provider<'a>]) -> Option<(&'b PluginKey, &'b Package<'a>)> {
    let all = providers.iter().flat_map(|provider| provider.offer.packages.iter().map(|known| (provider.key, known)));
    let precedes = |(_, known): &(&PluginKey, &Package<'_>)| {
        known.service == package.service && known.can_become(&package.version)
    };
    all.filter(precedes).max_by(|(a, x), (b, y)| (&x.version, &a.version).cmp(&(&y.version, &b.version)))
}

/// Packages that earlier versions of the plugin offered, on the track that its version says it is on, and that it
/// does not.
fn withdrawn(coming: &Provider<'_>, earlier: &[Provider<'_>], recorded: &[Provider<'_>]) -> Vec<BrokenPackage> {
    let version = &coming.key.version;
    let promised = |provider: &&Provider<'_>| {
        Track::of(&provider.key.version) == Track::of(version)
            && provider.key.version.cmp_precedence(version).is_le()
            && !provider.offer.packages.is_empty()
    };
    let seen = earlier.iter().any(|provider| promised(&provider));
    let mut broken_packages: Vec<BrokenPackage> = Vec::new();
    for provider in if seen { earlier } else { recorded }.iter().filter(promised) {
        for package in &provider.offer.packages {
            let track = Track::of(&package.version);
            let kept =
                |service: &ServiceName, version: &Version| *service == package.service && Track::of(version) == track;
            let offered = coming.offer.packages.iter().any(|known| kept(&known.service, &known.version));
            let told = broken_packages.iter().any(|known| kept(&known.service, &known.from));
            if !offered && !told {
                let place = Place::Service(package.service.clone());
                let kind = Kind::Removed(Part::Service, package.service.to_string());
                broken_packages.push(broken(provider.key, package, None, vec![Change { place, kind }]));
            }
        }
    }
    broken_packages
}

fn broken(by: &PluginKey, before: &Package<'_>, to: Option<&Version>, changes: Vec<Change>) -> BrokenPackage {
    BrokenPackage {
        service: before.service.clone(),
        offered_by: by.to_string(),
        from: before.version.clone(),
        to: to.cloned(),
        needs: next(&before.version, Weight::Breaking),
        changes,
    }
}

impl Breach {
    /// Finds out who relies on what is broken: whoever the plugin would be asked to serve, and could not.
    pub fn concern(&mut self, coming: &Offer<'_>, consumers: &[Consumer<'_>]) {
        self.consumers = consumers.iter().filter_map(|consumer| self.consumer(coming, consumer)).collect();
    }

    fn consumer(&self, coming: &Offer<'_>, consumer: &Consumer<'_>) -> Option<BrokenConsumer> {
        let reasons: Vec<String> = consumer.needs.iter().filter_map(|need| self.unmet(coming, need)).collect();
        let PluginKey { id, version } = consumer.key;
        let broken = BrokenConsumer { id: id.to_string(), version: version.clone(), reasons };
        (!broken.reasons.is_empty()).then_some(broken)
    }

    /// Why an import is not served any longer; none when it does not concern this plugin.
    fn unmet(&self, coming: &Offer<'_>, need: &Need<'_>) -> Option<String> {
        let Need { name, requirement, functions } = need;
        let service = name.interface.service();
        let is_meant = |package: &&BrokenPackage| {
            package.service == service && Track::of(&package.from) == Track::of(&name.version)
        };
        let Some(to) = &self.packages.iter().find(is_meant)?.to else {
            return Some(format!("{}: the service is gone", name.interface));
        };
        // What it would not be asked to serve, it cannot break.
        let asked = name.version.cmp_precedence(to).is_le() && requirement.is_none_or(|range| range.matches(to));
        let now = coming.packages.iter().find(|package| package.service == service && package.version == *to)?;
        if !asked {
            return None;
        }
        functions.iter().find_map(|(function, expected)| {
            let why = match now.function(&name.interface, function) {
                None => "the function is missing".to_string(),
                Some(found) => found.difference(expected)?.to_string(),
            };
            Some(format!("{}.{function}: {why}", name.interface))
        })
    }

    /// Who would break and what has changed, a line each.
    pub fn details(&self) -> String {
        let consumers = self.consumers.iter().map(|consumer| {
            format!("\n  would break {} {}: {}", consumer.id, consumer.version, consumer.reasons.join("; "))
        });
        let nobody = self.consumers.is_empty().then(|| "\n  no loaded plugin uses what has changed".to_string());
        let changes: Vec<&Change> = self.packages.iter().flat_map(|package| &package.changes).collect();
        let more = changes.len().saturating_sub(CHANGES_SHOWN);
        let told = changes.into_iter().take(CHANGES_SHOWN).map(|change| format!("\n  {change}"));
        let more = (more > 0).then(|| format!("\n  and {more} more"));
        consumers.chain(nobody).chain(told).chain(more).collect()
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut earlier: Vec<&str> = self.packages.iter().map(|package| package.offered_by.as_str()).collect();
        earlier.dedup();
        write!(f, "it breaks what {} offers, under a version that says it does not: give ", earlier.join(" and "))?;
        for package in self.packages.iter().filter(|package| package.to.is_some()) {
            write!(f, "the WIT package `{}` version {} and ", package.service, package.needs)?;
        }
        write!(f, "the plugin version {}, or offer again what was offered", self.plugin_needs)?;
        f.write_str(&self.details())
    }
}
