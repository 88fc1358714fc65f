//! `GET /api/v1/plugins/{id}/links`: who provides each import of a plugin, who was passed over, and why.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::IntoResponse;

use super::unknown;
use crate::app::App;
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::Caller;

/// Explains the links of every loaded version of a plugin, for the tenant of the request, and names its files
/// that were refused.
pub async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<impl IntoResponse, ApiError> {
    let snapshot = app.registry().snapshot();
    let mut explanation = snapshot.explain(&super::view(&snapshot, &caller), &id);
    // What fails is a tenant's own, so it is told to who asks for one.
    if let (Some(explanation), Some(tenant)) = (&mut explanation, caller.tenant()) {
        explanation.tenant = Some(tenant.to_string());
        let failing = app.runtime().failing_links(tenant);
        explanation.add_failing(failing.into_iter().filter(|link| link.caller == id || link.provider == id).collect());
    }
    explanation.map(Success).ok_or_else(|| unknown::plugin(&snapshot, &id))
}
