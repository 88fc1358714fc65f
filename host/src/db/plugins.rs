//! Plugins: what the registry held when it was last written down.

use async_trait::async_trait;

use super::{Claim, DbError, Import, Plugin, PluginStatus, RegistrySnapshot, RejectedFile, Service};

/// What is loaded, what was refused, and who came first.
#[async_trait]
pub trait Plugins {
    /// Makes the registry exactly this snapshot, in one transaction: what is not in it is forgotten, and a
    /// plugin version that was known keeps the time it was first seen. Claims alone stay until
    /// they are forgotten by name.
    async fn registry_replace(&self, snapshot: RegistrySnapshot) -> Result<(), DbError>;

    /// All plugin versions by id, then by the text of the version.
    async fn plugin_list(&self) -> Result<Vec<Plugin>, DbError>;

    /// One version of a plugin.
    async fn plugin_fetch(&self, plugin: &str, version: &str) -> Result<Option<Plugin>, DbError>;

    /// Changes the status of one version of a plugin and the reason that goes with it. False when the
    /// registry does not hold that version.
    async fn plugin_status_set(
        &self,
        plugin: &str,
        version: &str,
        status: PluginStatus,
        reason: Option<&str>,
    ) -> Result<bool, DbError>;

    /// What one version of a plugin imports from services, by service and interface.
    async fn import_list(&self, plugin: &str, version: &str) -> Result<Vec<Import>, DbError>;

    /// Every service with its provider, its endpoints in the manifest's order, and who is linked to it.
    async fn service_list(&self) -> Result<Vec<Service>, DbError>;

    /// The files that were found and not loaded, by name.
    async fn rejected_file_list(&self) -> Result<Vec<RejectedFile>, DbError>;

    /// Who came first, by kind and name.
    async fn claim_list(&self) -> Result<Vec<Claim>, DbError>;

    /// Forgets these claims, by kind and name, in one transaction. Those that are not there are no error.
    async fn claims_forget(&self, claims: Vec<Claim>) -> Result<(), DbError>;
}
