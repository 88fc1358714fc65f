//! Taking a version out of the directory, once it is known who needs it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::{InstallError, Pair, blocking, sync};
use crate::id::{PluginId, TenantId};
use crate::registry::Registry;
use crate::registry::directory;
use crate::registry::lifecycle::Leaving;
use crate::registry::snapshot::{Loaded, Served, Snapshot, TenantView};
use crate::runtime::PluginKey;

/// A plugin that would not work any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    pub plugin: String,
    /// None when it is every tenant that has decided nothing; then further tenants are not named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<String>>,
    /// Why it would not.
    pub reason: String,
}

/// What was taken out.
#[derive(Debug)]
pub struct Removed {
    pub file_name: String,
    /// Who does not work any more, where that was forced.
    pub broken: Vec<Broken>,
}

impl Registry {
    /// Takes one version out of the directory; nobody is served by it any more. Data stays.
    ///
    /// # Errors
    ///
    /// [`InstallError::Needed`] names the plugins that would not work without it, unless it is forced;
    /// [`InstallError::Unknown`] when neither a loaded nor a refused file is of this version.
    pub async fn uninstall(&self, id: &str, version: &str, force: bool) -> Result<Removed, InstallError> {
        let _turn = self.installing.clone().lock_owned().await;
        let snapshot = self.snapshot();
        let is_it = |key: &PluginKey| key.id.as_str() == id && key.version.to_string() == version;
        let plugin = snapshot.plugins().iter().find(|plugin| is_it(plugin.key()));
        if plugin.is_some_and(|plugin| snapshot.kept_for(plugin).is_some()) {
            return Err(InstallError::Kept(id.to_owned(), version.to_owned()));
        }
        let refused = || snapshot.rejected().iter().find(|file| file.key.as_ref().is_some_and(is_it));
        let (file_name, broken) = match (plugin, refused()) {
            (Some(plugin), _) => (plugin.file_name.clone(), broken_without(&snapshot, plugin.key())),
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
        if let Some(path) = self.path_of(&file_name).await? {
            let directory = self.directory.clone();
            blocking(move || {
                Pair::of(path).remove()?;
                sync(&directory)
            })
            .await?;
        }
        if let Err(error) = self.removed(&file_name).await {
            leaving.into_iter().for_each(Leaving::until_gone);
            return Err(error.into());
        }
        Ok(Removed { file_name, broken })
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

/// Who works now and would not without this version: found by resolving without it, for the tenants that have decided
/// nothing and for each of the others.
fn broken_without(snapshot: &Snapshot, key: &PluginKey) -> Vec<Broken> {
    let plugins = snapshot.by_file().into_values().filter(|plugin| plugin.key() != key).collect::<Vec<_>>();
    let kept = snapshot.kept().iter().filter(|kept| kept.plugin.key() != key).cloned().collect();
    let is_last = !plugins.iter().any(|plugin| plugin.key().id == key.id);
    let (loaded, choices) = (Loaded { plugins, kept, ..Loaded::default() }, snapshot.choices().clone());
    let without = Snapshot::new(loaded, choices, snapshot.moves().clone());
    let ids: BTreeSet<&PluginId> = snapshot.plugins().iter().map(|plugin| &plugin.key().id).collect();
    // That the plugin itself goes with its last version is what is asked for.
    let ids = ids.into_iter().filter(|id| !(is_last && **id == key.id));
    let tenants = snapshot.choices().tenants();
    let views: Vec<_> =
        tenants.into_iter().map(|tenant| (tenant, snapshot.view(tenant), without.view(tenant))).collect();
    let each = ids.filter_map(|id| {
        let lost = |before: &Arc<TenantView>, after: &Arc<TenantView>| match (
            before.served(id.as_str()),
            after.served(id.as_str()),
        ) {
            (Some(Served::Active(_)), Some(Served::Inactive { reason, .. })) => Some(reason.clone()),
            (Some(Served::Active(_)), None) => Some("no version of it is loaded".to_owned()),
            _ => None,
        };
        let plugin = id.to_string();
        if let Some(reason) = lost(snapshot.default_view(), without.default_view()) {
            return Some(Broken { plugin, tenants: None, reason });
        }
        let concerned: Vec<(&TenantId, String)> =
            views.iter().filter_map(|(tenant, before, after)| Some((*tenant, lost(before, after)?))).collect();
        let reason = concerned.first()?.1.clone();
        let tenants = concerned.iter().map(|(tenant, _)| tenant.to_string()).collect();
        Some(Broken { plugin, tenants: Some(tenants), reason })
    });
    each.collect()
}
