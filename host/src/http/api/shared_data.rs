//! `/api/v1/plugins/{id}/shared-data`: what a plugin shares with others for a tenant. Never the values: whoever may see those
//! asks the plugin.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::page::{self, Page};
use super::take::Query;
use super::unknown;
use crate::app::App;
use crate::capability::sql::SharedInfo;
use crate::http::envelope::ApiError;
use crate::http::identity::Caller;
use crate::id::PluginId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    limit: Option<u32>,
    /// The `nextCursor` of an earlier answer.
    cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryView {
    namespace: String,
    key: String,
    version: i64,
    /// Of the value.
    bytes: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl From<SharedInfo> for EntryView {
    fn from(info: SharedInfo) -> Self {
        let time = |at| Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX).to_string();
        let SharedInfo { namespace, key, version, bytes, expires_at_ms, .. } = info;
        Self { namespace, key, version, bytes, expires_at: expires_at_ms.map(time) }
    }
}

/// In the order in which they were first set. The plugin need not be loaded: its data may have outlived it. Of one that never
/// was there is nothing to list: whoever asks for that has misspelt it.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Page<EntryView>, ApiError> {
    let plugin = PluginId::parse(&id)
        .map_err(|_| ApiError::not_found("plugin_not_found", format!("there is no plugin `{id}`")))?;
    let tenant = &caller.identity()?.tenant;
    let limit = page::limit(wanted.limit)?;
    let after = wanted.cursor.map_or(Ok(0), |cursor| cursor.parse().map_err(|_| no_cursor()))?;
    let until = Instant::now() + app.config().limits.wall_deadline();
    let unavailable = |error| {
        let message = format!("the data of plugin {plugin} for tenant {tenant} cannot be looked at: {error}");
        ApiError::data_unavailable(message)
    };
    let Some(database) = app.sql().visit(tenant, &plugin, until).await.map_err(unavailable)? else {
        return match unknown::never_seen(&app, plugin.as_str()).await? {
            Some(refusal) => Err(refusal),
            None => Ok(Page { data: Vec::new(), next: None }),
        };
    };
    let now = Timestamp::now().as_millisecond();
    // One more, to know whether there are more.
    let mut found = database.shared_infos(after, limit + 1, now).await.map_err(unavailable)?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Page { data: found.into_iter().map(EntryView::from).collect(), next })
}

fn no_cursor() -> ApiError {
    ApiError::wrong_field("cursor", "must be the `nextCursor` of an earlier answer")
}
