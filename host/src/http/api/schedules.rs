//! `/api/v1/schedules`: what plugins do by the clock for a tenant, what came of it, and doing it now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::page::{self, Page};
use super::take::Query;
use crate::app::App;
use crate::db::{RunState, ScheduleKey, ScheduleRun};
use crate::http::envelope::{ApiError, Success, SuccessList};
use crate::http::identity::Caller;
use crate::http::routes::Changed;
use crate::id::TenantId;
use crate::registry::{Plugin, Served};
use crate::trigger::schedules::{ByHand, Refused};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Paging {
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScheduleView {
    plugin: String,
    version: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    cron: String,
    time_zone: String,
    /// What becomes of ticks that were missed: `skip` or `once`.
    missed: &'static str,
    /// None until the host has taken the schedule up.
    next_tick: Option<String>,
    /// The one that goes on, or the last that did.
    last_run: Option<RunView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunView {
    run: String,
    /// When it was due, or asked for.
    tick: String,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_by: Option<String>,
    outcome: &'static str,
    /// Ticks before this one that passed without a run.
    passed: i64,
    attempts: i64,
    /// The version of the plugin that ran.
    version: Option<String>,
    begun_at: Option<String>,
    ended_at: Option<String>,
    error: Option<String>,
    correlation_id: String,
}

impl From<ScheduleRun> for RunView {
    fn from(run: ScheduleRun) -> Self {
        let outcome = match run.state {
            RunState::Open if run.lease.is_some() => "running",
            RunState::Open => "waiting",
            over => over.as_str(),
        };
        Self {
            run: run.id,
            tick: run.tick.to_string(),
            asked_by: run.asked_by,
            outcome,
            passed: run.passed,
            attempts: run.attempts,
            version: run.version,
            begun_at: run.begun_at.map(|at| at.to_string()),
            ended_at: run.ended_at.map(|at| at.to_string()),
            error: run.error,
            correlation_id: run.correlation_id,
        }
    }
}

/// The schedules of the plugins that are active for the tenant.
pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<SuccessList<ScheduleView>, ApiError> {
    let tenant = &caller.identity()?.tenant;
    let last = app.control().run_last(tenant.as_str()).await?.into_iter();
    let mut last: HashMap<(String, String), ScheduleRun> =
        last.map(|run| ((run.key.plugin.clone(), run.key.name.clone()), run)).collect();
    let standings = app.control().schedule_list(Some(tenant.as_str())).await?;
    let view = app.registry().snapshot().view(tenant);
    let mut plugins: Vec<&Arc<Plugin>> = view.active().collect();
    plugins.sort_by_key(|plugin| &plugin.key().id);
    let mut schedules = Vec::new();
    for plugin in plugins {
        for schedule in &plugin.manifest.schedules {
            let (id, name) = (plugin.key().id.to_string(), schedule.name.to_string());
            let last_run = last.remove(&(id.clone(), name.clone())).map(RunView::from);
            let is_taken_up = standings.iter().any(|standing| {
                let ScheduleKey { plugin, name: known, .. } = &standing.key;
                (plugin, known) == (&id, &name) && standing.definition == schedule.definition()
            });
            let next_tick = app.schedules().next(schedule).filter(|_| is_taken_up);
            schedules.push(ScheduleView {
                plugin: id,
                version: plugin.key().version.to_string(),
                name,
                description: schedule.description.clone(),
                cron: schedule.cron.as_str().to_owned(),
                time_zone: schedule.time_zone.as_str().to_owned(),
                missed: schedule.missed.as_str(),
                next_tick: next_tick.map(|tick| tick.to_string()),
                last_run,
            });
        }
    }
    Ok(SuccessList(schedules))
}

/// What came of a schedule lately, the newest first. Also of one that is no longer there.
pub(super) async fn runs(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((plugin, name)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Page<RunView>, ApiError> {
    let limit = page::limit(paging.limit)?;
    let tenant = &caller.identity()?.tenant;
    let key = ScheduleKey { tenant: tenant.to_string(), plugin, name };
    let found = app.control().run_list(key.clone(), paging.cursor.as_deref(), limit).await?;
    if found.is_empty() && paging.cursor.is_none() {
        exists(&app, tenant, &key)?;
    }
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| full).map(|last| last.id.clone());
    Ok(Page { data: found.into_iter().map(RunView::from).collect(), next })
}

/// Runs it now. Answers when it is over, or with 202 when that takes longer than a request may.
pub(super) async fn run(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((plugin, name)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let until = Instant::now() + app.config().limits.wall_deadline();
    let identity = caller.identity()?;
    let tenant = identity.tenant.clone();
    let key = ScheduleKey { tenant: tenant.to_string(), plugin, name };
    exists(&app, &tenant, &key)?;
    let target = format!("{} {}", key.plugin, key.name);
    let wanted = ByHand {
        tenant: tenant.clone(),
        key,
        asked_by: caller.principal.name.clone(),
        correlation_id: identity.correlation_id.to_string(),
    };
    let begun = app.schedules().run_by_hand(wanted).await.map_err(refused)?;
    _ = tokio::time::timeout_at(until.into(), begun.ended).await;
    let found = app.control().run_fetch(tenant.as_str(), &begun.id).await?;
    let run = RunView::from(found.ok_or_else(|| absent(&target))?);
    let status = if run.outcome == "running" { StatusCode::ACCEPTED } else { StatusCode::OK };
    let changed = Changed::new(target).to(json!({ "run": run.run, "outcome": run.outcome }));
    Ok(changed.with((status, Success(run)).into_response()))
}

/// 404 unless a plugin that is active for the tenant has it.
fn exists(app: &App, tenant: &TenantId, key: &ScheduleKey) -> Result<(), ApiError> {
    let view = app.registry().snapshot().view(tenant);
    let plugin = match view.served(&key.plugin) {
        Some(Served::Active(plugin)) => plugin,
        Some(Served::Inactive { reason, .. }) => {
            let message = format!("plugin {} is not active: {reason}", key.plugin);
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "plugin_inactive", message));
        }
        None => {
            let message = format!("there is no plugin `{}`", key.plugin);
            return Err(ApiError::not_found("plugin_not_found", message));
        }
    };
    let is_there = plugin.manifest.schedules.iter().any(|schedule| schedule.name.as_str() == key.name);
    if is_there { Ok(()) } else { Err(absent(&format!("{} {}", key.plugin, key.name))) }
}

fn absent(target: &str) -> ApiError {
    ApiError::not_found("schedule_not_found", format!("there is no schedule `{target}`"))
}

fn refused(refused: Refused) -> ApiError {
    let message = refused.to_string();
    let later = HeaderValue::from_static("1");
    match refused {
        Refused::Running => ApiError::new(StatusCode::CONFLICT, "schedule_running", message),
        Refused::Busy => {
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "schedules_busy", message).with_header(RETRY_AFTER, later)
        }
        Refused::Stopping => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", message),
        Refused::Control(error) => error.into(),
    }
}
