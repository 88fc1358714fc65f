//! Which version of each plugin was the highest that ran, and which lower ones never went away.
//!
//! Whoever can put a file into the directory, but cannot sign one, could put an old version there that was signed
//! before its hole was found. So a version below the highest is taken only if it stayed: it ran when the host last
//! looked, and its file was there ever since. An empty directory takes nothing away, because a file system that is not
//! mounted looks the same. Pure: no clock, no disk.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use crate::db;
use crate::runtime::PluginKey;

/// What is remembered of versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// By plugin id.
    highest: BTreeMap<String, Version>,
    /// Each version that stayed, as id and version, with its file.
    kept: BTreeMap<(String, String), String>,
}

/// One plugin that is loaded.
pub struct Present<'a> {
    pub key: &'a PluginKey,
    pub file: &'a str,
    /// It takes calls.
    pub active: bool,
}

impl Versions {
    /// A row whose version is none binds nobody.
    pub fn new(highest: &[db::HighestVersion], kept: Vec<db::KeptVersion>) -> Self {
        let parsed = |row: &db::HighestVersion| Some((row.plugin.clone(), Version::parse(&row.version).ok()?));
        Self {
            highest: highest.iter().filter_map(parsed).collect(),
            kept: kept.into_iter().map(|row| ((row.plugin, row.version), row.file_name)).collect(),
        }
    }

    /// The highest version of the plugin, if it is above this one and this one did not stay.
    pub fn above(&self, key: &PluginKey) -> Option<&Version> {
        let highest = self.highest.get(key.id.as_str())?;
        let stayed = self.kept.contains_key(&(key.id.to_string(), key.version.to_string()));
        (key.version.cmp_precedence(highest).is_lt() && !stayed).then_some(highest)
    }

    /// What is to be remembered from now on. `files` are the names of all files of the directory.
    #[must_use]
    pub fn after(&self, present: &[Present<'_>], files: &BTreeSet<String>) -> Self {
        let mut highest = self.highest.clone();
        for Present { key, .. } in present.iter().filter(|plugin| plugin.active) {
            let known = highest.entry(key.id.to_string()).or_insert_with(|| key.version.clone());
            if key.version.cmp_precedence(known).is_gt() {
                *known = key.version.clone();
            }
        }
        let taken: BTreeSet<&str> = present.iter().map(|plugin| plugin.file).collect();
        // The file is there and holds nothing that runs: it is refused for now, or still being loaded.
        let stays = |file: &str| files.is_empty() || files.contains(file) && !taken.contains(file);
        let mut kept = self.kept.clone();
        kept.retain(|_, file| stays(file));
        for Present { key, file, .. } in present {
            kept.insert((key.id.to_string(), key.version.to_string()), (*file).to_string());
        }
        Self { highest, kept }
    }

    /// The rows of both tables.
    pub fn rows(&self) -> (Vec<db::HighestVersion>, Vec<db::KeptVersion>) {
        let highest = self.highest.iter();
        let highest = highest
            .map(|(plugin, version)| db::HighestVersion { plugin: plugin.clone(), version: version.to_string() });
        let kept = self.kept.iter().map(|((plugin, version), file_name)| db::KeptVersion {
            plugin: plugin.clone(),
            version: version.clone(),
            file_name: file_name.clone(),
        });
        (highest.collect(), kept.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PluginId;

    fn key(id: &str, version: &str) -> PluginKey {
        PluginKey { id: PluginId::parse(id).unwrap(), version: version.parse().unwrap() }
    }

    /// What is remembered after these versions of `crm` were loaded, each as version, file and whether it is active.
    fn after(before: &Versions, present: &[(&str, &str, bool)], files: &[&str]) -> Versions {
        let keys: Vec<_> = present.iter().map(|(version, ..)| key("crm", version)).collect();
        let present: Vec<_> =
            present.iter().zip(&keys).map(|(&(_, file, active), key)| Present { key, file, active }).collect();
        before.after(&present, &files.iter().map(ToString::to_string).collect())
    }

    fn refused(versions: &Versions, version: &str) -> bool {
        versions.above(&key("crm", version)).is_some()
    }

    #[test]
    fn a_lower_version_is_refused_unless_it_stayed() {
        let none = Versions::default();
        assert!(!refused(&none, "0.1.0"));
        let both = after(&none, &[("1.0.0", "a", true), ("1.1.0", "b", true)], &["a", "b"]);
        assert!(!refused(&both, "1.0.0") && refused(&both, "1.0.1") && !refused(&both, "1.1.0"));
        assert!(!refused(&both, "2.0.0") && both.above(&key("other", "0.1.0")).is_none());
        let gone = after(&both, &[("1.1.0", "b", true)], &["b"]);
        assert!(refused(&gone, "1.0.0"));
        // A version that comes back by permission is one that stays.
        let back = after(&gone, &[("1.0.0", "c", true), ("1.1.0", "b", true)], &["b", "c"]);
        assert!(!refused(&back, "1.0.0"));
        assert_eq!(Versions::new(&back.rows().0, back.rows().1), back);
    }

    #[test]
    fn only_what_takes_calls_counts_as_the_highest() {
        let inactive = after(&Versions::default(), &[("1.0.0", "a", true), ("9.0.0", "b", false)], &["a", "b"]);
        assert!(!refused(&inactive, "1.1.0"));
        // What comes before a release is older than it; what is built differently is not.
        let next = after(&inactive, &[("2.0.0+first", "a", true)], &["a"]);
        assert!(refused(&next, "2.0.0-rc.1") && !refused(&next, "2.0.0") && !refused(&next, "2.0.0+second"));
    }

    #[test]
    fn what_is_refused_for_a_while_has_not_gone() {
        let both = after(&Versions::default(), &[("1.0.0", "a", true), ("1.1.0", "b", true)], &["a", "b"]);
        assert!(!refused(&after(&both, &[("1.1.0", "b", true)], &["a", "b"]), "1.0.0"), "its file is there");
        assert!(!refused(&after(&both, &[], &[]), "1.0.0"), "an empty directory");
        assert!(refused(&after(&both, &[("1.2.0", "a", true)], &["a"]), "1.0.0"), "another lies in its place");
        assert!(refused(&after(&both, &[], &["other"]), "1.0.0"), "other files are there");
    }
}
