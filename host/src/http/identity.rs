//! Who a request is from.
//!
//! Identity comes from the credential alone. What a client sends under the names of identity headers is
//! never believed, except in dev mode, which binds to loopback only, and never reaches a plugin as sent.

use http::{HeaderMap, HeaderName, StatusCode};

use super::envelope::{ApiError, WrongField};
use crate::app::App;
use crate::config::DEMO_TENANT;
use crate::id::{CorrelationId, TenantId, UserId, WorkspaceId};
use crate::runtime::Identity;

pub const TENANT: HeaderName = HeaderName::from_static("x-tenant-id");
pub const USER: HeaderName = HeaderName::from_static("x-user-id");
pub const WORKSPACE: HeaderName = HeaderName::from_static("x-workspace-id");
pub const CALLER_PLUGIN: HeaderName = HeaderName::from_static("x-caller-plugin-id");
pub const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");

/// Every header that only the host may set on its way to a plugin.
pub const HOST_HEADERS: [HeaderName; 5] = [TENANT, USER, WORKSPACE, CALLER_PLUGIN, CORRELATION];

/// Finds out who is asking and makes sure that the tenant exists.
///
/// # Errors
///
/// 400 when the tenant, user or workspace named is not a valid id, 401 without a credential.
pub async fn identify(app: &App, headers: &HeaderMap) -> Result<Identity, ApiError> {
    if !app.config().dev {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "this host has no credentials configured yet, so it serves no tenant: run `tenon serve --dev` on a \
             developer's machine",
        ));
    }
    let tenant = match text(headers, &TENANT)? {
        Some(tenant) => TenantId::parse(tenant).map_err(|error| wrong(&TENANT, error))?,
        None => TenantId::parse(DEMO_TENANT).map_err(|error| wrong(&TENANT, error))?,
    };
    let user = text(headers, &USER)?.map(UserId::parse).transpose().map_err(|error| wrong(&USER, error))?;
    let workspace =
        text(headers, &WORKSPACE)?.map(WorkspaceId::parse).transpose().map_err(|error| wrong(&WORKSPACE, error))?;
    app.tenant_ensure(&tenant).await.map_err(|error| ApiError::internal(&error))?;
    Ok(Identity { tenant, user, workspace, roles: vec!["owner".into()], correlation_id: correlation(headers) })
}

/// The client's own correlation id if it is one, else a new one.
pub fn correlation(headers: &HeaderMap) -> CorrelationId {
    headers
        .get(CORRELATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| CorrelationId::parse(text).ok())
        .unwrap_or_else(CorrelationId::new)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(wrong(name, "is given more than once"));
    }
    value.to_str().map(Some).map_err(|_| wrong(name, "is not visible ASCII text"))
}

fn wrong(name: &HeaderName, error: impl ToString) -> ApiError {
    let message = error.to_string();
    let mut answer = ApiError::new(StatusCode::BAD_REQUEST, "bad_header", format!("header {name}: {message}"));
    answer.fields = vec![WrongField { field: name.to_string(), message }];
    answer
}
