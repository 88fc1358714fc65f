//! Which tenants get which version of a plugin: what operators decide, one step after the other, and the way back.
//!
//! A [`Rollout`] is a pile of steps. A step gives one version to some tenants. A tenant has the version of the topmost
//! step that it takes part in; one that takes part in none has what it had before them all. Invariants: a step that is
//! added, or grows, changes nothing for whoever takes no part in it. Going back takes steps off the pile, so what was
//! taken back never comes again by itself. Bound: `lifecycle.rollout_steps` steps.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use semver::Version;

use crate::db;
use crate::hash::sha256;
use crate::id::{PluginId, TenantId};
use crate::registry::resolve::Wanted;

/// What operators have decided about the versions of one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// What tenants have that take part in no step: this version, or the highest below it that works.
    pub base: Version,
    /// The newest last.
    pub steps: Vec<Step>,
    /// Whether files decide, and the steps are kept for the way back alone.
    pub ended: bool,
    pub revision: i64,
}

/// A version, and the tenants that it is given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub version: Version,
    /// How many take part, by a hash of their names.
    pub percent: u8,
    /// Those that take part whatever the percentage.
    pub tenants: BTreeSet<TenantId>,
}

/// Why a version is not given as it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotGiven {
    /// It has reached more tenants already, and nothing is taken from them by a rollout.
    Shrinks { reached: u8 },
    /// As many others are under way at once as there may be.
    TooMany,
}

impl Step {
    /// Whether the tenant takes part.
    pub fn includes(&self, plugin: &PluginId, tenant: &TenantId) -> bool {
        self.tenants.contains(tenant) || self.reaches(place(plugin, tenant))
    }

    pub fn reaches_all(&self) -> bool {
        self.percent >= 100
    }

    /// Whether whoever stands there takes part, named or not.
    fn reaches(&self, place: u8) -> bool {
        place < self.percent
    }

    fn is_empty(&self) -> bool {
        self.percent == 0 && self.tenants.is_empty()
    }
}

/// Where a tenant stands among a hundred, the same always: whoever takes part at 10 percent does at 20. For each
/// plugin it is another place, so that the same tenants are not always the first.
fn place(plugin: &PluginId, tenant: &TenantId) -> u8 {
    let digest = sha256(format!("{plugin}\n{tenant}").as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    u8::try_from(number % 100).unwrap_or(0)
}

impl Rollout {
    /// What tenants have where nothing is rolled out: nearly all of them `base`, and some a higher version.
    pub fn present(base: Version, higher: impl IntoIterator<Item = (Version, BTreeSet<TenantId>)>) -> Self {
        let mut steps: Vec<Step> =
            higher.into_iter().map(|(version, tenants)| Step { version, percent: 0, tenants }).collect();
        // So that the highest goes first on the way back.
        steps.sort_by(|a, b| a.version.cmp(&b.version));
        Self { base, steps, ended: true, revision: 0 }
    }

    /// What tenants have since it was ended, with what was decided before below it.
    pub fn followed_by(&self, plugin: &PluginId, present: Self) -> Self {
        if self.gives_the_same_as(&present, plugin) {
            return self.clone();
        }
        let all = Step { version: present.base, percent: 100, tenants: BTreeSet::new() };
        let steps = self.steps.iter().cloned().chain([all]).chain(present.steps).collect();
        Self { steps, ..self.clone() }
    }

    /// Gives a version to some tenants, or to more of them. All others keep what they have. What is not said stays as
    /// it is while the version stays, and is nobody with another one.
    ///
    /// # Errors
    ///
    /// [`NotGiven`], which says why.
    pub fn give(
        mut self,
        version: &Version,
        percent: Option<u8>,
        tenants: BTreeSet<TenantId>,
        most_steps: usize,
    ) -> Result<Self, NotGiven> {
        let goes_on = !std::mem::take(&mut self.ended);
        match self.steps.last_mut().filter(|step| goes_on && step.version == *version) {
            Some(step) => {
                let percent = percent.unwrap_or(step.percent);
                if percent < step.percent {
                    return Err(NotGiven::Shrinks { reached: step.percent });
                }
                step.percent = percent;
                step.tenants.extend(tenants);
            }
            None => {
                self.steps.push(Step { version: version.clone(), percent: percent.unwrap_or(0), tenants });
            }
        }
        while self.steps.len() > most_steps {
            // What lies below a step that reaches everybody is kept for the way back alone.
            let all = self.steps.iter().position(Step::reaches_all).ok_or(NotGiven::TooMany)?;
            if let Some(step) = self.steps.drain(..=all).next_back() {
                self.base = step.version;
            }
        }
        Ok(self)
    }

    /// What was before the last decision that counts for anybody. Before all of them, that is the next lower version
    /// of those that are loaded. None if there is none.
    pub fn back(&self, plugin: &PluginId, loaded: &[&Version]) -> Option<Self> {
        let mut before = Self { ended: false, ..self.clone() };
        while before.steps.pop().is_some() {
            if !before.gives_the_same_as(self, plugin) {
                return Some(before);
            }
        }
        // So everybody has the same.
        let lower = loaded.iter().copied().filter(|version| **version < self.base).max()?;
        Some(Self { base: lower.clone(), ..before })
    }

    /// Takes from everybody what is above a version, and gives them that one. Whoever has a lower one keeps it.
    pub fn back_to(&self, plugin: &PluginId, version: &Version) -> Self {
        let mut capped = Self { ended: false, ..self.clone() };
        let versions = capped.steps.iter_mut().map(|step| &mut step.version).chain([&mut capped.base]);
        versions.filter(|given| **given > *version).for_each(|given| *given = version.clone());
        // Steps that say nothing any more.
        let mut shorter = capped.clone();
        while shorter.steps.pop().is_some() && shorter.gives_the_same_as(&capped, plugin) {
            capped.steps.pop();
        }
        capped
    }

    /// The same without a version that is gone for good: tenants that had it have what they had before. None if
    /// no other is left.
    pub fn without(mut self, version: &Version, left: &[&Version]) -> Option<Self> {
        if left.is_empty() {
            return None;
        }
        self.steps.retain(|step| step.version != *version);
        if self.base == *version {
            let lower = left.iter().filter(|left| **left < version).max();
            self.base = Version::clone(lower.or_else(|| left.iter().min())?);
        }
        Some(self)
    }

    /// Whether it speaks of a version anywhere, also of what was before.
    pub fn mentions(&self, version: &Version) -> bool {
        self.base == *version || self.steps.iter().any(|step| step.version == *version)
    }

    /// The steps that count for anybody, the topmost first: down to one that reaches everybody.
    pub fn in_force(&self) -> impl Iterator<Item = &Step> {
        let mut is_over = false;
        self.steps.iter().rev().filter(|step| !step.is_empty()).take_while(move |step| {
            let counts = !is_over;
            is_over |= step.reaches_all();
            counts
        })
    }

    /// What tenants have that take part in no step but one that reaches everybody.
    pub fn rest(&self) -> &Version {
        self.in_force().find(|step| step.reaches_all()).map_or(&self.base, |step| &step.version)
    }

    /// All versions that somebody has.
    pub fn versions(&self) -> BTreeSet<&Version> {
        let partly = self.in_force().take_while(|step| !step.reaches_all());
        partly.map(|step| &step.version).chain([self.rest()]).collect()
    }

    /// What a tenant has, as decided.
    pub fn version_of(&self, plugin: &PluginId, tenant: &TenantId) -> &Version {
        let step = self.in_force().find(|step| step.includes(plugin, tenant));
        step.map_or(&self.base, |step| &step.version)
    }

    /// What it means for one tenant, or for one that stands outside every share. A step whose file is gone is passed
    /// over: its tenants have what they had before.
    pub(super) fn wanted(&self, plugin: &PluginId, tenant: Option<&TenantId>, loaded: &[&Version]) -> Wanted {
        let takes_part = |step: &&Step| match tenant {
            Some(tenant) => step.includes(plugin, tenant),
            None => step.reaches_all(),
        };
        let mut steps = self.steps.iter().rev().filter(|step| loaded.contains(&&step.version));
        match steps.find(takes_part) {
            Some(step) => Wanted::RolledOut(step.version.clone()),
            None => Wanted::UpTo(self.base.clone()),
        }
    }

    /// Whether each tenant has the same by both, whatever its name.
    pub fn gives_the_same_as(&self, other: &Self, plugin: &PluginId) -> bool {
        let mut named = self.steps.iter().chain(&other.steps).flat_map(|step| &step.tenants);
        (0..100).all(|place| self.at(place) == other.at(place))
            && named.all(|tenant| self.version_of(plugin, tenant) == other.version_of(plugin, tenant))
    }

    /// What a tenant has that stands there and is named nowhere.
    fn at(&self, place: u8) -> &Version {
        self.in_force().find(|step| step.reaches(place)).map_or(&self.base, |step| &step.version)
    }

    /// What was written down; none if it is no longer understood.
    pub fn read(row: db::Rollout) -> Option<Self> {
        let steps = row.steps.into_iter().map(Step::read).collect::<Option<_>>()?;
        Some(Self { base: Version::parse(&row.base).ok()?, steps, ended: row.ended, revision: row.revision })
    }

    /// As it is written down; it has the revision that was read.
    pub fn row(&self, plugin: &PluginId) -> db::Rollout {
        let step = |step: &Step| db::RolloutStep {
            version: step.version.to_string(),
            percent: step.percent,
            tenants: step.tenants.iter().map(ToString::to_string).collect(),
        };
        db::Rollout {
            plugin: plugin.to_string(),
            base: self.base.to_string(),
            steps: self.steps.iter().map(step).collect(),
            ended: self.ended,
            revision: self.revision,
            updated_at: jiff::Timestamp::now(),
        }
    }
}

impl Step {
    fn read(row: db::RolloutStep) -> Option<Self> {
        Some(Self {
            version: Version::parse(&row.version).ok()?,
            percent: Some(row.percent).filter(|percent| *percent <= 100)?,
            tenants: row.tenants.iter().filter_map(|tenant| TenantId::parse(tenant).ok()).collect(),
        })
    }
}

/// As `1.1.0 (acme, 10 percent), 1.0.0`: the last is everybody else's.
impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.in_force().take_while(|step| !step.reaches_all()) {
            let named = step.tenants.iter().map(ToString::to_string);
            let share = (step.percent > 0).then(|| format!("{} percent", step.percent));
            write!(f, "{} ({}), ", step.version, named.chain(share).collect::<Vec<_>>().join(", "))?;
        }
        write!(f, "{}", self.rest())
    }
}
