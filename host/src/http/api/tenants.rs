//! `/api/v1/tenants`: the customers of the installation.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::page::{self, Page};
use super::take::{Body, Query};
use crate::app::App;
use crate::db::{Tenant, TenantOrigin};
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::{Caller, Reach, correlation};
use crate::http::routes::Changed;
use crate::id::TenantId;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewTenant {
    id: TenantId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Paging {
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TenantView {
    id: String,
    /// Who brought it in: `operator`, `dev` or `demo`.
    origin: &'static str,
    created_at: String,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self { origin: tenant.origin.as_str(), created_at: tenant.created_at.to_string(), id: tenant.id }
    }
}

/// Makes a tenant; 409 when it is there.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(NewTenant { id }): Body<NewTenant>,
) -> Result<Response, ApiError> {
    let Some(tenant) = app.control().tenant_create(id.as_str(), TenantOrigin::Operator).await? else {
        let error = ApiError::new(StatusCode::CONFLICT, "conflict", format!("there is a tenant `{id}` already"));
        return Ok(Changed::refused(id.as_str(), json!({ "id": id.as_str() }), error));
    };
    let (request, data) = (correlation(&headers), json!({ "tenant": tenant.id }));
    app.runtime().announcements().tell(&id, "tenant.created", id.as_str(), data, Some(&request));
    app.schedules().wake();
    let changed = Changed::new(id.as_str()).of(Some(id.as_str())).to(json!({ "id": tenant.id }));
    Ok(changed.with((StatusCode::CREATED, Success(TenantView::from(tenant)))))
}

/// All tenants by id, for an operator who names none; else the one.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Page<TenantView>, ApiError> {
    let limit = page::limit(paging.limit)?;
    // In dev mode there always is a tenant, and who may make tenants sees all of them.
    let all =
        caller.principal.reach == Reach::Dev && caller.principal.permissions.covers_operation("admin:system:tenants");
    if let Some(tenant) = caller.tenant().filter(|_| !all) {
        let found = app.control().tenant_fetch(tenant.as_str()).await?;
        return Ok(Page { data: found.into_iter().map(TenantView::from).collect(), next: None });
    }
    let found = app.control().tenant_page(paging.cursor.as_deref(), limit).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| full).map(|last| last.id.clone());
    Ok(Page { data: found.into_iter().map(TenantView::from).collect(), next })
}

/// One tenant. To whoever is in another it does not exist.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Success<TenantView>, ApiError> {
    let own = match &caller.principal.reach {
        Reach::Every | Reach::Dev => true,
        Reach::Only(_) => caller.tenant().is_some_and(|tenant| tenant.as_str() == id),
    };
    let found = if own { app.control().tenant_fetch(&id).await? } else { None };
    let missing = || ApiError::not_found("tenant_not_found", format!("there is no tenant `{id}`"));
    Ok(Success(found.ok_or_else(missing)?.into()))
}
