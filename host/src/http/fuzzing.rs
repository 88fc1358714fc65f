//! What the fuzz targets drive of this layer: stages of a request that need neither a host nor a socket.

use axum::extract::Request;
use axum::response::IntoResponse;
use http::{HeaderMap, HeaderName, StatusCode, Uri};

use super::envelope::ApiError;
use super::plugins::{self, arguments};
use super::{identity, screen};
use crate::id::{CorrelationId, RoleName, TenantId, UserId, WorkspaceId};
use crate::permission::PermissionSet;
use crate::runtime::Identity;

fn status(error: ApiError) -> StatusCode {
    error.into_response().status()
}

/// What every request goes through first.
pub fn screen(request: &mut Request) -> Result<(), StatusCode> {
    screen::screen(request).map_err(status)
}

/// The plugin of a path, and the path below it.
pub fn split(path: &str) -> (&str, &str) {
    plugins::split(path)
}

/// The target that a plugin's own handler sees.
pub fn below(path: &str, uri: &Uri) -> Result<Uri, StatusCode> {
    plugins::below(path, uri).map_err(status)
}

/// The keys and texts of a query.
pub fn query(query: Option<&str>) -> Result<Vec<(String, String)>, StatusCode> {
    arguments::pairs(query).map_err(status)
}

/// Whether dev mode takes a request with these headers, as one that no page from elsewhere sent.
pub fn is_own(headers: &HeaderMap) -> bool {
    identity::refuse_foreign_pages(headers).is_ok()
}

/// Who a client in dev mode says it is.
pub struct Claimed {
    pub tenant: Option<TenantId>,
    pub user: Option<UserId>,
    pub workspace: Option<WorkspaceId>,
    pub roles: Vec<RoleName>,
}

/// Reads the headers that dev mode believes.
pub fn claimed(headers: &HeaderMap) -> Result<Claimed, StatusCode> {
    fn one<T, E>(
        headers: &HeaderMap,
        name: &HeaderName,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, StatusCode> {
        let text = identity::text(headers, name).map_err(status)?;
        text.map(parse).transpose().map_err(|_| StatusCode::BAD_REQUEST)
    }
    Ok(Claimed {
        tenant: one(headers, &identity::TENANT, TenantId::parse)?,
        user: one(headers, &identity::USER, UserId::parse)?,
        workspace: one(headers, &identity::WORKSPACE, WorkspaceId::parse)?,
        roles: one(headers, &identity::ROLES, |list| identity::roles(Some(list)))?.unwrap_or_default(),
    })
}

pub fn correlation(headers: &HeaderMap) -> CorrelationId {
    identity::correlation(headers)
}

/// Leaves of a client's headers what a plugin's own handler may see.
pub fn to_plugin(headers: &mut HeaderMap, tenant: TenantId, correlation_id: CorrelationId) {
    let (roles, permissions) = (Vec::new(), PermissionSet::none());
    let identity = Identity { tenant, user: None, workspace: None, roles, permissions, correlation_id, hops: 0 };
    plugins::headers::to_plugin(headers, &identity);
}
