//! The loaded plugins at one moment, resolved for each tenant.

mod explain;
mod view;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

pub use self::explain::{Explanation, KeptVersion, SharedRead};
pub use self::view::{Served, TenantView};
use super::choices::Choices;
use super::contract::{Published, PublishedConsumer, PublishedInterface, PublishedVersion};
use super::lifecycle::{Moves, Setbacks};
use super::plugin::Plugin;
use super::rejected::Rejected;
use super::resolve::{self, PluginResolution, Status, TenantChoices};
use super::swap::Kept;
use super::trust::Present;
use crate::capability::config::Values;
use crate::id::{ServiceName, TenantId};
use crate::runtime::PluginKey;

/// What a directory held.
#[derive(Default)]
pub struct Loaded {
    pub plugins: Vec<Arc<Plugin>>,
    /// Besides, those whose file holds another by now.
    pub kept: Vec<Kept>,
    pub rejected: Vec<Rejected>,
}

/// What is loaded, what was refused, what was decided, and who is linked to whom.
pub struct Snapshot {
    /// The kept ones among them.
    plugins: Vec<Arc<Plugin>>,
    kept: Vec<Kept>,
    rejected: Vec<Rejected>,
    choices: Choices,
    /// What tenants were moved to, and what they could not be moved to. It changes while the snapshot stays.
    moves: Arc<Moves>,
    /// The view of tenants that have decided nothing and stand outside every rollout's share.
    default: Arc<TenantView>,
    views: RwLock<Views>,
}

/// What was resolved so far. Tenants with the same choices share what was resolved, and differ in their values.
#[derive(Default)]
struct Views {
    /// With the state of the tenant's moves that it was made of ([`Moves::state_of`]).
    of: HashMap<TenantId, (u64, Arc<TenantView>)>,
    by_choices: HashMap<TenantChoices, Arc<TenantView>>,
    /// The plugins, by their serial numbers, that a tenant can call with all that they reach, in such a state.
    ready: HashMap<TenantId, (u64, HashSet<u64>)>,
}

impl Snapshot {
    pub fn new(loaded: Loaded, choices: Choices, moves: Arc<Moves>) -> Self {
        let Loaded { mut plugins, kept, rejected } = loaded;
        plugins.extend(kept.iter().map(|kept| kept.plugin.clone()));
        Self::resolved(plugins, kept, rejected, choices, moves)
    }

    /// The same plugins, with what is decided now.
    pub fn with_choices(&self, choices: Choices) -> Self {
        let moves = self.moves.clone();
        Self::resolved(self.plugins.clone(), self.kept.clone(), self.rejected.clone(), choices, moves)
    }

    /// What tenants would have with these decisions, if all of them could be moved.
    pub fn if_decided(&self, choices: Choices) -> Self {
        Self::resolved(self.plugins.clone(), self.kept.clone(), self.rejected.clone(), choices, Arc::default())
    }

    fn resolved(
        plugins: Vec<Arc<Plugin>>,
        kept: Vec<Kept>,
        rejected: Vec<Rejected>,
        choices: Choices,
        moves: Arc<Moves>,
    ) -> Self {
        let decided = decided(&choices, None, &plugins, &Setbacks::default());
        let default = TenantView::new(&plugins, &kept, &decided, choices.grants());
        let default = Arc::new(default.with_values(values(&choices, None, &plugins)));
        Self { plugins, kept, rejected, choices, moves, default, views: RwLock::default() }
    }

    /// What became of tenants' moves.
    pub(super) fn moves(&self) -> &Arc<Moves> {
        &self.moves
    }

    pub fn choices(&self) -> &Choices {
        &self.choices
    }

    /// Every loaded version of every plugin.
    pub fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// Those that are loaded for others alone.
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// The plugins it is kept for, if this one is.
    pub fn kept_for(&self, plugin: &Plugin) -> Option<&Kept> {
        self.kept.iter().find(|kept| std::ptr::eq(&*kept.plugin, plugin))
    }

    /// What runs from each file.
    pub fn by_file(&self) -> BTreeMap<String, Arc<Plugin>> {
        let of_files = self.plugins.iter().filter(|plugin| self.kept_for(plugin).is_none());
        of_files.map(|plugin| (plugin.file_name.clone(), plugin.clone())).collect()
    }

    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// What a plugin is for a tenant that has chosen nothing.
    pub fn status(&self, plugin: &Plugin) -> Option<&Status> {
        self.default.resolved(plugin.key()).map(|resolved| &resolved.status)
    }

    pub fn is_active(&self, plugin: &Plugin) -> bool {
        self.status(plugin) == Some(&Status::Active)
    }

    /// The links of a plugin for such a tenant, in the order of its imports.
    pub fn links_of(&self, plugin: &Plugin) -> &[resolve::Link] {
        self.default.resolved(plugin.key()).map(|resolved| resolved.links.as_slice()).unwrap_or_default()
    }

    /// The loaded versions as the guard against old ones remembers them.
    pub(super) fn present(&self) -> Vec<Present<'_>> {
        let active = |key| self.default.resolved(key).is_some_and(PluginResolution::is_active);
        let present = |plugin| {
            let key = Plugin::key(plugin);
            Present { key, file: &plugin.file_name, active: active(key) }
        };
        self.plugins.iter().map(|plugin| present(plugin)).collect()
    }

    pub fn active_count(&self) -> usize {
        self.default.resolution.plugins.iter().filter(|plugin| plugin.is_active()).count()
    }

    /// The links as this tenant has them.
    pub fn view(&self, tenant: &TenantId) -> Arc<TenantView> {
        if self.choices.are_the_same_for_all() && self.moves.all_went_well() {
            return self.default.clone();
        }
        let state = self.moves.state_of(tenant);
        if let Some((of, view)) = self.views.read().unwrap_or_else(PoisonError::into_inner).of.get(tenant)
            && *of == state
        {
            return view.clone();
        }
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        let (setbacks, state) = self.moves.setbacks(tenant);
        let choices = decided(&self.choices, Some(tenant), &self.plugins, &setbacks);
        let new = || Arc::new(TenantView::new(&self.plugins, &self.kept, &choices, self.choices.grants()));
        let view = views.by_choices.entry(choices.clone()).or_insert_with(new).clone();
        let view = Arc::new(view.with_values(values(&self.choices, Some(tenant), &self.plugins)));
        if views.of.insert(tenant.clone(), (state, view.clone())).is_some() {
            // What nobody has any longer would stay as long as the snapshot.
            views.by_choices.retain(|_, view| view.has_siblings());
        }
        view
    }

    /// Whether the tenant can call the plugin, with all that it reaches, in this state of its moves.
    pub(super) fn is_ready(&self, tenant: &TenantId, plugin: &Plugin, state: u64) -> bool {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        let ready = views.ready.get(tenant).filter(|(of, _)| *of == state);
        ready.is_some_and(|(_, ready)| ready.contains(&plugin.prepared.serial()))
    }

    /// Notes that it can.
    pub(super) fn set_ready(&self, tenant: &TenantId, plugin: &Plugin, state: u64) {
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        let ready = views.ready.entry(tenant.clone()).or_default();
        if ready.0 != state {
            *ready = (state, HashSet::new());
        }
        ready.1.insert(plugin.prepared.serial());
    }

    /// The links of a tenant that has decided nothing: what the registry writes down.
    pub fn default_view(&self) -> &Arc<TenantView> {
        &self.default
    }

    /// What the loaded versions of a plugin offer, and what the other plugins use of it.
    pub fn published(&self, plugin: &str) -> Published {
        let (own, others): (Vec<_>, Vec<_>) = self.plugins.iter().partition(|known| known.key().id.as_str() == plugin);
        let offered: HashSet<ServiceName> =
            own.iter().flat_map(|known| known.provider().offer.packages).map(|package| package.service).collect();
        let versions = own.iter().map(|known| {
            let interfaces = known.prepared.exports().iter().map(|export| {
                let functions = export.functions.iter().map(|function| (function.name.as_str(), &function.shape));
                PublishedInterface::new(&export.name, functions)
            });
            PublishedVersion::new(known.key(), &known.sha256, interfaces.collect())
        });
        let consumers = others.iter().filter_map(|known| {
            let mut consumer = known.consumer();
            consumer.needs.retain(|need| offered.contains(&need.name.interface.service()));
            (!consumer.needs.is_empty()).then(|| PublishedConsumer::new(&consumer))
        });
        Published { versions: versions.collect(), consumers: consumers.collect() }
    }
}

/// What resolution needs to know for one tenant, or for one that has decided and set nothing.
fn decided(
    choices: &Choices,
    tenant: Option<&TenantId>,
    plugins: &[Arc<Plugin>],
    setbacks: &Setbacks,
) -> TenantChoices {
    let unconfigured = choices.settings().unconfigured(tenant, plugins.iter().map(|plugin| &plugin.manifest));
    choices.of(tenant, keys(plugins), setbacks, unconfigured)
}

/// The values of its configuration that each plugin reads for a tenant, or for one that has set nothing. Secrets are
/// among them, in the clear.
fn values<'a>(
    choices: &Choices,
    tenant: Option<&TenantId>,
    plugins: &'a [Arc<Plugin>],
) -> impl Iterator<Item = (&'a Plugin, Arc<Values>)> {
    plugins.iter().filter_map(move |plugin| {
        let values = choices.settings().effective(tenant, &plugin.manifest).as_text();
        Some((&**plugin, Arc::new(values?)))
    })
}

fn keys(plugins: &[Arc<Plugin>]) -> impl Iterator<Item = &PluginKey> {
    plugins.iter().map(|plugin| plugin.key())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::db;

    #[test]
    fn a_view_is_shared_and_let_go_with_the_last_tenant_that_had_it() {
        let decision = db::TenantPlugin {
            tenant: "acme".into(),
            plugin: "crm".into(),
            enabled: true,
            pin: None,
            revision: 1,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        let choices = Choices::read(vec![decision], Vec::new(), None);
        let moves = Arc::<Moves>::default();
        let snapshot = Snapshot::new(Loaded::default(), choices, moves.clone());
        let [acme, beta] = ["acme", "beta"].map(|id| TenantId::parse(id).unwrap());
        let kept = || snapshot.views.read().unwrap().by_choices.len();
        let view = snapshot.view(&acme);
        assert!(view.is_sibling_of(&snapshot.view(&beta)));
        assert!(Arc::ptr_eq(&view, &snapshot.view(&acme)), "made once");
        let crm = PluginKey { id: crate::id::PluginId::parse("crm").unwrap(), version: "1.0.0".parse().unwrap() };
        moves.set_running(&acme, crm, &[]);
        assert!(!Arc::ptr_eq(&view, &snapshot.view(&acme)), "made anew when something came to the tenant");
        assert_eq!(kept(), 1);
    }
}
