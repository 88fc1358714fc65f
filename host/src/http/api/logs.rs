//! `/api/v1/plugins/{id}/logs`: the last lines of a plugin, and those that come.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use super::take::Query;
use super::unknown;
use crate::app::App;
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::Caller;
use crate::log::kept::{Asked, Found, KeptLine};
use crate::log::said::Level;

const LINES: usize = 100;
const LINES_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    lines: Option<usize>,
    level: Option<String>,
    /// The `cursor` of an earlier answer.
    after: Option<u64>,
    /// Whether to wait for lines if there are none.
    #[serde(default)]
    wait: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogView {
    lines: Vec<LineView>,
    /// For the next request.
    cursor: u64,
    /// Whether lines after the cursor that was given were no longer there.
    skipped: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LineView {
    at: String,
    plugin: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// `stdout`, `stderr`, `log` (`wasi:logging`) or `host`.
    source: &'static str,
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    text: String,
    correlation_id: String,
}

impl From<&KeptLine> for LineView {
    fn from(line: &KeptLine) -> Self {
        Self {
            at: line.at.to_string(),
            plugin: line.plugin.to_string(),
            version: line.version.to_string(),
            tenant: (!line.tenant.is_nobody()).then(|| line.tenant.to_string()),
            source: line.source.name(),
            level: line.source.level().name(),
            context: line.context.as_deref().map(str::to_owned),
            text: line.text.to_string(),
            correlation_id: line.correlation.to_string(),
        }
    }
}

impl From<Found> for LogView {
    fn from(found: Found) -> Self {
        let Found { lines, cursor, skipped } = found;
        Self { lines: lines.iter().map(|line| LineView::from(&**line)).collect(), cursor, skipped }
    }
}

/// The last lines: the tenant's; everybody's, if an operator names none. With `after` those that came since, and with
/// `wait` the next, as soon as there is one.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Success<LogView>, ApiError> {
    let lines = wanted.lines.unwrap_or(LINES);
    if !(1..=LINES_MAX).contains(&lines) {
        return Err(ApiError::wrong_field("lines", format!("must be from 1 to {LINES_MAX}")));
    }
    let level = wanted.level.as_deref().map_or(Some(Level::Trace), Level::parse);
    let Some(level) = level else {
        let names: Vec<&str> = Level::ALL.iter().map(|level| level.name()).collect();
        return Err(ApiError::wrong_field("level", format!("must be one of {}", names.join(", "))));
    };
    let asked = Asked { plugin: &id, tenant: caller.tenant(), level, after: wanted.after, lines };
    let kept = app.runtime().log().kept();
    let found = if wanted.wait { kept.follow(asked).await } else { kept.read(&asked) };
    if found.lines.is_empty() && !is_known(&app, &id) {
        return Err(unknown::plugin(&app.registry().snapshot(), &id));
    }
    Ok(Success(found.into()))
}

/// What a plugin said outlives it.
fn is_known(app: &App, id: &str) -> bool {
    app.registry().snapshot().plugins().iter().any(|plugin| plugin.key().id.as_str() == id)
}
