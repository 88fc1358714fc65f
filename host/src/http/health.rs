//! Is the host alive, is it ready, and how is a plugin?
//!
//! A plugin is as ill as the worse of what it says of itself and what its calls for this tenant have shown. What one
//! tenant's calls have shown is told to no other; `/health`, which anybody may ask, counts and names nobody.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use wasmtime::component::Val;

use super::api::plugins;
use super::envelope::{ApiError, Success};
use super::identity::Caller;
use super::server::Draining;
use crate::app::App;
use crate::id::TenantId;
use crate::registry::{Plugin, Served, TenantView};
use crate::runtime::{BreakerState, CallContext, HEALTH, Identity, VersionedInterface};

/// How long a plugin may take to say how it is.
const CHECK_DEADLINE: Duration = Duration::from_secs(1);

/// How a plugin is, for one tenant.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    pub status: HealthStatus,
    /// Why it is not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// From well to ill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthStatus {
    Healthy,
    Degraded,
    Unavailable,
}

impl Health {
    /// The worse of the two, with the reasons of both.
    fn and(self, other: Self) -> Self {
        let reasons: Vec<String> = [self.reason, other.reason].into_iter().flatten().collect();
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        Self { status: self.status.max(other.status), reason }
    }

    fn unavailable(reason: impl Into<String>) -> Self {
        Self { status: HealthStatus::Unavailable, reason: Some(reason.into()) }
    }
}

/// `GET /health`: the host, since when it is up, and how many of its plugins are active.
pub async fn health(State(app): State<Arc<App>>, started_at: Timestamp) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Report {
        status: &'static str,
        version: &'static str,
        started_at: String,
        plugins: Plugins,
        failing: Failing,
    }
    #[derive(Serialize)]
    struct Plugins {
        loaded: usize,
        active: usize,
        rejected: usize,
    }
    /// Plugins by how ill their calls have shown them for some tenant.
    #[derive(Serialize)]
    struct Failing {
        /// Whose last call failed.
        degraded: usize,
        /// Whose last calls failed, so many that others may not call them for a while.
        unavailable: usize,
    }
    if let Err(error) = app.control().ping().await {
        return not_ready(&error).into_response();
    }
    let (snapshot, failing) = (app.registry().snapshot(), app.runtime().failing_plugins());
    let unavailable = failing.values().filter(|failures| **failures >= app.runtime().breaker().failures).count();
    let plugins = Plugins {
        loaded: snapshot.plugins().len(),
        active: plugins::active_count(app.registry(), &snapshot),
        rejected: plugins::refused(&snapshot, &app.registry().compiling()).count(),
    };
    let failing = Failing { degraded: failing.len() - unavailable, unavailable };
    let (version, started_at) = (env!("CARGO_PKG_VERSION"), started_at.to_string());
    Success(Report { status: "ok", version, started_at, plugins, failing }).into_response()
}

/// `GET /health/live`: the process answers.
pub async fn live() -> impl IntoResponse {
    Success(serde_json::json!({ "status": "ok" }))
}

/// `GET /health/ready`: requests will be served. No longer, as soon as the host is told to stop.
pub async fn ready(State(app): State<Arc<App>>, draining: Draining) -> Response {
    if draining.begun() {
        let message = "the host is stopping: requests under way are finished, send others elsewhere";
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", message).into_response();
    }
    match app.control().ping().await {
        Ok(()) => Success(serde_json::json!({ "status": "ok" })).into_response(),
        Err(error) => not_ready(&error).into_response(),
    }
}

fn not_ready(error: &dyn std::error::Error) -> ApiError {
    let answer = ApiError::internal(error);
    let message = "the control plane's database does not answer".to_string();
    ApiError { status: StatusCode::SERVICE_UNAVAILABLE, code: "not_ready".into(), message, ..answer }
}

/// `GET /plugins/{id}/health`: 503 when it is unavailable.
pub async fn plugin(State(app): State<Arc<App>>, Path(id): Path<String>, caller: Caller) -> Result<Response, ApiError> {
    let identity = caller.identity()?.clone();
    let view = app.ready(&identity.tenant, &id).await?;
    let served = view
        .served(&id)
        .ok_or_else(|| ApiError::not_found("plugin_not_found", format!("there is no plugin `{id}`")))?;
    let health = of_served(&app, &view, &identity, served).await;
    let status = match health.status {
        HealthStatus::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    Ok((status, Success(health)).into_response())
}

/// What a plugin says of itself; what the host knows of it when it cannot say.
pub async fn of_served(app: &Arc<App>, view: &TenantView, identity: &Arc<Identity>, served: &Served) -> Health {
    match served {
        Served::Inactive { reason, .. } => Health::unavailable(reason),
        Served::Active(plugin) => {
            let own = check(app, view, identity, plugin).await;
            own.and(known(app, &identity.tenant, plugin))
        }
    }
}

/// What the host knows of a plugin from its calls for this tenant.
fn known(app: &App, tenant: &TenantId, plugin: &Plugin) -> Health {
    let (runtime, id) = (app.runtime(), &plugin.key().id);
    if let Some(ills) = runtime.ills(tenant, id) {
        let (failures, ago) = (ills.failures, ills.ago.as_secs());
        let status = match failures >= runtime.breaker().failures {
            true => HealthStatus::Unavailable,
            false => HealthStatus::Degraded,
        };
        let calls = if failures == 1 { "call".to_owned() } else { format!("{failures} calls") };
        let reason = format!("its last {calls} failed, {ago} s ago: {}", ills.reason);
        return Health { status, reason: Some(reason) };
    }
    let links = runtime.failing_links(tenant);
    let resting = links.iter().find(|link| link.provider == id.as_str() && link.state != BreakerState::Closed);
    match resting {
        Some(link) => {
            let reason = format!("{} does not call it for {}: {}", link.caller, link.interface, link.reason);
            Health { status: HealthStatus::Degraded, reason: Some(reason) }
        }
        None => Health { status: HealthStatus::Healthy, reason: None },
    }
}

async fn check(app: &Arc<App>, view: &TenantView, identity: &Arc<Identity>, plugin: &Plugin) -> Health {
    let check = plugin
        .prepared
        .exports()
        .iter()
        .find(|export| is_health(&export.name))
        .and_then(|export| export.function("check"));
    // A plugin without the export is well as long as it is active.
    let Some(check) = check else { return Health { status: HealthStatus::Healthy, reason: None } };
    let context = CallContext { hook: Some(HEALTH), ..app.context_within(identity.clone(), view, CHECK_DEADLINE) };
    let clock = context.cpu.clock().clone();
    match clock.run(app.runtime().call(&plugin.prepared, check, context, &[])).await {
        Ok(report) => read(report).unwrap_or_else(|| Health::unavailable("its health report cannot be read")),
        Err(failure) => Health::unavailable(failure.to_string()),
    }
}

fn is_health(name: &VersionedInterface) -> bool {
    name.interface.as_str() == "tenon:plugin/health" && name.version.major == 1
}

fn read(report: Option<Val>) -> Option<Health> {
    let Some(Val::Record(fields)) = report else { return None };
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let Val::Enum(status) = field("status")? else { return None };
    let status = match status.as_str() {
        "healthy" => HealthStatus::Healthy,
        "degraded" => HealthStatus::Degraded,
        "unavailable" => HealthStatus::Unavailable,
        _ => return None,
    };
    let reason = match field("reason")? {
        Val::Option(Some(reason)) => match &**reason {
            Val::String(text) => Some(text.clone()),
            _ => return None,
        },
        _ => None,
    };
    Some(Health { status, reason })
}
