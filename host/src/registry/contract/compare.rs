//! What two versions of a plugin offer, compared service by service.

use std::collections::BTreeMap;

use semver::Version;
use serde::Serialize;

use super::change::{Change, Kind, Part, Place};
use super::walk;
use crate::id::{InterfaceName, ServiceName};
use crate::registry::resolve::Track;
use crate::runtime::shape::FunctionShape;
use crate::runtime::{ExportedInterface, VersionedInterface};

/// What a plugin offers, apart from any engine.
#[derive(Debug, Clone, Default)]
pub struct Offer<'a> {
    pub packages: Vec<Package<'a>>,
}

/// One WIT package of it, at one version.
#[derive(Debug, Clone)]
pub struct Package<'a> {
    pub service: ServiceName,
    pub version: Version,
    interfaces: BTreeMap<InterfaceName, BTreeMap<&'a str, &'a FunctionShape>>,
}

/// What became of one WIT package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageChanges {
    pub service: ServiceName,
    /// Absent when the package is new.
    pub from: Option<Version>,
    /// Absent when it is gone.
    pub to: Option<Version>,
    pub changes: Vec<Change>,
}

impl<'a> Offer<'a> {
    pub fn new(
        interfaces: impl IntoIterator<Item = (&'a VersionedInterface, Vec<(&'a str, &'a FunctionShape)>)>,
    ) -> Self {
        let mut packages: Vec<Package<'a>> = Vec::new();
        for (name, functions) in interfaces {
            let service = name.interface.service();
            // What the host itself asks of plugins is no service of theirs.
            if service.as_str().starts_with("tenon:") {
                continue;
            }
            let known = packages.iter().position(|known| known.service == service && known.version == name.version);
            let index = known.unwrap_or_else(|| {
                let version = name.version.clone();
                packages.push(Package { service, version, interfaces: BTreeMap::new() });
                packages.len() - 1
            });
            packages[index].interfaces.insert(name.interface.clone(), functions.into_iter().collect());
        }
        packages.sort_by(|a, b| (&a.service, &a.version).cmp(&(&b.service, &b.version)));
        Self { packages }
    }

    pub fn of(exports: &'a [ExportedInterface]) -> Self {
        Self::new(exports.iter().map(|export| {
            let functions = export.functions.iter().map(|function| (function.name.as_str(), &function.shape));
            (&export.name, functions.collect())
        }))
    }

    /// What became of each package that is not what it was. Packages on the same compatibility track belong
    /// together; of those that are left, a service that has moved to another track is compared as well.
    pub fn changes_to(&self, later: &Offer<'_>) -> Vec<PackageChanges> {
        let on_track =
            |package: &Package<'_>, of: &Offer<'_>| of.on_track(&package.service, &package.version).is_some();
        let moved = |package: &Package<'_>| {
            let mut others = later.packages.iter().filter(|other| other.service == package.service);
            others.rfind(|other| !on_track(other, self))
        };
        let mut all = Vec::new();
        let mut taken = Vec::new();
        for package in &self.packages {
            let next = later.on_track(&package.service, &package.version).or_else(|| moved(package));
            taken.extend(next.map(|next| (&next.service, &next.version)));
            all.push(PackageChanges {
                service: package.service.clone(),
                from: Some(package.version.clone()),
                to: next.map(|next| next.version.clone()),
                changes: next.map_or_else(|| vec![package.whole(Kind::Removed)], |next| package.changes_to(next)),
            });
        }
        for package in &later.packages {
            if !taken.contains(&(&package.service, &package.version)) {
                all.push(PackageChanges {
                    service: package.service.clone(),
                    from: None,
                    to: Some(package.version.clone()),
                    changes: vec![package.whole(Kind::Added)],
                });
            }
        }
        all.retain(|package| !package.changes.is_empty());
        all
    }

    /// Its package of this service that can stand for this version, or be stood for by it: the same version, else
    /// the highest on the track.
    fn on_track(&self, service: &ServiceName, version: &Version) -> Option<&Package<'a>> {
        let track = Track::of(version);
        let on_track = |package: &&Package<'_>| package.service == *service && Track::of(&package.version) == track;
        let exactly = self.packages.iter().filter(on_track).find(|package| package.version == *version);
        exactly.or_else(|| self.packages.iter().rfind(on_track))
    }
}

impl Package<'_> {
    /// Every change from this version of a package to another, the version itself first.
    pub fn changes_to(&self, later: &Package<'_>) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.version != later.version {
            let compatible = self.can_become(&later.version);
            let kind = Kind::Version { from: self.version.clone(), to: later.version.clone(), compatible };
            changes.push(Change { place: Place::Service(self.service.clone()), kind });
        }
        for (interface, functions) in &self.interfaces {
            match later.interfaces.get(interface) {
                Some(later) => functions_changed(interface, functions, later, &mut changes),
                None => changes.push(whole_interface(interface, Kind::Removed)),
            }
        }
        let added = later.interfaces.keys().filter(|interface| !self.interfaces.contains_key(*interface));
        changes.extend(added.map(|interface| whole_interface(interface, Kind::Added)));
        changes
    }

    /// Whether a consumer of this version is linked to another, as far as versions tell.
    pub fn can_become(&self, later: &Version) -> bool {
        Track::of(&self.version) == Track::of(later) && self.version.cmp_precedence(later).is_le()
    }

    /// Its function of this name.
    pub fn function(&self, interface: &InterfaceName, name: &str) -> Option<&FunctionShape> {
        self.interfaces.get(interface)?.get(name).copied()
    }

    fn whole(&self, kind: impl Fn(Part, String) -> Kind) -> Change {
        let kind = kind(Part::Service, self.service.to_string());
        Change { place: Place::Service(self.service.clone()), kind }
    }
}

fn whole_interface(interface: &InterfaceName, kind: impl Fn(Part, String) -> Kind) -> Change {
    Change { place: Place::Interface(interface.clone()), kind: kind(Part::Interface, interface.to_string()) }
}

fn functions_changed(
    interface: &InterfaceName,
    old: &BTreeMap<&str, &FunctionShape>,
    new: &BTreeMap<&str, &FunctionShape>,
    changes: &mut Vec<Change>,
) {
    let whole = |name: &str, kind: fn(Part, String) -> Kind| Change {
        place: Place::Function(interface.clone(), name.to_string()),
        kind: kind(Part::Function, name.to_string()),
    };
    for (name, shape) in old {
        match new.get(name) {
            Some(later) => changes.extend(walk::function(interface, name, shape, later)),
            None => changes.push(whole(name, Kind::Removed)),
        }
    }
    let added = new.keys().filter(|name| !old.contains_key(*name));
    changes.extend(added.map(|name| whole(name, Kind::Added)));
}
