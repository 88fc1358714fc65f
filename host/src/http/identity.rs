//! Who a request is from.
//!
//! Identity comes from the credential alone. What a client sends under the names of identity headers is
//! never believed, except in dev mode, which binds to loopback only, and never reaches a plugin as sent.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
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
/// 400 when the tenant, user or workspace named is not a valid id, 401 without a credential, 403 in dev mode for
/// the request of a page from elsewhere.
pub async fn identify(app: &App, headers: &HeaderMap) -> Result<Identity, ApiError> {
    if !app.config().dev {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "this host has no credentials configured yet, so it serves no tenant: run `tenon serve --dev` on a \
             developer's machine",
        ));
    }
    refuse_foreign_pages(headers)?;
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

/// In dev mode nobody is asked for a key, and a loopback port can be reached by every page that the
/// developer's browser shows: so a browser's request counts only when it comes from this host's own address.
fn refuse_foreign_pages(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(HOST);
    if host.is_some_and(|host| !is_loopback(host)) {
        let message = "dev mode answers under localhost and loopback addresses only: use 127.0.0.1";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "foreign_host", message));
    }
    if let Some(origin) = text(ORIGIN)
        && origin.strip_prefix("http://") != host
    {
        let message = format!("dev mode takes no requests from pages of {origin}");
        return Err(ApiError::new(StatusCode::FORBIDDEN, "foreign_origin", message));
    }
    Ok(())
}

/// Whether a `Host` header, with or without a port, names this machine.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_are_told_from_others() {
        for ours in ["localhost:4000", "LOCALHOST", "127.0.0.1:4000", "127.8.8.8", "[::1]:4000"] {
            assert!(is_loopback(ours), "{ours}");
        }
        for foreign in ["example.com", "localhost.example.com", "10.0.0.1:4000", "127.0.0.1.nip.io", "", "@127.0.0.1@x"]
        {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }
}
