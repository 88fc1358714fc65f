//! `/api/v1/plugins/{id}/decision`: what a tenant has decided about a plugin: whether it is enabled, and which
//! versions it wants. `activate` and `deactivate` are the same in one word.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::take::{Body, Query};
use super::{config, revision, unknown};
use crate::app::App;
use crate::db;
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::Caller;
use crate::http::routes::Changed;
use crate::id::{PluginId, TenantId};
use crate::registry::Served;
use crate::registry::choices::PluginChoice;
use crate::registry::lifecycle::Failed;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    enabled: bool,
    /// The only versions that are wanted, as `^1.0.0`; null or absent for any.
    #[serde(default)]
    pin: Option<String>,
}

/// What was decided, and what comes of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DecisionView {
    plugin: String,
    tenant: String,
    enabled: bool,
    pin: Option<String>,
    /// The version that answers the tenant's requests; none if no version can.
    version: Option<String>,
    /// Why none can.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The versions that the tenant could not be moved to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<FailedView>,
    revision: i64,
}

/// A version that failed for the tenant, which stays on another.
#[derive(Serialize)]
struct FailedView {
    version: String,
    reason: String,
    since: String,
}

/// Whether a plugin is switched off although it has something against it, or pinned to versions that are not loaded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Force {
    #[serde(default)]
    pub(super) force: bool,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let (tenant, plugin) = about(&app, &caller, &id)?;
    let view = seen(&app, &tenant, &plugin);
    Ok(revision::tagged(view.revision, Success(view)))
}

pub(super) async fn put(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
    Query(Force { force }): Query<Force>,
    Body(wanted): Body<Decision>,
) -> Result<Response, ApiError> {
    let asked = json!({ "enabled": wanted.enabled, "pin": wanted.pin });
    let set = set(&app, &id, &caller, &headers, force, wanted).await;
    revision::answered(&app, set.map_err(|error| error.wanting(asked))).await
}

async fn set(
    app: &App,
    id: &str,
    caller: &Caller,
    headers: &HeaderMap,
    force: bool,
    wanted: Decision,
) -> Result<Response, ApiError> {
    let (tenant, plugin) = about(app, caller, id)?;
    let before = app.registry().snapshot().choices().decision(&tenant, &plugin);
    let revision = revision::read(headers, before.revision)?;
    let pin = wanted.pin.as_deref().map(requirement).transpose()?;
    if let Some(pin) = pin.as_ref().filter(|pin| !force && before.pin.as_ref() != Some(pin)) {
        matches_some(app, &plugin, pin)?;
    }
    decide(app, &tenant, &plugin, before, PluginChoice { enabled: wanted.enabled, pin, revision }, force).await
}

pub(super) async fn activate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Response, ApiError> {
    // Whoever says it again wants it tried again.
    app.registry().retry(&caller.identity()?.tenant);
    switch(&app, &caller, &id, true, false).await
}

pub(super) async fn deactivate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
    Query(Force { force }): Query<Force>,
) -> Result<Response, ApiError> {
    switch(&app, &caller, &id, false, force).await
}

/// Switching is the same however often it is done, so nobody needs to have read anything.
async fn switch(app: &App, caller: &Caller, id: &str, enabled: bool, force: bool) -> Result<Response, ApiError> {
    let (tenant, plugin) = about(app, caller, id)?;
    let before = app.registry().snapshot().choices().decision(&tenant, &plugin);
    let switched = decide(app, &tenant, &plugin, before.clone(), PluginChoice { enabled, ..before }, force).await;
    revision::answered(app, switched).await
}

async fn decide(
    app: &App,
    tenant: &TenantId,
    plugin: &PluginId,
    before: PluginChoice,
    after: PluginChoice,
    force: bool,
) -> Result<Response, ApiError> {
    let told = |choice: &PluginChoice| json!({ "enabled": choice.enabled, "pin": choice.pin });
    let changed = Changed::new(plugin.as_str()).from(told(&before)).to(told(&after));
    if after.enabled {
        stays(app, plugin)?;
        let fits = |version: &semver::Version| after.pin.as_ref().is_none_or(|pin| pin.matches(version));
        config::enabling(&app.registry().snapshot(), tenant, plugin, fits)?;
    }
    let is_switched_off = before.enabled && !after.enabled;
    if is_switched_off
        && let Err(failure) = app.registry().deactivate(tenant, plugin).await
        && !force
    {
        let message = format!(
            "{plugin} could not be switched off: {failure}; with `--force` or `?force=true` it is all the same"
        );
        return Err(ApiError::new(StatusCode::CONFLICT, "deactivation_failed", message));
    }
    if after != before {
        let row = db::TenantPlugin {
            tenant: tenant.to_string(),
            plugin: plugin.to_string(),
            enabled: after.enabled,
            pin: after.pin.as_ref().map(ToString::to_string),
            revision: after.revision,
            updated_at: Timestamp::now(),
        };
        app.control().tenant_plugin_put(row).await?.map_err(|db::Stale| revision::stale())?;
    }
    // What was decided is written down from here on, whatever comes of it.
    Ok(changed.with(match come(app, tenant, plugin, before != after, after.enabled).await {
        Ok(()) => {
            let view = seen(app, tenant, plugin);
            revision::tagged(view.revision, Success(view))
        }
        Err(error) => error.into_response(),
    }))
}

/// Has a decision count, and brings the tenant what it wants or takes it away.
async fn come(app: &App, tenant: &TenantId, plugin: &PluginId, is_new: bool, is_enabled: bool) -> Result<(), ApiError> {
    if is_new {
        app.registry().decide().await?;
    }
    if is_enabled {
        // So that whoever decides hears what comes of it.
        let wait = app.config().limits.wall_deadline();
        app.registry().moved(tenant, plugin.as_str(), wait).await?;
    } else {
        // However often it is said: an earlier attempt may have ended half way.
        app.registry().lifecycle().stop(tenant, plugin).await?;
    }
    Ok(())
}

fn seen(app: &App, tenant: &TenantId, plugin: &PluginId) -> DecisionView {
    let snapshot = app.registry().snapshot();
    let moves = app.registry().lifecycle().moves();
    let versions = snapshot.plugins().iter().map(|known| known.key()).filter(|key| key.id == *plugin);
    let failed = versions.filter_map(|key| {
        let Failed { failure, since, .. } = moves.failed(tenant, key)?;
        let (version, reason) = (key.version.to_string(), failure.to_string());
        Some(FailedView { version, reason, since: since.to_string() })
    });
    let failed = failed.collect();
    let PluginChoice { enabled, pin, revision } = snapshot.choices().decision(tenant, plugin);
    let (version, reason) = match snapshot.view(tenant).served(plugin.as_str()) {
        Some(Served::Active(serving)) => (Some(serving.key().version.to_string()), None),
        Some(Served::Inactive { reason, .. }) => (None, Some(reason.clone())),
        None => (None, None),
    };
    let pin = pin.map(|pin| pin.to_string());
    let (plugin, tenant) = (plugin.to_string(), tenant.to_string());
    DecisionView { plugin, tenant, enabled, pin, version, reason, failed, revision }
}

/// 409: the pin would take the plugin from the tenant, as no version that it allows is loaded.
fn matches_some(app: &App, plugin: &PluginId, pin: &VersionReq) -> Result<(), ApiError> {
    let snapshot = app.registry().snapshot();
    let loaded = snapshot.plugins().iter().map(|known| known.key()).filter(|key| key.id == *plugin);
    let loaded: BTreeSet<&Version> = loaded.map(|key| &key.version).collect();
    if loaded.iter().any(|version| pin.matches(version)) {
        return Ok(());
    }
    let loaded = loaded.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let message = format!(
        "no loaded version of {plugin} is within {pin}, so the tenant would have none; loaded: {loaded}. To pin it ahead \
         of a version that is to come, use `--force` or `?force=true`"
    );
    Err(ApiError::new(StatusCode::CONFLICT, "pin_matches_nothing", message))
}

/// 409: it is being uninstalled, so it is too late to decide for it.
fn stays(app: &App, plugin: &PluginId) -> Result<(), ApiError> {
    let (snapshot, lifecycle) = (app.registry().snapshot(), app.registry().lifecycle());
    let mut versions = snapshot.plugins().iter().filter(|known| known.key().id == *plugin);
    if versions.any(|known| lifecycle.is_leaving(known)) {
        let message = format!("{plugin} is being uninstalled: nobody can begin to use it any more");
        return Err(ApiError::new(StatusCode::CONFLICT, "uninstalling", message));
    }
    Ok(())
}

/// The tenant and the plugin that a request is about.
fn about(app: &App, caller: &Caller, id: &str) -> Result<(TenantId, PluginId), ApiError> {
    let tenant = caller.identity()?.tenant.clone();
    let snapshot = app.registry().snapshot();
    let known = snapshot.plugins().iter().map(|plugin| &plugin.key().id).find(|known| known.as_str() == id);
    match known {
        Some(plugin) => Ok((tenant, plugin.clone())),
        None => Err(unknown::plugin(&snapshot, id)),
    }
}

fn requirement(text: &str) -> Result<VersionReq, ApiError> {
    VersionReq::parse(text).map_err(|error| {
        let message = format!("is no range of versions, as `^1.0.0` or `=1.1.0`: {error}");
        ApiError::wrong_field("pin", message)
    })
}
