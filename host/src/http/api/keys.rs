//! `/api/v1/keys`: API keys, of the tenant or, for an operator who names none, of the whole installation.
//!
//! The text of a key is in one answer, that of its making. Nothing else here could tell it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::page::{self, Page};
use super::take::{Body, Query};
use crate::access::{Made, Order};
use crate::app::App;
use crate::db::{ApiKey, ApiKeyFilter};
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::Caller;
use crate::http::routes::Changed;
use crate::id::{KeyId, RoleName};
use crate::permission::PermissionPattern;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewKey {
    #[serde(default)]
    name: String,
    role: RoleName,
    /// Patterns of plugins' permissions beside those of the role.
    #[serde(default)]
    permissions: Vec<PermissionPattern>,
    expires_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Paging {
    limit: Option<u32>,
    cursor: Option<page::Cursor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct End {
    /// Now, if it is not given.
    expires_at: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyView {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    name: String,
    role: String,
    permissions: Vec<String>,
    state: &'static str,
    created_at: String,
    created_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    /// To the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
    /// The key itself, in the answer of its making alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let state = match (key.revoked_at, key.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= Timestamp::now() => "expired",
            _ => "active",
        };
        Self {
            id: key.id,
            tenant: key.tenant,
            name: key.name,
            role: key.role,
            permissions: key.permissions,
            state,
            created_at: key.created_at.to_string(),
            created_by: key.created_by,
            expires_at: text(key.expires_at),
            revoked_at: text(key.revoked_at),
            last_used_at: text(key.used_at),
            key: None,
        }
    }
}

/// Makes a key for the tenant, or for an operator if the request is about none.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(new): Body<NewKey>,
) -> Result<Response, ApiError> {
    let NewKey { name, role, permissions, expires_at } = new;
    let order = Order { tenant: caller.tenant().cloned(), name, role, permissions, expires_at };
    let maker = &caller.principal;
    let (id, text) = match app.access().keys().make(order, &maker.permissions, &maker.name).await? {
        Made::Key { id, text } => (id, text),
        Made::Wrong { field, message } => {
            return Err(ApiError::wrong_field(field, message));
        }
        Made::Beyond { permission } => {
            let message = format!("the key would be allowed `{permission}`, which you are not");
            return Err(ApiError::new(StatusCode::FORBIDDEN, "denied", message));
        }
        Made::TooMany { most } => {
            let message =
                format!("there are {most} keys already (auth.keys_per_tenant): revoke some that are not used");
            return Err(ApiError::new(StatusCode::CONFLICT, "too_many", message));
        }
    };
    let key = app.control().key_fetch(&id).await?.ok_or_else(|| missing(&id))?;
    let changed = Changed::new(id.as_str()).of(key.tenant.clone()).to(recorded(&key));
    let answer = Success(KeyView { key: Some(text), ..key.into() });
    let mut response = changed.with((StatusCode::CREATED, answer));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The keys of the tenant, the newest first; all of them for an operator who names none.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Page<KeyView>, ApiError> {
    let limit = page::limit(paging.limit)?;
    let before = paging.cursor.map(|page::Cursor(sequence)| sequence);
    let filter = ApiKeyFilter { tenant: caller.tenant().map(ToString::to_string), before };
    let found = app.control().key_list(filter, limit).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| full).map(|last| last.sequence.to_string());
    Ok(Page { data: found.into_iter().map(KeyView::from).collect(), next })
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Success<KeyView>, ApiError> {
    let (_, key) = find(&app, &caller, &id).await?;
    Ok(Success(key.into()))
}

/// Revokes a key, at once and for good. Once more changes nothing.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let (key, before) = find(&app, &caller, &id).await?;
    app.access().keys().revoke(&key).await?;
    changed(&app, &key, &before).await
}

/// Lets a key end at a time, or now. Its end never moves away: for longer use another key is made.
pub(super) async fn expire(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(End { expires_at }): Body<End>,
) -> Result<Response, ApiError> {
    let (key, before) = find(&app, &caller, &id).await?;
    let end = expires_at.unwrap_or_else(Timestamp::now);
    if !app.access().keys().expire(&key, end).await? {
        let message = match (before.revoked_at, before.expires_at) {
            (None, Some(at)) => format!("the key ends at {at} already; make another for a longer time"),
            _ => "the key was revoked".to_owned(),
        };
        return Ok(Changed::new(id).of(before.tenant).with(ApiError::new(StatusCode::CONFLICT, "conflict", message)));
    }
    changed(&app, &key, &before).await
}

/// A key that the caller may see. One of another tenant does not exist to them.
async fn find(app: &App, caller: &Caller, id: &str) -> Result<(KeyId, ApiKey), ApiError> {
    let Ok(key) = KeyId::parse(id) else { return Err(missing(id)) };
    let found = app.control().key_fetch(key.as_str()).await?;
    let tenant = caller.tenant().map(|tenant| tenant.as_str());
    let visible = |found: &ApiKey| tenant.is_none() || found.tenant.as_deref() == tenant;
    Ok((key, found.filter(visible).ok_or_else(|| missing(id))?))
}

async fn changed(app: &App, key: &KeyId, before: &ApiKey) -> Result<Response, ApiError> {
    let after = app.control().key_fetch(key.as_str()).await?.ok_or_else(|| missing(key.as_str()))?;
    let changed = Changed::new(key.as_str()).of(before.tenant.clone()).from(recorded(before)).to(recorded(&after));
    Ok(changed.with(Success(KeyView::from(after)).into_response()))
}

/// A key as the audit log has it.
fn recorded(key: &ApiKey) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    json!({
        "tenant": key.tenant, "name": key.name, "role": key.role, "permissions": key.permissions,
        "expiresAt": time(key.expires_at), "revokedAt": time(key.revoked_at),
    })
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found("key_not_found", format!("there is no key `{}`", crate::id::excerpt(id)))
}
