//! `/api/v1/plugins/{id}/errors` and `/stats`: how a plugin failed, and how it is used.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::page::{self, Page};
use super::take::Query;
use super::unknown;
use crate::app::App;
use crate::db::{PluginError, PluginStat};
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Paging {
    limit: Option<u32>,
    cursor: Option<page::Cursor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorView {
    sequence: i64,
    at: String,
    plugin: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// `call`, `migrations` or the name of a lifecycle function.
    hook: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    backtrace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
}

impl From<PluginError> for ErrorView {
    fn from(error: PluginError) -> Self {
        let PluginError { sequence, at, plugin, version, tenant, hook, message, backtrace, correlation_id } = error;
        Self { sequence, at: at.to_string(), plugin, version, tenant, hook, message, backtrace, correlation_id }
    }
}

/// The last failures of a plugin, the newest first: for the tenant; for all, if an operator names none.
pub(super) async fn errors(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Page<ErrorView>, ApiError> {
    let limit = page::limit(paging.limit)?;
    app.registry().flushed().await?;
    let tenant = caller.tenant().map(|tenant| tenant.as_str());
    let before = paging.cursor.map(|page::Cursor(sequence)| sequence);
    let found = app.control().plugin_error_list(&id, tenant, before, limit).await?;
    if found.is_empty() {
        known(&app, &id)?;
    }
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| full).map(|last| last.sequence.to_string());
    Ok(Page { data: found.into_iter().map(ErrorView::from).collect(), next })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatView {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    activations: i64,
    calls: i64,
    /// Of the calls.
    failures: i64,
    /// How often a version could not come to the tenant, or go.
    lifecycle_failures: i64,
    last_used_at: Option<String>,
}

impl From<&PluginStat> for StatView {
    fn from(stat: &PluginStat) -> Self {
        Self {
            tenant: Some(stat.tenant.clone()),
            activations: stat.activations,
            calls: stat.calls,
            failures: stat.failures,
            lifecycle_failures: stat.lifecycle_failures,
            last_used_at: stat.last_used_at.map(|at| at.to_string()),
        }
    }
}

/// How a plugin is used in all its versions: by the tenant; by each and by all together, if an operator names none.
pub(super) async fn stats(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Stats {
        plugin: String,
        all: StatView,
        tenants: Vec<StatView>,
    }
    app.registry().flushed().await?;
    let tenant = caller.tenant().map(|tenant| tenant.as_str());
    let found = app.control().plugin_stat_list(&id, tenant).await?;
    if found.is_empty() {
        known(&app, &id)?;
    }
    let sum = |of: fn(&PluginStat) -> i64| found.iter().map(of).fold(0_i64, i64::saturating_add);
    let all = StatView {
        tenant: None,
        activations: sum(|stat| stat.activations),
        calls: sum(|stat| stat.calls),
        failures: sum(|stat| stat.failures),
        lifecycle_failures: sum(|stat| stat.lifecycle_failures),
        last_used_at: found.iter().filter_map(|stat| stat.last_used_at).max().map(|at| at.to_string()),
    };
    Ok(Success(Stats { plugin: id, all, tenants: found.iter().map(StatView::from).collect() }).into_response())
}

/// What was written down outlives the plugin; of one that never was there is nothing.
fn known(app: &App, id: &str) -> Result<(), ApiError> {
    let snapshot = app.registry().snapshot();
    match snapshot.plugins().iter().any(|plugin| plugin.key().id.as_str() == id) {
        true => Ok(()),
        false => Err(unknown::plugin(&snapshot, id)),
    }
}
