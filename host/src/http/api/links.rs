//! `GET /api/v1/plugins/{id}/links`: who provides each import of a plugin, who was passed over, and why.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde_json::json;

use super::activating::Activating;
use super::{lacking, plugins, unknown};
use crate::app::App;
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::Caller;
use crate::registry::resolve::PluginResolution;

/// Explains the links of every loaded version of a plugin, for the tenant of the request, and names its files
/// that were refused.
pub async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<impl IntoResponse, ApiError> {
    let snapshot = app.registry().snapshot();
    let view = super::view(&snapshot, &caller);
    let lifecycle = app.registry().lifecycle();
    let error = |version: &PluginResolution| {
        let plugin = snapshot.plugins().iter().find(|plugin| {
            let key = plugin.key();
            key.id == version.id && key.version == version.version
        });
        plugins::error(lifecycle, caller.tenant(), plugin?)
    };
    let mut explanation = snapshot.explain(&view, &id, error);
    if let Some(explanation) = &mut explanation {
        for plugin in snapshot.plugins().iter().filter(|plugin| plugin.key().id.as_str() == id) {
            let version = &plugin.key().version;
            let activating = Activating::of(lifecycle, caller.tenant(), plugin);
            let lines = activating.iter().map(|move_| format!("activating since {}: {}", move_.since, move_.told()));
            let lacking = lacking::told(caller.tenant(), plugin, view.resolved(plugin.key()));
            lines.chain(lacking).for_each(|line| explanation.add_line(&id, version, &line));
            let activating = activating.iter().map(|move_| json!({ "version": version, "move": move_ }));
            explanation.activating.extend(activating);
        }
    }
    // What fails is a tenant's own, so it is told to who asks for one.
    if let (Some(explanation), Some(tenant)) = (&mut explanation, caller.tenant()) {
        explanation.tenant = Some(tenant.to_string());
        let failing = app.runtime().failing_links(tenant);
        explanation.add_failing(failing.into_iter().filter(|link| link.caller == id || link.provider == id).collect());
    }
    explanation.map(Success).ok_or_else(|| unknown::plugin(&snapshot, &id))
}
