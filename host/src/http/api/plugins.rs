//! `GET /api/v1/plugins`, `GET /api/v1/plugins/{id}` and `GET /plugins/{id}/info`: what is loaded, what is
//! not, and why.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::app::App;
use crate::http::envelope::{self, ApiError, Success};
use crate::http::identity::identify;
use crate::registry::manifest::{Endpoint, Manifest, Service};
use crate::registry::resolve::{Link, Status};
use crate::registry::{Plugin, Rejected, TenantView};

/// One loaded version of a plugin, for one tenant.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PluginView<'a> {
    id: &'a str,
    version: String,
    name: &'a str,
    description: &'a str,
    category: Option<&'a str>,
    status: &'static str,
    /// Why it is not active.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// True for the version that answers the tenant's requests.
    serving: bool,
    file_name: &'a str,
    sha256: &'a str,
    loaded_at: String,
    exports: Vec<String>,
    imports: &'a [Link],
    capabilities: &'a [String],
    endpoints: &'a [Endpoint],
}

impl<'a> PluginView<'a> {
    fn new(view: &'a TenantView, plugin: &'a Plugin) -> Self {
        let Manifest { id, name, version, description, category, endpoints, .. } = &plugin.manifest;
        let resolved = view.resolved(plugin.key());
        let (status, reason) = match resolved.map(|resolved| &resolved.status) {
            Some(Status::Active) => ("active", None),
            Some(Status::Inactive { reason }) => ("inactive", Some(reason.to_string())),
            None => ("inactive", None),
        };
        Self {
            id: id.as_str(),
            version: version.to_string(),
            name,
            description,
            category: category.as_deref(),
            status,
            reason,
            serving: view.serves(plugin.key()),
            file_name: &plugin.file_name,
            sha256: &plugin.sha256,
            loaded_at: plugin.loaded_at.to_string(),
            exports: plugin.prepared.exports().iter().map(|export| export.name.to_string()).collect(),
            imports: resolved.map(|resolved| resolved.links.as_slice()).unwrap_or_default(),
            capabilities: plugin.prepared.capabilities(),
            endpoints,
        }
    }
}

/// A file that was found and not loaded.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RejectedView<'a> {
    file_name: &'a str,
    sha256: Option<&'a str>,
    reason: &'a str,
    seen_at: String,
}

impl<'a> From<&'a Rejected> for RejectedView<'a> {
    fn from(file: &'a Rejected) -> Self {
        Self {
            file_name: &file.file_name,
            sha256: file.sha256.as_deref(),
            reason: &file.reason,
            seen_at: file.seen_at.to_string(),
        }
    }
}

/// Every loaded version of every plugin, and every file that was refused.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Body<'a> {
        success: bool,
        data: Vec<PluginView<'a>>,
        total: usize,
        rejected: Vec<RejectedView<'a>>,
    }
    let identity = identify(&app, &headers).await?;
    let snapshot = app.registry().snapshot();
    let view = snapshot.view(&identity.tenant);
    let data: Vec<_> = snapshot.plugins().iter().map(|plugin| PluginView::new(view, plugin)).collect();
    let rejected = snapshot.rejected().iter().map(RejectedView::from).collect();
    let body = Body { success: true, total: data.len(), data, rejected };
    let bytes = serde_json::to_vec(&body).map_err(|error| ApiError::internal(&error))?;
    Ok(envelope::json(StatusCode::OK, bytes))
}

/// Every loaded version of one plugin, with its manifest.
pub async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Detail<'a> {
        #[serde(flatten)]
        plugin: PluginView<'a>,
        manifest: &'a Manifest,
    }
    #[derive(Serialize)]
    struct Details<'a> {
        id: &'a str,
        versions: Vec<Detail<'a>>,
    }
    let identity = identify(&app, &headers).await?;
    let snapshot = app.registry().snapshot();
    let view = snapshot.view(&identity.tenant);
    let versions: Vec<_> = snapshot
        .plugins()
        .iter()
        .filter(|plugin| plugin.manifest.id.as_str() == id)
        .map(|plugin| Detail { plugin: PluginView::new(view, plugin), manifest: &plugin.manifest })
        .collect();
    if versions.is_empty() {
        return Err(ApiError::not_found("plugin_not_found", format!("there is no plugin `{id}`")));
    }
    Ok(Success(Details { id: &id, versions }).into_response())
}

/// What a client of the plugin needs to know: the version that answers, its services and endpoints.
pub async fn info(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Info<'a> {
        id: &'a str,
        name: &'a str,
        version: String,
        description: &'a str,
        services: &'a [Service],
        endpoints: &'a [Endpoint],
    }
    let identity = identify(&app, &headers).await?;
    let snapshot = app.registry().snapshot();
    let plugin = crate::http::plugins::active(snapshot.view(&identity.tenant), &id)?;
    let Manifest { name, version, description, services, endpoints, .. } = &plugin.manifest;
    Ok(Success(Info { id: &id, name, version: version.to_string(), description, services, endpoints }).into_response())
}
