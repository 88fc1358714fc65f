//! The control plane: what the host itself remembers between starts.
//!
//! Invariant: a write that was acknowledged is on disk, and one that takes several statements takes effect
//! as a whole even when the caller stops waiting for it. Plugins' own data is not here: it lies behind
//! `capability::sql`, in databases no statement of this module can reach.

mod error;
mod rows;
mod services;
mod snapshot;
mod sqlite;
mod statements;

#[cfg(test)]
mod contract;

use async_trait::async_trait;

pub use self::error::DbError;
pub use self::rows::{
    Consumer, Endpoint, Import, Plugin, PluginRecord, PluginStatus, Provider, RegistrySnapshot, RejectedFile, Service,
    ServiceRecord, Tenant, TenantOrigin,
};
pub use self::sqlite::{CONTROL_PLANE_FILE, SqliteControlPlane};

/// Everything the host asks of its control plane, whichever database holds it.
///
/// Every operation fails only with [`DbError`]; what may be absent is an `Option` or a `bool`.
#[async_trait]
pub trait ControlPlane: Send + Sync {
    /// The tenant of this id, made first where there is none. A known tenant keeps its origin.
    async fn tenant_ensure(&self, tenant: &str, origin: TenantOrigin) -> Result<Tenant, DbError>;

    /// The tenant of this id.
    async fn tenant_fetch(&self, tenant: &str) -> Result<Option<Tenant>, DbError>;

    /// All tenants by id.
    async fn tenant_list(&self) -> Result<Vec<Tenant>, DbError>;

    /// Makes the registry exactly this snapshot, in one transaction: what is not in it is forgotten, and a
    /// plugin version that was known keeps the time it was first seen.
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

    /// Answers when the database can be read.
    async fn ping(&self) -> Result<(), DbError>;

    /// Waits for operations under way and lets go of the database. Later operations fail.
    async fn close(&self);
}
