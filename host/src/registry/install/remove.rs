//! Taking a version out of the directory, once it is known who needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, stream};
use semver::Version;
use serde::Serialize;

use super::{InstallError, Pair, blocking, sync};
use crate::db::DbError;
use crate::id::{PluginId, TenantId};
use crate::registry::choices::rollout::Rollout;
use crate::registry::directory;
use crate::registry::lifecycle::Leaving;
use crate::registry::snapshot::{Loaded, Served, Snapshot, TenantView};
use crate::registry::swap::Kept;
use crate::registry::{Plugin, Registry, RegistryError};
use crate::runtime::PluginKey;

/// A plugin that would not work any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    pub plugin: String,
    /// For whom, of the tenants that there are.
    pub tenants: Vec<String>,
    /// Whether it is every tenant that has decided and set nothing, and so those to come as well.
    pub by_default: bool,
    /// Why it would not.
    pub reason: String,
}

/// What was taken out.
#[derive(Debug)]
pub struct Removed {
    pub file_name: String,
    /// Who does not work any more, where that was forced.
    pub broken: Vec<Broken>,
    /// Whether a rollout spoke of it, which does not any more: what comes back under this version waits for a new one.
    pub rolled_out: bool,
}

impl Registry {
    /// Takes one version out of the directory; nobody is served by it any more. Data stays. Until then tenants' data are
    /// looked at; whose could not be by then counts as not fit.
    ///
    /// # Errors
    ///
    /// [`InstallError::Needed`] names the plugins that would not work without it, unless it is forced;
    /// [`InstallError::Unknown`] when neither a loaded nor a refused file is of this version.
    pub async fn uninstall(
        &self,
        id: &str,
        version: &str,
        force: bool,
        until: Instant,
    ) -> Result<Removed, InstallError> {
        let _turn = self.installing.clone().lock_owned().await;
        let snapshot = self.snapshot();
        let is_it = |key: &PluginKey| key.id.as_str() == id && key.version.to_string() == version;
        let plugin = snapshot.plugins().iter().find(|plugin| is_it(plugin.key()));
        if plugin.is_some_and(|plugin| snapshot.kept_for(plugin).is_some()) {
            return Err(InstallError::Kept(id.to_owned(), version.to_owned()));
        }
        let refused = || snapshot.rejected().iter().find(|file| file.key.as_ref().is_some_and(is_it));
        let (file_name, broken) = match (plugin, refused()) {
            (Some(plugin), _) => {
                (plugin.file_name.clone(), self.broken_without(&snapshot, plugin, force, until).await?)
            }
            (None, Some(file)) => (file.file_name.clone(), Vec::new()),
            (None, None) => return Err(InstallError::Unknown(id.to_owned(), version.to_owned())),
        };
        if !broken.is_empty() && !force {
            return Err(InstallError::Needed(broken));
        }
        // Its other versions are the same plugin, which goes with the last of them.
        let others = snapshot.plugins().iter().any(|known| known.key().id.as_str() == id && !is_it(known.key()));
        let leaving = match plugin.filter(|_| !others) {
            Some(plugin) => Some(self.before_uninstall(plugin, force).await?),
            None => None,
        };
        if let Some(path) = self.path_of(&file_name).await.map_err(|source| self.unusable(source))? {
            let directory = self.directory.clone();
            blocking(move || {
                Pair::of(path).remove()?;
                sync(&directory)
            })
            .await?;
        }
        // Before it is gone from the snapshot, so that the next one has both.
        let rolled_out = match plugin {
            Some(plugin) => self.rollout_without(&snapshot, plugin.key()).await,
            None => Ok(false),
        };
        if let Err(error) = self.removed(&file_name).await {
            leaving.into_iter().for_each(Leaving::until_gone);
            return Err(error.into());
        }
        Ok(Removed { file_name, broken, rolled_out: rolled_out.map_err(RegistryError::from)? })
    }

    /// Forgets what was decided about a version that goes for good. Whether there was something.
    async fn rollout_without(&self, snapshot: &Snapshot, key: &PluginKey) -> Result<bool, DbError> {
        loop {
            let mut rows = self.control.rollout_list().await?.into_iter();
            let Some(row) = rows.find(|row| row.plugin == key.id.as_str()) else { return Ok(false) };
            let revision = row.revision;
            let rollout = Rollout::read(row).filter(|rollout| rollout.mentions(&key.version) || is_last(snapshot, key));
            let Some(rollout) = rollout else { return Ok(false) };
            let written = match rollout.without(&key.version, &others(snapshot, key)) {
                Some(rest) => self.control.rollout_put(rest.row(&key.id)).await?.map(drop),
                None => self.control.rollout_delete(key.id.as_str(), revision).await?,
            };
            // Should somebody else have changed it meanwhile, that is read.
            if written.is_ok() {
                return Ok(true);
            }
        }
    }

    /// The file of this name, as it is shown.
    async fn path_of(&self, file_name: &str) -> std::io::Result<Option<PathBuf>> {
        let (directory, wanted) = (self.directory.clone(), file_name.to_owned());
        blocking(move || {
            for entry in std::fs::read_dir(&directory)? {
                let entry = entry?;
                if directory::shown(&entry.file_name()) == wanted {
                    return Ok(Some(entry.path()));
                }
            }
            Ok(None)
        })
        .await
    }
}

impl Registry {
    /// Who works now and would not without this version: found by resolving without it, for the tenants that there are
    /// and for those to come, and by looking whether the data of those that had it suit what they would get. With `force`,
    /// rollouts that speak of it count no more.
    async fn broken_without(
        &self,
        snapshot: &Arc<Snapshot>,
        plugin: &Arc<Plugin>,
        force: bool,
        until: Instant,
    ) -> Result<Vec<Broken>, RegistryError> {
        let tenants = self.control.tenant_list().await?;
        let tenants: Vec<TenantId> = tenants.iter().filter_map(|tenant| TenantId::parse(&tenant.id).ok()).collect();
        let (snapshot, going) = (snapshot.clone(), plugin.clone());
        // Two views of each tenant, of which there may be many.
        let look = move || without(&snapshot, &going, &tenants, force);
        let Without { mut broken, heirs } =
            tokio::task::spawn_blocking(look).await.map_err(|_panic| RegistryError::Panic)?;
        broken.extend(self.unreadable(&plugin.key().id, heirs, until).await);
        Ok(broken)
    }

    /// Tenants whose data the version that they would get cannot work with: one entry for each reason.
    async fn unreadable(&self, id: &PluginId, heirs: Vec<(TenantId, Arc<Plugin>)>, until: Instant) -> Vec<Broken> {
        let look = async |(tenant, heir): (TenantId, Arc<Plugin>)| {
            let state = self.lifecycle.data_state(&tenant, &heir, until).await;
            let reason = match state {
                Ok(state) => state.readable.err()?.to_string(),
                Err(error) => error.to_string(),
            };
            Some((tenant, reason))
        };
        let at_once = self.lifecycle.tenants_at_once();
        let found: Vec<_> = stream::iter(heirs).map(look).buffered(at_once).collect().await;
        let mut by_reason = BTreeMap::<String, Vec<String>>::new();
        for (tenant, reason) in found.into_iter().flatten() {
            by_reason.entry(reason).or_default().push(tenant.to_string());
        }
        let broken = |(reason, tenants)| Broken { plugin: id.to_string(), tenants, by_default: false, reason };
        by_reason.into_iter().map(broken).collect()
    }
}

/// What is left once a version has gone.
struct Without {
    broken: Vec<Broken>,
    /// Tenants that had it, and what they would get in its place.
    heirs: Vec<(TenantId, Arc<Plugin>)>,
}

fn without(snapshot: &Snapshot, going: &Plugin, tenants: &[TenantId], force: bool) -> Without {
    let key = going.key();
    let plugins = snapshot.by_file().into_values().filter(|plugin| plugin.key() != key).collect::<Vec<_>>();
    // What is kept for dependants of the version that took its file goes with that file.
    let stays = |kept: &Kept| kept.plugin.key() != key && kept.plugin.file_name != going.file_name;
    let kept = snapshot.kept().iter().filter(|kept| stays(kept)).cloned().collect();
    let (loaded, mut choices) = (Loaded { plugins, kept, ..Loaded::default() }, snapshot.choices().clone());
    let rollout = choices.rollout(&key.id).filter(|_| force).cloned();
    if let Some(rollout) = rollout.and_then(|rollout| rollout.without(&key.version, &others(snapshot, key))) {
        choices = choices.with_rollout(&key.id, rollout);
    }
    let without = Snapshot::new(loaded, choices, snapshot.moves().clone());
    // Of its own, as the views of all these tenants go with it.
    let now = snapshot.with_choices(snapshot.choices().clone());
    let ids: BTreeSet<&PluginId> = snapshot.plugins().iter().map(|plugin| &plugin.key().id).collect();
    // That the plugin itself goes with its last version is what is asked for.
    let ids = ids.into_iter().filter(|id| !(**id == key.id && is_last(snapshot, key)));
    let each = ids.filter_map(|id| {
        let lost =
            |before: &TenantView, after: &TenantView| match (before.served(id.as_str()), after.served(id.as_str())) {
                (Some(Served::Active(_)), Some(Served::Inactive { reason, .. })) => Some(reason.clone()),
                (Some(Served::Active(_)), None) => Some("no version of it is loaded".to_owned()),
                _ => None,
            };
        let by_default = lost(now.default_view(), without.default_view());
        let concerned =
            tenants.iter().filter_map(|tenant| Some((tenant, lost(&now.view(tenant), &without.view(tenant))?)));
        let concerned: Vec<(&TenantId, String)> = concerned.collect();
        let reason = by_default.as_ref().or_else(|| concerned.first().map(|(_, reason)| reason))?.clone();
        let tenants = concerned.iter().map(|(tenant, _)| tenant.to_string()).collect();
        Some(Broken { plugin: id.to_string(), tenants, by_default: by_default.is_some(), reason })
    });
    let broken = each.collect();
    let heir = |tenant: &TenantId| match without.view(tenant).served(key.id.as_str()) {
        Some(Served::Active(heir)) if now.view(tenant).serves(key) => Some((tenant.clone(), heir.clone())),
        _ => None,
    };
    Without { broken, heirs: tenants.iter().filter_map(heir).collect() }
}

/// The other versions of a plugin that lie in a file.
fn others<'a>(snapshot: &'a Snapshot, key: &PluginKey) -> Vec<&'a Version> {
    let in_a_file = snapshot.plugins().iter().filter(|known| snapshot.kept_for(known).is_none());
    let others = in_a_file.map(|known| known.key()).filter(|known| known.id == key.id && known.version != key.version);
    others.map(|known| &known.version).collect()
}

fn is_last(snapshot: &Snapshot, key: &PluginKey) -> bool {
    others(snapshot, key).is_empty()
}
