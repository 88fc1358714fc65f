//! `/api/v1/plugins/{id}/snapshots`: copies of a tenant's data, kept before migrations, and the way back to one.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::app::App;
use crate::capability::sql::{Snapshot, SnapshotId, SqlError};
use crate::http::envelope::{ApiError, Success, SuccessList};
use crate::http::identity::Caller;
use crate::http::routes::Changed;
use crate::id::{PluginId, TenantId};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotView {
    id: String,
    taken_at: String,
    /// How many migrations had run.
    data_version: u32,
    /// The plugin version that ran the last of them.
    plugin_version: Option<String>,
    bytes: u64,
}

impl From<Snapshot> for SnapshotView {
    fn from(snapshot: Snapshot) -> Self {
        Self {
            id: snapshot.id.to_string(),
            taken_at: snapshot.id.taken_at().to_string(),
            data_version: snapshot.data_version,
            plugin_version: snapshot.plugin_version.map(|version| version.to_string()),
            bytes: snapshot.bytes,
        }
    }
}

/// The newest first.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let (tenant, plugin) = about(&caller, &id)?;
    let found = app.runtime().sql().snapshots(&tenant, &plugin).await.map_err(refused)?;
    Ok(SuccessList(found.into_iter().map(SnapshotView::from).collect()).into_response())
}

/// Puts a snapshot in the place of the tenant's data, and lets the tenant move to what it is to have from there.
pub(super) async fn restore(
    State(app): State<Arc<App>>,
    Path((id, snapshot)): Path<(String, String)>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let (tenant, plugin) = about(&caller, &id)?;
    let snapshot = parse(&snapshot)?;
    let until = Instant::now() + app.registry().lifecycle().deadline();
    let restored = app.runtime().sql().restore(&tenant, &plugin, snapshot, until).await;
    app.runtime().invalidate(&tenant, &plugin);
    let restored = restored.map_err(refused)?;
    // What runs is judged anew, with the data as it is now.
    app.registry().lifecycle().stop(&tenant, &plugin).await?;
    app.registry().retry(&tenant);
    let kept = restored.kept.map(|kept| kept.to_string());
    let changed = Changed::new(format!("{plugin} {snapshot}")).to(json!({ "kept": kept }));
    let answer = json!({ "restored": SnapshotView::from(restored.snapshot), "kept": kept });
    Ok(changed.with(Success(answer)))
}

pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Path((id, snapshot)): Path<(String, String)>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let (tenant, plugin) = about(&caller, &id)?;
    let snapshot = parse(&snapshot)?;
    app.runtime().sql().snapshot_delete(&tenant, &plugin, snapshot).await.map_err(refused)?;
    Ok(Changed::new(format!("{plugin} {snapshot}")).with(Success(json!({ "deleted": snapshot.to_string() }))))
}

/// The plugin need not be loaded: its data may have outlived it.
fn about(caller: &Caller, id: &str) -> Result<(TenantId, PluginId), ApiError> {
    let plugin = PluginId::parse(id)
        .map_err(|_| ApiError::not_found("plugin_not_found", format!("there is no plugin `{id}`")))?;
    Ok((caller.identity()?.tenant.clone(), plugin))
}

fn parse(text: &str) -> Result<SnapshotId, ApiError> {
    text.parse().map_err(|error: crate::capability::sql::InvalidSnapshotId| {
        ApiError::not_found("snapshot_not_found", error.to_string())
    })
}

fn refused(error: SqlError) -> ApiError {
    match error {
        SqlError::Invalid(message) => ApiError::not_found("snapshot_not_found", message),
        other => ApiError::data_unavailable(other.to_string()),
    }
}
