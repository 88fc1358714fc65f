//! What a tenant goes on with that cannot have the version it is to have.

use std::collections::BTreeMap;

use semver::Version;

use super::rollout::Rollout;
use crate::id::PluginId;
use crate::registry::lifecycle::Setbacks;
use crate::registry::resolve::{InactiveReason, Wanted};

/// The versions of one plugin, and what stands between them and the tenant.
pub(super) struct WayOut<'a> {
    pub plugin: &'a PluginId,
    pub loaded: &'a [&'a Version],
    pub setbacks: &'a Setbacks,
    pub unconfigured: &'a BTreeMap<(PluginId, Version), Vec<String>>,
}

type Held<'a> = BTreeMap<&'a Version, InactiveReason>;

impl<'a> WayOut<'a> {
    /// The version that it stays on, if the best of those that are wanted is held; and all that are held, so that they
    /// can be told from those that are not wanted.
    pub fn take(&self, wanted: Option<&Wanted>, rollout: Option<&Rollout>) -> (Option<Version>, Held<'a>) {
        let is_wanted = |version: &Version| match wanted {
            Some(Wanted::Pinned(pin)) => pin.matches(version),
            Some(Wanted::RolledOut(one) | Wanted::StaysOn(one)) => one == version,
            Some(Wanted::UpTo(highest)) => version <= highest,
            None => true,
        };
        let best = self.loaded.iter().copied().filter(|version| is_wanted(version)).max();
        let mut held = self.held();
        let reason = best.and_then(|best| Some((best, held.get(best)?)));
        let stays = reason.and_then(|(best, reason)| self.goes_on(best, reason, wanted, (&held, rollout)));
        // That nobody has configured what is not wanted is no news.
        let is_news = |version: &Version| stays.is_some() && best == Some(version);
        held.retain(|version, reason| is_news(version) || !matches!(reason, InactiveReason::Unconfigured { .. }));
        (stays, held)
    }

    /// The versions that the tenant cannot have now, and why.
    fn held(&self) -> Held<'a> {
        let ran = self.setbacks.ran.get(self.plugin);
        let reason = |version: &Version| {
            let key = (self.plugin.clone(), version.clone());
            match self.setbacks.held.get(&key) {
                // If what ran has gone, there is nothing that could go on until it is activated.
                Some(InactiveReason::Activating) if !ran.is_some_and(|ran| self.loaded.contains(&ran)) => None,
                Some(reason) => Some(reason.clone()),
                None => {
                    let fields = self.unconfigured.get(&key)?.clone();
                    Some(InactiveReason::Unconfigured { fields })
                }
            }
        };
        self.loaded.iter().filter_map(|version| Some((*version, reason(version)?))).collect()
    }

    /// What there is instead of the best.
    fn goes_on(
        &self,
        best: &Version,
        reason: &InactiveReason,
        wanted: Option<&Wanted>,
        (held, rollout): (&Held<'_>, Option<&Rollout>),
    ) -> Option<Version> {
        let works = |version: &&Version| self.loaded.contains(version) && !held.contains_key(version);
        let ran = self.setbacks.ran.get(self.plugin).filter(works);
        match (reason, wanted) {
            // Of a plugin that needs no bringing nobody wrote down what ran: what tenants had before the rollout, or else
            // the best of the versions before.
            (InactiveReason::Unconfigured { .. }, Some(Wanted::RolledOut(_))) => {
                let previous = || rollout.map(|rollout| &rollout.base).filter(works);
                let lower = || self.loaded.iter().copied().filter(|version| *version < best && works(version)).max();
                ran.or_else(previous).or_else(lower).cloned()
            }
            // The resolver takes the next best by itself, as it does for the other reasons why a version cannot work.
            (InactiveReason::Unconfigured { .. }, None | Some(Wanted::UpTo(_))) => None,
            _ => ran.cloned(),
        }
    }
}
