//! What is said of a plugin that does not exist.

use std::collections::BTreeSet;

use crate::app::App;
use crate::db::DbError;
use crate::http::envelope::ApiError;
use crate::registry::Snapshot;
use crate::registry::manifest::nearest;

/// 404: no version of it is loaded. A name that is nearly the same is offered.
pub(super) fn plugin(snapshot: &Snapshot, id: &str) -> ApiError {
    let loaded = snapshot.plugins().iter().map(|plugin| plugin.key().id.as_str());
    not_found(format!("there is no plugin `{id}`"), id, loaded)
}

/// 404 if no version of it is loaded, and none ever was.
pub(super) async fn never_seen(app: &App, id: &str) -> Result<Option<ApiError>, DbError> {
    let snapshot = app.registry().snapshot();
    let claims = app.control().claim_list().await?;
    let loaded = snapshot.plugins().iter().map(|plugin| plugin.key().id.as_str());
    let claimed = claims.iter().filter_map(|claim| claim.plugin.split(' ').next());
    let known: BTreeSet<&str> = loaded.chain(claimed).collect();
    if known.contains(id) {
        return Ok(None);
    }
    let message = format!("there is no plugin `{id}` and there never was, so there is nothing of it");
    Ok(Some(not_found(message, id, known)))
}

fn not_found<'a>(message: String, id: &str, known: impl IntoIterator<Item = &'a str>) -> ApiError {
    let meant = nearest(id, known).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    ApiError::not_found("plugin_not_found", message + &meant)
}
