//! `POST /api/v1/plugins/{id}/forget`: the end of what the host remembers of a plugin that is gone.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::install;
use super::take::Body;
use crate::app::App;
use crate::http::envelope::{ApiError, Success};
use crate::http::routes::Changed;
use crate::id::PluginId;
use crate::registry::forget::{Memory, Wanted};
use crate::registry::install::InstallError;

/// Forgets what is named, of versions that are not loaded.
pub(super) async fn forget(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Response, ApiError> {
    let unknown = || ApiError::not_found("plugin_not_found", format!("nothing is remembered of a plugin `{id}`"));
    let plugin = PluginId::parse(&id).map_err(|_| unknown())?;
    if !(wanted.claims || wanted.promises || wanted.highest_version) {
        let message = "must say what is to be forgotten: `claims`, `promises` or `highestVersion` as true".to_owned();
        return Err(ApiError::wrong_field("body", message));
    }
    let done = app.registry().forget(&plugin, wanted).await;
    let done = done.map_err(|error| install::refused(InstallError::Registry(error)))?.ok_or_else(unknown)?;
    if done.forgotten.is_empty() && !done.loaded.is_empty() {
        let message = format!(
            "nothing is forgotten of {plugin}, because a version that is loaded has it: {}; uninstall that first",
            names(&done.loaded)
        );
        return Err(ApiError::new(StatusCode::CONFLICT, "loaded", message));
    }
    let changed = Changed::new(plugin.as_str()).from(json!({ "forgotten": done.forgotten }));
    let answer = json!({ "plugin": plugin, "forgotten": done.forgotten, "loaded": done.loaded });
    Ok(changed.with(Success(answer)))
}

fn names(memories: &[Memory]) -> String {
    memories.iter().map(|memory| format!("{} {}", memory.kind, memory.name)).collect::<Vec<_>>().join(", ")
}
