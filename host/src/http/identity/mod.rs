//! Who a request is from.
//!
//! A credential gives a [`Principal`]; the tenant it names makes that an [`Identity`] for plugins, or a [`Caller`] of
//! the host's own operations. Identity comes from the credential alone. What a client sends under the names of identity headers is
//! never believed, except in dev mode, which binds to loopback only, and never reaches a plugin as sent.

mod caller;
mod credential;
mod principal;

use std::collections::BTreeSet;
use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, StatusCode};

pub use self::caller::Caller;
pub use self::credential::Origin;
use super::envelope::{ApiError, WrongField};
use super::screen;
pub use crate::access::{Principal, Reach};
use crate::app::App;
use crate::id::{CorrelationId, InvalidText, RoleName, TenantId, UserId, WorkspaceId};
use crate::runtime::Identity;

pub const TENANT: HeaderName = HeaderName::from_static("x-tenant-id");
pub const USER: HeaderName = HeaderName::from_static("x-user-id");
pub const WORKSPACE: HeaderName = HeaderName::from_static("x-workspace-id");
/// Roles, separated by commas. Read in dev mode alone.
pub const ROLES: HeaderName = HeaderName::from_static("x-user-roles");
pub const CALLER_PLUGIN: HeaderName = HeaderName::from_static("x-caller-plugin-id");
pub const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");

/// Every header that only the host may set on its way to a plugin.
pub const HOST_HEADERS: [HeaderName; 6] = [TENANT, USER, WORKSPACE, ROLES, CALLER_PLUGIN, CORRELATION];

/// The roles of whoever names none in dev mode.
const DEV_ROLES: &str = "operator,owner";

/// Marks requests that came over the host's own socket, which only its operators can open.
#[derive(Debug, Clone, Copy)]
pub struct Local;

/// Finds out who is asking.
///
/// # Errors
///
/// 400 when a header is not what it should be; 401 without a credential, and for one that is not good, also where none
/// is needed; 429 after too many of those; 403 in dev mode for the request of a page from elsewhere.
pub async fn authenticate(app: &App, headers: &HeaderMap, origin: Origin) -> Result<Principal, ApiError> {
    if let Some(credential) = credential::bearer(headers)? {
        return Ok(app.access().principal(credential, origin.address).await?);
    }
    if origin.local {
        return Ok(operator(app, "local", None));
    }
    if app.config().dev { developer(app, headers) } else { Err(credential::missing()) }
}

/// Who runs the installation.
fn operator(app: &App, name: &str, user: Option<UserId>) -> Principal {
    let roles: Vec<RoleName> = RoleName::parse("operator").into_iter().collect();
    let permissions = app.config().roles.permissions(&roles);
    Principal { name: name.to_owned(), user, roles, permissions, reach: Reach::Every, within: None }
}

/// Whoever asks a host in dev mode, as the headers have it.
fn developer(app: &App, headers: &HeaderMap) -> Result<Principal, ApiError> {
    refuse_foreign_pages(headers)?;
    let user = text(headers, &USER)?.map(UserId::parse).transpose().map_err(|error| wrong(&USER, error))?;
    let roles = roles(text(headers, &ROLES)?).map_err(|error| wrong(&ROLES, error))?;
    let permissions = app.config().roles.permissions(&roles);
    let name = user.as_ref().map_or_else(|| "dev".to_owned(), |user| format!("dev:{user}"));
    Ok(Principal { name, user, roles, permissions, reach: Reach::Dev, within: None })
}

/// Finds out who is asking and for which tenant.
///
/// # Errors
///
/// Those of [`authenticate`]; 400 when no tenant is named and none is meant, 403 or 404 for one that is not to be had.
pub async fn identify(app: &App, headers: &HeaderMap, origin: Origin) -> Result<Identity, ApiError> {
    let principal = authenticate(app, headers, origin).await?;
    match principal.tenant(app, headers).await? {
        Some(tenant) => {
            noticed(app, &principal, &tenant, headers);
            within(principal.as_in(&tenant), tenant, headers)
        }
        None => Err(principal::unnamed()),
    }
}

/// Says that somebody came with a credential. In dev mode nobody does.
fn noticed(app: &App, principal: &Principal, tenant: &TenantId, headers: &HeaderMap) {
    if matches!(principal.reach, Reach::Only(_)) {
        app.events().seen(tenant, &principal.name, &correlation(headers));
    }
}

/// What a principal is within a tenant.
fn within(principal: Principal, tenant: TenantId, headers: &HeaderMap) -> Result<Identity, ApiError> {
    let workspace =
        text(headers, &WORKSPACE)?.map(WorkspaceId::parse).transpose().map_err(|error| wrong(&WORKSPACE, error))?;
    let Principal { user, roles, permissions, .. } = principal;
    Ok(Identity { tenant, user, workspace, roles, permissions, correlation_id: correlation(headers), hops: 0 })
}

/// The roles of a list, each once. An empty list is a user without any; no list is the developer's own role.
pub(super) fn roles(list: Option<&str>) -> Result<Vec<RoleName>, InvalidText> {
    let named = list.unwrap_or(DEV_ROLES).split(',').map(str::trim);
    let roles = named.filter(|role| !role.is_empty()).map(RoleName::parse).collect::<Result<BTreeSet<_>, _>>()?;
    Ok(roles.into_iter().collect())
}

/// In dev mode nobody is asked for a key, and a loopback port can be reached by every page that the
/// developer's browser shows: so a browser's request counts only when it comes from this host's own address.
pub(super) fn refuse_foreign_pages(headers: &HeaderMap) -> Result<(), ApiError> {
    let host = text(headers, &HOST)?;
    if host.is_some_and(|host| !is_loopback(host)) {
        let message = "dev mode answers under localhost and loopback addresses only: use 127.0.0.1";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "foreign_host", message));
    }
    if let Some(origin) = text(headers, &ORIGIN)?
        && origin.strip_prefix("http://") != host
    {
        let message = format!("dev mode takes no requests from pages of {origin}");
        return Err(ApiError::new(StatusCode::FORBIDDEN, "foreign_origin", message));
    }
    Ok(())
}

/// Whether a `Host` header, with or without a port, names this machine.
fn is_loopback(host: &str) -> bool {
    let Some(authority) = host.parse::<http::uri::Authority>().ok().filter(screen::is_host) else { return false };
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

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
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
    fn roles_come_as_a_list_and_none_named_is_not_none_at_all() {
        let read =
            |list: Option<&str>| roles(list).map(|roles| roles.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read(None).unwrap(), ["operator", "owner"]);
        assert!(read(Some("")).unwrap().is_empty() && read(Some(" , ")).unwrap().is_empty());
        assert_eq!(read(Some("member, clerk,member")).unwrap(), ["clerk", "member"]);
        assert!(read(Some("Owner")).is_err() && read(Some("*")).is_err());
    }

    #[test]
    fn loopback_names_are_told_from_others() {
        for ours in ["localhost:4000", "LOCALHOST", "127.0.0.1:4000", "127.8.8.8", "[::1]:4000"] {
            assert!(is_loopback(ours), "{ours}");
        }
        for foreign in [
            "example.com",
            "localhost.example.com",
            "10.0.0.1:4000",
            "127.0.0.1.nip.io",
            "",
            "@127.0.0.1@x",
            "localhost:b",
        ] {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }

    #[test]
    fn an_origin_that_cannot_be_read_is_not_taken_for_none() {
        let with = |origins: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            headers.append(HOST, "localhost:4000".parse().unwrap());
            for origin in origins {
                headers.append(ORIGIN, http::HeaderValue::from_bytes(origin).unwrap());
            }
            refuse_foreign_pages(&headers).is_ok()
        };
        assert!(with(&[]) && with(&[b"http://localhost:4000"]));
        assert!(!with(&[b"http://example.com"]));
        assert!(!with(&[b"http://ex\xe4mple.com"]));
        assert!(!with(&[b"http://localhost:4000", b"http://example.com"]));
    }
}
