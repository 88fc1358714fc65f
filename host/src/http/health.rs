//! Is the host alive, is it ready, and how is a plugin?

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use wasmtime::component::Val;

use super::envelope::{ApiError, Success};
use super::identity::identify;
use crate::app::App;
use crate::registry::{Plugin, Served, TenantView};
use crate::runtime::{Identity, VersionedInterface};

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthStatus {
    Healthy,
    Degraded,
    Unavailable,
}

impl Health {
    fn unavailable(reason: impl Into<String>) -> Self {
        Self { status: HealthStatus::Unavailable, reason: Some(reason.into()) }
    }
}

/// `GET /health`: the host and how many of its plugins are active.
pub async fn health(State(app): State<Arc<App>>) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Report {
        status: &'static str,
        version: &'static str,
        plugins: Plugins,
    }
    #[derive(Serialize)]
    struct Plugins {
        loaded: usize,
        active: usize,
        rejected: usize,
    }
    if let Err(error) = app.control().ping().await {
        return not_ready(&error).into_response();
    }
    let snapshot = app.registry().snapshot();
    let plugins = Plugins {
        loaded: snapshot.plugins().len(),
        active: snapshot.active_count(),
        rejected: snapshot.rejected().len(),
    };
    Success(Report { status: "ok", version: env!("CARGO_PKG_VERSION"), plugins }).into_response()
}

/// `GET /health/live`: the process answers.
pub async fn live() -> impl IntoResponse {
    Success(serde_json::json!({ "status": "ok" }))
}

/// `GET /health/ready`: requests will be served.
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.control().ping().await {
        Ok(()) => Success(serde_json::json!({ "status": "ok" })).into_response(),
        Err(error) => not_ready(&error).into_response(),
    }
}

fn not_ready(error: &dyn std::error::Error) -> ApiError {
    let answer = ApiError::internal(error);
    let message = "the control plane's database does not answer".to_string();
    ApiError { status: StatusCode::SERVICE_UNAVAILABLE, code: "not_ready".to_string(), message, ..answer }
}

/// `GET /plugins/{id}/health`: 503 when it is unavailable.
pub async fn plugin(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let identity = Arc::new(identify(&app, &headers).await?);
    let snapshot = app.registry().snapshot();
    let view = snapshot.view(&identity.tenant);
    let served = view
        .served(&id)
        .ok_or_else(|| ApiError::not_found("plugin_not_found", format!("there is no plugin `{id}`")))?;
    let health = of_served(&app, view, &identity, served).await;
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
        Served::Active(plugin) => check(app, view, identity, plugin).await,
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
    let context = app.context_within(identity.clone(), view, CHECK_DEADLINE);
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
