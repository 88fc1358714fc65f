//! Whether what comes may take the place of what runs, and what is kept beside it.
//!
//! Invariants: a plugin that works is replaced only by one that works, by links and by trial; and nothing that arrives
//! makes a plugin stop that worked before. A new version under which others would lose their provider leaves the old
//! one loaded for them, or is refused, as `loader.dependants` says. Both are judged by the view of a tenant that has
//! chosen nothing. For tenants that the new one has not come to, or that are pinned to the old one, the old one stays
//! loaded as well ([`super::stand_in`]). It only looks: at two views, the one before and the one there would be, and at
//! what runs for tenants. Bound: each round refuses a file or keeps a plugin for one more; nothing is kept of a plugin
//! that is loaded in `loader.versions` versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::plugin::Plugin;
use super::resolve::{InactiveReason, Link, Outcome, Status};
use super::snapshot::Snapshot;
use super::stand_in;
use crate::config::Dependants;
use crate::id::PluginId;
use crate::runtime::PluginKey;

/// A plugin whose file was replaced, loaded for those that cannot use what took its place.
#[derive(Clone)]
pub struct Kept {
    pub plugin: Arc<Plugin>,
    pub for_plugins: BTreeSet<PluginId>,
    /// Whether there are tenants that cannot have, or do not have yet, what took its place.
    pub for_tenants: bool,
}

impl Kept {
    /// For whom, in words.
    pub fn dependants(&self) -> String {
        let plugins = self.for_plugins.iter().map(PluginId::as_str);
        plugins.chain(self.for_tenants.then_some("tenants")).collect::<Vec<_>>().join(", ")
    }
}

/// Why a file's new content does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwapError {
    #[error("{old} goes on, because {new} would not be active in its place: {reason}")]
    Inactive { old: PluginKey, new: PluginKey, reason: String },
    #[error("{old} goes on, because {new} does not start: {failure}")]
    Start { old: PluginKey, new: PluginKey, failure: String },
    #[error(
        "{old} goes on, because {dependants} would have no provider if {new} took its place and loader.dependants is \
         `refuse`: replace those first, or put {new} into a file of its own"
    )]
    Dependants { old: PluginKey, new: PluginKey, dependants: String },
    #[error(
        "{old} goes on, because {dependants} would have no provider if {new} took its place, and it cannot be kept for \
         them beside another of that version: give the new one another version, or replace those with it"
    )]
    SameVersion { old: PluginKey, new: PluginKey, dependants: String },
    #[error(
        "{old} goes on, because {dependants} would have no provider if {new} took its place, and {limit} versions of \
         it are loaded, no more of which may be (loader.versions): replace those first"
    )]
    Versions { old: PluginKey, new: PluginKey, dependants: String, limit: usize },
    #[error("it would stop {dependant}, which works: required dependencies would form a cycle: {way}")]
    Cycle { dependant: PluginKey, way: String },
}

/// What has been decided of one change of the directory, round by round.
#[derive(Clone)]
pub struct Swaps<'a> {
    before: &'a Snapshot,
    /// What ran from each file.
    ran: Arc<BTreeMap<String, Arc<Plugin>>>,
    dependants: Dependants,
    versions_max: usize,
    pub refused: BTreeMap<String, SwapError>,
    pub kept: Vec<Kept>,
}

impl<'a> Swaps<'a> {
    pub fn new(before: &'a Snapshot, dependants: Dependants, versions_max: usize) -> Self {
        let (ran, kept) = (Arc::new(before.by_file()), before.kept().to_vec());
        Self { before, ran, dependants, versions_max, refused: BTreeMap::new(), kept }
    }

    /// Refuses and keeps until nothing speaks against what would run, which is given back. `make` is asked what that
    /// is, again and again.
    pub fn settle(&mut self, make: &impl Fn(&mut Self) -> Snapshot) -> Snapshot {
        // What stands in for tenants changes nothing of what is judged here, and is looked for at the end.
        self.kept.iter_mut().for_each(|kept| kept.for_tenants = false);
        self.kept.retain(|kept| !kept.for_plugins.is_empty());
        self.rounds(make);
        // Whoever was refused for want of a provider may have been deprived of it by another that was refused as well.
        let inactive = self.refused.iter().filter(|(_, error)| matches!(error, SwapError::Inactive { .. }));
        let inactive: Vec<String> = inactive.map(|(file, _)| file.clone()).collect();
        for file in inactive {
            if self.refused.len() < 2 {
                break;
            }
            let mut again = self.clone();
            again.refused.remove(&file);
            again.rounds(make);
            if again.refused.keys().all(|other| *other != file && self.refused.contains_key(other)) {
                *self = again;
            }
        }
        loop {
            let next = make(self);
            if !self.release_unused(&next) {
                return if self.stand_in(&next) { make(self) } else { next };
            }
        }
    }

    fn rounds(&mut self, make: &impl Fn(&mut Self) -> Snapshot) {
        loop {
            let next = make(self);
            if !(self.refuse_inactive(&next) || self.refuse_cycles(&next) || self.provide(&next)) {
                return;
            }
        }
    }

    /// Leaves out what is kept no longer: its file is gone, or that version runs.
    pub fn release(&mut self, running: &BTreeMap<String, Arc<Plugin>>) {
        let runs = |key: &PluginKey| running.values().any(|plugin| plugin.key() == key);
        self.kept.retain(|kept| running.contains_key(&kept.plugin.file_name) && !runs(kept.plugin.key()));
    }

    /// The files whose plugin takes the place of one that worked, with that one.
    pub fn replacing(&self, next: &Snapshot) -> Vec<(String, PluginKey, Arc<Plugin>)> {
        let replacing = next.by_file().into_iter().filter_map(|(file, new)| {
            let old = self.ran.get(&file).filter(|old| !Arc::ptr_eq(old, &new) && self.before.is_active(old))?;
            Some((file, old.key().clone(), new))
        });
        replacing.collect()
    }

    /// Leaves out what nobody is linked to any longer. Whether anything was.
    fn release_unused(&mut self, next: &Snapshot) -> bool {
        let count = self.kept.len();
        let is_used = |kept: &Kept| {
            let plugins = next.plugins().iter().filter(|plugin| next.is_active(plugin));
            let mut links = plugins.flat_map(|plugin| next.links_of(plugin));
            links.any(|link| provider(link).is_some_and(|provider| provider == *kept.plugin.key()))
        };
        self.kept.retain(is_used);
        self.kept.len() < count
    }

    fn refuse_inactive(&mut self, next: &Snapshot) -> bool {
        let before = self.refused.len();
        for (file, old, new) in self.replacing(next) {
            if let Some(Status::Inactive { reason }) = next.status(&new) {
                let (new, reason) = (new.key().clone(), reason.to_string());
                self.refused.insert(file, SwapError::Inactive { old, new, reason });
            }
        }
        self.refused.len() > before
    }

    /// A newcomer can close a circle of required imports and so stop plugins that were there before it.
    fn refuse_cycles(&mut self, next: &Snapshot) -> bool {
        let mut refused = BTreeMap::new();
        for dependant in self.that_worked(next) {
            let Some(Status::Inactive { reason: InactiveReason::Cycle { through } }) = next.status(dependant) else {
                continue;
            };
            let way = through.iter().map(PluginId::as_str).collect::<Vec<_>>().join(" -> ");
            for (file, new) in next.by_file() {
                let is_new = self.ran.get(&file).is_none_or(|old| !Arc::ptr_eq(old, &new));
                if is_new && through.contains(&new.key().id) {
                    refused.insert(file, SwapError::Cycle { dependant: dependant.key().clone(), way: way.clone() });
                }
            }
        }
        let any = !refused.is_empty();
        self.refused.extend(refused);
        any
    }

    /// Keeps the providers that others would lose by a swap, or refuses it. Whether anything changed.
    fn provide(&mut self, next: &Snapshot) -> bool {
        let mut changed = false;
        let now = next.by_file();
        for (old, dependants) in self.lost(next) {
            if let Some(kept) = self.kept.iter_mut().find(|kept| Arc::ptr_eq(&kept.plugin, &old)) {
                let count = kept.for_plugins.len();
                kept.for_plugins.extend(dependants.iter().map(|key| key.id.clone()));
                changed |= kept.for_plugins.len() > count;
                continue;
            }
            // The file that holds its version, in other bytes, or else another version.
            let same = now.iter().find(|(_, new)| new.key() == old.key()).map(|(file, _)| file);
            let file = same.unwrap_or(&old.file_name);
            // A file that is gone takes its plugin with it.
            let Some(new) = now.get(file).filter(|new| !Arc::ptr_eq(new, &old)) else { continue };
            match self.against_keeping(next, &old, new, &dependants) {
                Some(error) => changed |= self.refused.insert(file.clone(), error).is_none(),
                None => {
                    let for_plugins = dependants.into_iter().map(|key| key.id).collect();
                    self.kept.push(Kept { plugin: old, for_plugins, for_tenants: false });
                    changed = true;
                }
            }
        }
        changed
    }

    fn against_keeping(
        &self,
        next: &Snapshot,
        old: &Plugin,
        new: &Plugin,
        dependants: &BTreeSet<PluginKey>,
    ) -> Option<SwapError> {
        let dependants = dependants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (old, new) = (old.key().clone(), new.key().clone());
        let loaded = || next.plugins().iter().filter(|plugin| plugin.key().id == old.id);
        if self.dependants == Dependants::Refuse {
            return Some(SwapError::Dependants { old, new, dependants });
        }
        if loaded().any(|plugin| *plugin.key() == old) {
            return Some(SwapError::SameVersion { old, new, dependants });
        }
        let limit = self.versions_max;
        (self.versions_of(&old.id, next) >= limit).then_some(SwapError::Versions { old, new, dependants, limit })
    }

    /// How many versions of a plugin are loaded, with those that were kept in this round and are not in the snapshot yet.
    fn versions_of(&self, id: &PluginId, next: &Snapshot) -> usize {
        let loaded = next.plugins().iter().filter(|plugin| plugin.key().id == *id);
        let more = self.kept.iter().filter(|kept| {
            kept.plugin.key().id == *id && !next.plugins().iter().any(|plugin| Arc::ptr_eq(plugin, &kept.plugin))
        });
        loaded.count() + more.count()
    }

    /// Keeps what was replaced for tenants that need it still. Whether there is any.
    fn stand_in(&mut self, next: &Snapshot) -> bool {
        let replaced = self.replacing(next).into_iter().filter_map(|(file, ..)| self.ran.get(&file).cloned());
        let before = self.before.kept().iter().filter(|kept| kept.for_tenants).map(|kept| kept.plugin.clone());
        let mut any = false;
        for old in before.chain(replaced).collect::<Vec<_>>() {
            if !stand_in::is_needed(&old, next) {
                continue;
            }
            if let Some(kept) = self.kept.iter_mut().find(|kept| Arc::ptr_eq(&kept.plugin, &old)) {
                kept.for_tenants = true;
            } else if self.versions_of(&old.key().id, next) < self.versions_max {
                self.kept.push(Kept { plugin: old, for_plugins: BTreeSet::new(), for_tenants: true });
            } else {
                continue;
            }
            any = true;
        }
        any
    }

    /// Each provider that plugins which worked have lost, with those.
    fn lost(&self, next: &Snapshot) -> Vec<(Arc<Plugin>, BTreeSet<PluginKey>)> {
        let mut lost: Vec<(Arc<Plugin>, BTreeSet<PluginKey>)> = Vec::new();
        for dependant in self.that_worked(next) {
            for (was, is) in self.before.links_of(dependant).iter().zip(next.links_of(dependant)) {
                let Some(key) = provider(was).filter(|_| provider(is).is_none()) else { continue };
                let Some(old) = self.before.plugins().iter().find(|plugin| *plugin.key() == key) else { continue };
                match lost.iter_mut().find(|(known, _)| Arc::ptr_eq(known, old)) {
                    Some((_, dependants)) => {
                        dependants.insert(dependant.key().clone());
                    }
                    None => lost.push((old.clone(), BTreeSet::from([dependant.key().clone()]))),
                }
            }
        }
        lost
    }

    /// The plugins that were active before and are there still.
    fn that_worked<'b>(&'b self, next: &'b Snapshot) -> impl Iterator<Item = &'b Arc<Plugin>> {
        let was = |plugin: &&Arc<Plugin>| self.before.plugins().iter().any(|known| Arc::ptr_eq(known, plugin));
        next.plugins().iter().filter(was).filter(|plugin| self.before.is_active(plugin))
    }
}

fn provider(link: &Link) -> Option<PluginKey> {
    match &link.outcome {
        Outcome::Linked { provider } => Some(PluginKey { id: provider.id.clone(), version: provider.version.clone() }),
        Outcome::Missing { .. } => None,
    }
}
