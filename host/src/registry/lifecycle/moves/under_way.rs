//! Versions on their way to tenants, as far as others want to know of it.

use jiff::Timestamp;

use super::{Moves, remove};
use crate::id::TenantId;
use crate::registry::lifecycle::ON_INSTALL;
use crate::runtime::PluginKey;

/// A version on its way to a tenant.
#[derive(Debug, Clone)]
pub struct UnderWay {
    pub since: Timestamp,
    /// What is being done: `migrations`, or the plugin's function.
    pub step: &'static str,
    meanwhile: Meanwhile,
}

/// What requests do until it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    /// They wait: it will not take long, or nothing else could answer.
    Wait,
    /// The version before answers.
    StandIn,
    /// They wait to the end: the version before cannot work with the data as it is now.
    WaitToTheEnd,
}

impl UnderWay {
    /// Whether the version before answers meanwhile.
    pub fn is_stood_in_for(&self) -> bool {
        self.meanwhile == Meanwhile::StandIn
    }
}

impl Moves {
    /// Notes that a version is on its way. Whoever calls for it waits, until [`Moves::stand_in`].
    pub(in crate::registry::lifecycle) fn set_under_way(&self, tenant: &TenantId, plugin: &PluginKey) {
        let move_ = UnderWay { since: Timestamp::now(), step: ON_INSTALL, meanwhile: Meanwhile::Wait };
        self.write().under_way.entry(tenant.clone()).or_default().insert(plugin.clone(), move_);
    }

    /// Notes what is being done.
    pub(in crate::registry::lifecycle) fn set_step(&self, tenant: &TenantId, plugin: &PluginKey, step: &'static str) {
        let mut state = self.write();
        if let Some(move_) = state.under_way.get_mut(tenant).and_then(|moves| moves.get_mut(plugin)) {
            move_.step = step;
        }
    }

    /// From now on the version before answers. Whether it may.
    pub(in crate::registry::lifecycle) fn stand_in(&self, tenant: &TenantId, plugin: &PluginKey) -> bool {
        self.meanwhile(tenant, plugin, |before| match before {
            Meanwhile::Wait | Meanwhile::StandIn => Meanwhile::StandIn,
            Meanwhile::WaitToTheEnd => Meanwhile::WaitToTheEnd,
        })
    }

    /// From now on the version before cannot answer.
    pub(in crate::registry::lifecycle) fn wait_to_the_end(&self, tenant: &TenantId, plugin: &PluginKey) {
        self.meanwhile(tenant, plugin, |_| Meanwhile::WaitToTheEnd);
    }

    fn meanwhile(&self, tenant: &TenantId, plugin: &PluginKey, next: impl Fn(Meanwhile) -> Meanwhile) -> bool {
        let mut state = self.write();
        let Some(move_) = state.under_way.get_mut(tenant).and_then(|moves| moves.get_mut(plugin)) else { return false };
        let before = move_.meanwhile;
        move_.meanwhile = next(before);
        let (is_changed, stands_in) = (before != move_.meanwhile, move_.is_stood_in_for());
        if is_changed {
            self.changed(&mut state, tenant);
        }
        stands_in
    }

    /// Notes that a version is not on its way any more, however that ended.
    pub(in crate::registry::lifecycle) fn end(&self, tenant: &TenantId, plugin: &PluginKey) {
        let mut state = self.write();
        if state.under_way.get(tenant).is_some_and(|moves| moves.contains_key(plugin)) {
            remove(&mut state.under_way, tenant, plugin);
            self.changed(&mut state, tenant);
        }
    }

    /// A version on its way to a tenant.
    pub fn under_way(&self, tenant: &TenantId, plugin: &PluginKey) -> Option<UnderWay> {
        self.read().under_way.get(tenant)?.get(plugin).cloned()
    }

    /// The tenants that a version is on its way to, those that wait longest first.
    pub fn under_way_to(&self, plugin: &PluginKey) -> Vec<(TenantId, UnderWay)> {
        let state = self.read();
        let each = state.under_way.iter();
        let each = each.filter_map(|(tenant, moves)| Some((tenant.clone(), moves.get(plugin)?.clone())));
        let mut each: Vec<_> = each.collect();
        each.sort_by(|(a, earlier), (b, later)| (earlier.since, a).cmp(&(later.since, b)));
        each
    }
}
