//! The version that was in a file before, for tenants that cannot have what took its place.
//!
//! It is kept while the new one has not come to every tenant that had the old one: it is on its way there, or failed. And
//! it is kept for tenants whose pin the old one meets and the new one does not. Everybody else has the new one. It is in
//! memory alone, so after a restart there is nothing to go on with. Only a lower version stands in for a higher one: the
//! other way round it would be the one that tenants are to have. Of a plugin that had neither migrations nor `on-activate`
//! nobody wrote down for whom it ran, so it stands in for pinned tenants alone.

use super::plugin::Plugin;
use super::snapshot::Snapshot;

/// Whether there are tenants for which `old` is to go on, once what is in `next` has taken its place.
pub(super) fn is_needed(old: &Plugin, next: &Snapshot) -> bool {
    let of_files = next.plugins().iter().filter(|known| next.kept_for(known).is_none());
    let mut of_the_plugin = of_files.filter(|known| known.key().id == old.key().id);
    // Its file is gone, or holds another plugin, or the version is there in another file.
    let Some(new) = of_the_plugin.clone().find(|known| known.file_name == old.file_name) else { return false };
    if of_the_plugin.any(|known| known.key() == old.key()) || old.key().version >= new.key().version {
        return false;
    }
    let is_on_its_way = || new.has_lifecycle() && next.moves().any_runs_without(old.key(), new.key());
    let mut pins = next.choices().pins(&old.key().id);
    let is_pinned = pins.any(|pin| pin.matches(&old.key().version) && !pin.matches(&new.key().version));
    is_pinned || is_on_its_way()
}

impl Snapshot {
    /// Whether something is kept for tenants that none of them needs any longer.
    pub(super) fn has_idle_stand_in(&self) -> bool {
        self.kept().iter().any(|kept| kept.for_tenants && !is_needed(&kept.plugin, self))
    }
}
