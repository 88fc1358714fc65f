//! `GET /api/v1/plugins/{id}/links`: who provides each import of a plugin, who was passed over, and why.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::HeaderMap;

use crate::app::App;
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::identify;

/// Explains the links of every loaded version of a plugin, for the tenant of the request.
pub async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let identity = identify(&app, &headers).await?;
    let snapshot = app.registry().snapshot();
    let explanation = snapshot.view(&identity.tenant).explain(&id);
    explanation
        .map(Success)
        .ok_or_else(|| ApiError::not_found("plugin_not_found", format!("there is no plugin `{id}`")))
}
