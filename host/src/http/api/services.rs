//! `GET /api/v1/services`: every service, who provides it, how it is, and who uses it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;

use crate::app::App;
use crate::db;
use crate::http::envelope::{ApiError, SuccessList};
use crate::http::health::{self, Health};
use crate::http::identity::Caller;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceView {
    name: String,
    version: String,
    provider: Provider,
    health: Health,
    endpoints: Vec<EndpointView>,
    consumers: Vec<ConsumerView>,
}

#[derive(Serialize)]
struct Provider {
    id: String,
    version: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointView {
    method: String,
    /// As a client writes it, below the host's address.
    path: String,
    function: Option<String>,
    permissions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<i64>,
    #[serde(rename = "cacheTTL", skip_serializing_if = "Option::is_none")]
    cache_ttl: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Serialize)]
struct ConsumerView {
    id: String,
    version: String,
    interface: String,
    requirement: String,
    required: bool,
}

/// The services as the control plane knows them, with the health of their providers for this tenant.
pub async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<impl IntoResponse, ApiError> {
    let identity = caller.identity()?.clone();
    let services = app.control().service_list().await?;
    let snapshot = app.registry().snapshot();
    let view = snapshot.view(&identity.tenant);
    // All at once: each may take its time, and a slow one holds up no other.
    let checks = snapshot.plugins().iter().map(async |plugin| {
        let key = (plugin.key().id.to_string(), plugin.key().version.to_string());
        if !services.iter().any(|service| service.plugin_id == key.0 && service.plugin_version == key.1) {
            return None;
        }
        Some((key, health::of_served(&app, &view, &identity, &view.state(plugin)).await))
    });
    let healths: HashMap<(String, String), Health> =
        futures::future::join_all(checks).await.into_iter().flatten().collect();
    let gone = Health { status: health::HealthStatus::Unavailable, reason: Some("its plugin is gone".into()) };
    let views = services.into_iter().map(|service| {
        let key = (service.plugin_id.clone(), service.plugin_version.clone());
        let health = healths.get(&key).unwrap_or(&gone).clone();
        service_view(service, health)
    });
    Ok(SuccessList(views.collect()))
}

fn service_view(service: db::Service, health: Health) -> ServiceView {
    let base = format!("/plugins/{}", service.plugin_id);
    ServiceView {
        name: service.name,
        version: service.version,
        endpoints: service.endpoints.into_iter().map(|endpoint| endpoint_view(&base, endpoint)).collect(),
        consumers: service.consumers.into_iter().map(consumer_view).collect(),
        provider: Provider { id: service.plugin_id, version: service.plugin_version },
        health,
    }
}

fn endpoint_view(base: &str, endpoint: db::Endpoint) -> EndpointView {
    EndpointView {
        method: endpoint.method,
        path: format!("{base}{}", endpoint.path),
        function: endpoint.function,
        permissions: endpoint.permissions,
        rate_limit: endpoint.rate_limit_per_minute,
        cache_ttl: endpoint.cache_ttl_s,
        description: endpoint.description,
    }
}

fn consumer_view(consumer: db::Consumer) -> ConsumerView {
    ConsumerView {
        id: consumer.plugin_id,
        version: consumer.plugin_version,
        interface: consumer.interface,
        requirement: consumer.requirement,
        required: consumer.required,
    }
}
