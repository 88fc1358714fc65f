//! `GET /api/v1/plugins/{id}/contract`: what the loaded versions of a plugin offer, type by type, and what the
//! loaded plugins use of it. `tenon check --url` compares a file with it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::IntoResponse;

use crate::app::App;
use crate::http::envelope::Success;

/// A plugin that is not loaded has no versions; that is no error, because its first version is compared like any
/// other.
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> impl IntoResponse {
    Success(app.registry().snapshot().published(&id))
}
