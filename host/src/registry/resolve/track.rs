//! Which versions of an interface can stand for each other at all.

use std::fmt;

use semver::Version;

/// A line of compatible versions: `1.x`, `0.2.x`, or one version alone (`0.0.x`, prereleases).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Track {
    Major(u64),
    ZeroMinor(u64),
    Exactly(Version),
}

impl Track {
    pub fn of(version: &Version) -> Self {
        match version {
            Version { pre, .. } if !pre.is_empty() => Track::Exactly(without_build(version)),
            Version { major: 0, minor: 0, .. } => Track::Exactly(without_build(version)),
            Version { major: 0, minor, .. } => Track::ZeroMinor(*minor),
            Version { major, .. } => Track::Major(*major),
        }
    }
}

/// Build metadata says nothing about compatibility.
fn without_build(version: &Version) -> Version {
    Version { build: semver::BuildMetadata::EMPTY, ..version.clone() }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Track::Major(major) => write!(f, "{major}.x"),
            Track::ZeroMinor(minor) => write!(f, "0.{minor}.x"),
            Track::Exactly(version) => write!(f, "{version} alone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_share_a_track_as_components_take_them() {
        let same = |a: &str, b: &str| Track::of(&a.parse().unwrap()) == Track::of(&b.parse().unwrap());
        assert!(same("1.0.0", "1.9.3") && same("0.2.0", "0.2.9") && same("0.0.1", "0.0.1"));
        assert!(same("1.0.0-rc.1", "1.0.0-rc.1") && same("0.0.1+a", "0.0.1+b"));
        assert!(!same("1.0.0", "2.0.0") && !same("0.2.0", "0.3.0") && !same("0.0.1", "0.0.2"));
        assert!(!same("1.0.0-rc.1", "1.0.0-rc.2") && !same("1.0.0-rc.1", "1.0.0") && !same("0.1.0", "1.0.0"));
    }
}
