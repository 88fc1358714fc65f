//! Forgetting what is remembered of a plugin that is gone: who came first, what its versions promised, and which of
//! them was the highest.
//!
//! Invariant: nothing is forgotten of what is loaded. It would be written down again at the next look, and meanwhile
//! another could take its place.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Registry, RegistryError};
use crate::db::{Claim, ClaimKind};
use crate::id::PluginId;

/// What is to be forgotten.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Wanted {
    /// Which bytes each version had, and which services are the plugin's.
    pub claims: bool,
    /// The types that its versions offered.
    pub promises: bool,
    /// The highest version that ever was active.
    pub highest_version: bool,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Forgotten {
    pub forgotten: Vec<Memory>,
    /// What stays, because it is of a version that is loaded.
    pub loaded: Vec<Memory>,
}

/// One thing that was remembered.
#[derive(Debug, Clone, Serialize)]
pub struct Memory {
    pub kind: &'static str,
    pub name: String,
}

impl Registry {
    /// Forgets what is wanted of a plugin, and judges all files anew. None when nothing is known of the plugin at all.
    ///
    /// # Errors
    ///
    /// When the control plane fails, or the directory cannot be read; what was forgotten stays so.
    pub async fn forget(&self, id: &PluginId, wanted: Wanted) -> Result<Option<Forgotten>, RegistryError> {
        let mut files = self.files.lock().await;
        let claims: Vec<Claim> =
            self.control.claim_list().await?.into_iter().filter(|claim| is_of(claim, id)).collect();
        let highest = self.control.highest_version_list().await?.into_iter().find(|row| row.plugin == id.as_str());
        let snapshot = self.snapshot();
        if claims.is_empty() && highest.is_none() && !snapshot.plugins().iter().any(|known| known.key().id == *id) {
            return Ok(None);
        }
        let held: HashSet<_> =
            snapshot.plugins().iter().flat_map(|plugin| plugin.claims.names().collect::<Vec<_>>()).collect();
        let is_wanted = |claim: &Claim| if claim.kind == ClaimKind::Types { wanted.promises } else { wanted.claims };
        let (loaded, free): (Vec<_>, Vec<_>) =
            claims.into_iter().filter(is_wanted).partition(|claim| held.contains(&(claim.kind, claim.name.clone())));
        let mut done = Forgotten {
            forgotten: free.iter().map(Memory::of).collect(),
            loaded: loaded.iter().map(Memory::of).collect(),
        };
        self.control.claims_forget(free).await?;
        if let Some(row) = highest.filter(|_| wanted.highest_version) {
            let runs = |version: &semver::Version| version.to_string() == row.version;
            let of_plugin = || snapshot.plugins().iter().map(|plugin| plugin.key()).filter(|key| key.id == *id);
            let memory = Memory { kind: "highest-version", name: row.version.clone() };
            if of_plugin().any(|key| runs(&key.version)) {
                done.loaded.push(memory);
            } else {
                self.control.highest_version_forget(id.as_str()).await?;
                done.forgotten.push(memory);
            }
        }
        // Files that were refused for it may be taken now.
        files.judge_anew();
        drop(files);
        self.look_now().await?;
        Ok(Some(done))
    }
}

/// Whether the claim is that of a version of this plugin.
fn is_of(claim: &Claim, id: &PluginId) -> bool {
    match claim.kind {
        ClaimKind::Service => claim.holder == id.as_str(),
        ClaimKind::Release | ClaimKind::Types => claim.plugin.split(' ').next() == Some(id.as_str()),
    }
}

impl Memory {
    fn of(claim: &Claim) -> Self {
        Self { kind: claim.kind.as_str(), name: claim.name.clone() }
    }
}
