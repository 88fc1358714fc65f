//! Which versions a change needs, by the rules of semantic versioning as the resolver applies them.

use semver::{BuildMetadata, Prerelease, Version};
use serde::Serialize;

use super::change::{Change, Kind};
use super::compare::PackageChanges;
use crate::registry::resolve::Track;

/// How much a change asks of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Weight {
    Nothing,
    /// Other code behind the same types.
    Patch,
    /// Something more is offered.
    Addition,
    /// A consumer that was built before does not go on working.
    Breaking,
}

/// Whether a version says as much as has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    pub weight: Weight,
    pub from: Version,
    /// What it is.
    pub found: Version,
    /// What it has to be at least.
    pub needs: Version,
    pub enough: bool,
}

impl Advice {
    pub fn new(weight: Weight, from: &Version, found: &Version) -> Self {
        let needs = next(from, weight);
        let other_track = weight < Weight::Breaking || Track::of(found) != Track::of(from);
        let enough = other_track && found.cmp_precedence(&needs).is_ge();
        Self { weight, from: from.clone(), found: found.clone(), needs, enough }
    }
}

impl PackageChanges {
    /// What the version of the WIT package has to be; none when the package has come or gone as a whole.
    pub fn advice(&self) -> Option<Advice> {
        let (from, found) = (self.from.as_ref()?, self.to.as_ref()?);
        // That the version is another is not yet a change of what it stands for.
        let offered = self.changes.iter().filter(|change| !matches!(change.kind, Kind::Version { .. }));
        Some(Advice::new(heaviest(offered), from, found))
    }

    /// What it asks of the plugin's own version.
    pub fn weight(&self) -> Weight {
        heaviest(&self.changes)
    }
}

fn heaviest<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Weight {
    let weight = |change: &Change| match (&change.kind, change.is_compatible()) {
        (_, false) => Weight::Breaking,
        (Kind::Version { .. }, true) => Weight::Patch,
        (_, true) => Weight::Addition,
    };
    changes.into_iter().map(weight).max().unwrap_or(Weight::Nothing)
}

/// The lowest version after this one that says as much: before 1.0 the minor number is the track, and before 0.1
/// each version, as each prerelease, is a track of its own.
pub fn next(version: &Version, weight: Weight) -> Version {
    let Version { major, minor, patch, .. } = *version;
    if weight == Weight::Nothing {
        return Version { build: BuildMetadata::EMPTY, ..version.clone() };
    }
    if !version.pre.is_empty() {
        return Version { pre: next_prerelease(&version.pre), build: BuildMetadata::EMPTY, ..*version };
    }
    match (major, minor, weight) {
        (0, 0, _) => Version::new(0, 0, patch.saturating_add(1)),
        (0, _, Weight::Breaking) => Version::new(0, minor.saturating_add(1), 0),
        (_, _, Weight::Breaking) => Version::new(major.saturating_add(1), 0, 0),
        (1.., _, Weight::Addition) => Version::new(major, minor.saturating_add(1), 0),
        _ => Version::new(major, minor, patch.saturating_add(1)),
    }
}

/// `rc.1` is followed by `rc.2`, and `alpha` by `alpha.1`.
fn next_prerelease(pre: &Prerelease) -> Prerelease {
    let (front, last) = pre.as_str().rsplit_once('.').map_or(("", pre.as_str()), |(front, last)| (front, last));
    let text = match last.parse::<u64>() {
        Ok(number) if front.is_empty() => number.saturating_add(1).to_string(),
        Ok(number) => format!("{front}.{}", number.saturating_add(1)),
        Err(_) => format!("{pre}.1"),
    };
    Prerelease::new(&text).unwrap_or_else(|_| pre.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(version: &str, weight: Weight) -> String {
        next(&version.parse().unwrap(), weight).to_string()
    }

    #[test]
    fn the_next_version_says_what_has_changed() {
        use Weight::{Addition, Breaking, Nothing, Patch};
        let cases = [
            ("1.2.3", ["1.2.3", "1.2.4", "1.3.0", "2.0.0"]),
            ("0.2.3", ["0.2.3", "0.2.4", "0.2.4", "0.3.0"]),
            ("0.0.3", ["0.0.3", "0.0.4", "0.0.4", "0.0.4"]),
            ("1.0.0-rc.1", ["1.0.0-rc.1", "1.0.0-rc.2", "1.0.0-rc.2", "1.0.0-rc.2"]),
            ("1.0.0-beta", ["1.0.0-beta", "1.0.0-beta.1", "1.0.0-beta.1", "1.0.0-beta.1"]),
            ("1.2.3+a", ["1.2.3", "1.2.4", "1.3.0", "2.0.0"]),
        ];
        for (version, expected) in cases {
            assert_eq!(
                [Nothing, Patch, Addition, Breaking].map(|weight| after(version, weight)),
                expected,
                "{version}"
            );
        }
    }

    #[test]
    fn a_version_is_enough_when_it_is_as_high_and_a_break_leaves_the_track() {
        let enough = |weight, from: &str, found: &str| {
            Advice::new(weight, &from.parse().unwrap(), &found.parse().unwrap()).enough
        };
        assert!(enough(Weight::Breaking, "1.0.0", "2.0.0") && enough(Weight::Breaking, "1.0.0", "3.1.0"));
        assert!(!enough(Weight::Breaking, "1.0.0", "1.9.0") && !enough(Weight::Breaking, "0.2.0", "0.2.9"));
        assert!(enough(Weight::Addition, "1.0.0", "1.1.0") && !enough(Weight::Addition, "1.0.0", "1.0.9"));
        assert!(enough(Weight::Patch, "1.0.0", "1.0.1") && !enough(Weight::Patch, "1.0.0", "1.0.0"));
        assert!(enough(Weight::Nothing, "1.0.0", "1.0.0") && !enough(Weight::Nothing, "1.0.0", "0.9.0"));
        assert!(
            enough(Weight::Breaking, "1.0.0-rc.1", "1.0.0") && enough(Weight::Breaking, "1.0.0-rc.1", "1.0.0-rc.2")
        );
    }

    proptest! {
        #[test]
        fn what_is_advised_is_enough(major in 0u64..3, minor in 0u64..3, patch in 0u64..3, pre in "(rc\\.[0-9])?") {
            let mut version = Version::new(major, minor, patch);
            version.pre = Prerelease::new(&pre).unwrap();
            for weight in [Weight::Nothing, Weight::Patch, Weight::Addition, Weight::Breaking] {
                let needs = next(&version, weight);
                prop_assert!(Advice::new(weight, &version, &needs).enough, "{version} {weight:?} {needs}");
            }
        }
    }
}
