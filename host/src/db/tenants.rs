//! Tenants: who they are and where they came from.

use async_trait::async_trait;

use super::{DbError, Tenant, TenantOrigin};

/// The customers of the installation.
#[async_trait]
pub trait Tenants {
    /// The tenant of this id, made first where there is none. A known tenant keeps its origin.
    async fn tenant_ensure(&self, tenant: &str, origin: TenantOrigin) -> Result<Tenant, DbError>;

    /// Makes a tenant; none when there is one of this id.
    async fn tenant_create(&self, tenant: &str, origin: TenantOrigin) -> Result<Option<Tenant>, DbError>;

    /// The tenant of this id.
    async fn tenant_fetch(&self, tenant: &str) -> Result<Option<Tenant>, DbError>;

    /// All tenants by id.
    async fn tenant_list(&self) -> Result<Vec<Tenant>, DbError>;

    /// The first tenants by id, at most so many, whose ids come after this one.
    async fn tenant_page(&self, after: Option<&str>, limit: u32) -> Result<Vec<Tenant>, DbError>;
}
