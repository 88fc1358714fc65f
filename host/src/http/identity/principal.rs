//! Which tenant a request of somebody concerns.

use http::{HeaderMap, StatusCode};

use super::{TENANT, correlation, text, wrong};
use crate::access::{Principal, Reach};
use crate::app::App;
use crate::config::DEMO_TENANT;
use crate::http::envelope::ApiError;
use crate::id::TenantId;

impl Principal {
    /// The tenant a request of this principal concerns: the one it names, or the only one it could mean. None when
    /// it could mean any and names none.
    ///
    /// # Errors
    ///
    /// 400 when the name is no tenant id or there are several to choose from, 403 for a tenant out of reach, 404
    /// for one that does not exist.
    pub(super) async fn tenant(&self, app: &App, headers: &HeaderMap) -> Result<Option<TenantId>, ApiError> {
        let named = text(headers, &TENANT)?.map(TenantId::parse).transpose().map_err(|error| wrong(&TENANT, error))?;
        match (&self.reach, named) {
            (Reach::Dev, named) => {
                let tenant = match named {
                    Some(tenant) => tenant,
                    None => TenantId::parse(DEMO_TENANT).map_err(|error| wrong(&TENANT, error))?,
                };
                app.tenant_ensure(&tenant, Some(&correlation(headers))).await?;
                Ok(Some(tenant))
            }
            (Reach::Every, Some(tenant)) => existing(app, tenant).await.map(Some),
            (Reach::Every, None) => Ok(None),
            // Whether a tenant out of reach exists is not told.
            (Reach::Only(tenants), Some(tenant)) if !tenants.contains(&tenant) => {
                let message = format!("this credential is not for the tenant `{tenant}`");
                Err(ApiError::new(StatusCode::FORBIDDEN, "wrong_tenant", message))
            }
            // An issuer may name tenants that this host does not have.
            (Reach::Only(_), Some(tenant)) => existing(app, tenant).await.map(Some),
            (Reach::Only(tenants), None) => match tenants.as_slice() {
                [only] => existing(app, only.clone()).await.map(Some),
                [] => Err(ApiError::new(StatusCode::FORBIDDEN, "no_tenant", "this credential is for no tenant")),
                _ => Err(unnamed()),
            },
        }
    }
}

/// The tenant, if there is one of this id.
async fn existing(app: &App, tenant: TenantId) -> Result<TenantId, ApiError> {
    if app.tenant_exists(&tenant).await? {
        return Ok(tenant);
    }
    Err(ApiError::not_found("tenant_not_found", format!("there is no tenant `{tenant}`")))
}

/// 400: the request says of no tenant that it concerns it.
pub(super) fn unnamed() -> ApiError {
    let message = "name the tenant in the header X-Tenant-ID: this credential does not say which";
    ApiError::new(StatusCode::BAD_REQUEST, "tenant_required", message)
}
