//! `/api/v1/rollouts`: which tenants get which version of a plugin. A request has one deadline, however many tenants it
//! concerns.

mod reach;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::reach::{Looked, Outcome, in_the_way, look, outcomes, unconfigured};
use super::decisions::Force;
use super::revision;
use super::take::{Body, Query};
use crate::app::App;
use crate::db;
use crate::http::envelope::{ApiError, Success, SuccessList, WrongField};
use crate::http::routes::Changed;
use crate::id::{PluginId, TenantId};
use crate::registry::choices::Rollout;
use crate::registry::{Plugin, Snapshot};

/// What is asked for. What is absent stays as it is while the version stays, and is nothing with another one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    version: String,
    percent: Option<u8>,
    tenants: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RolloutView {
    plugin: String,
    version: String,
    /// What tenants have that do not take part.
    previous: Option<String>,
    percent: u8,
    tenants: Vec<String>,
    /// Whether both versions are loaded; the tenants of one that is not have no version.
    loaded: bool,
    /// What came of it for the tenants that were named, and those whose data was in the way; the others are moved in
    /// the background.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outcomes: Vec<Outcome>,
    /// Those that the request had no time left for: they are moved in the background too, or at their next request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_reached: Vec<String>,
    /// Those that take part and lack a setting which the version requires, so that they stay on what they had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unconfigured: Vec<Outcome>,
    revision: i64,
}

impl RolloutView {
    fn new(snapshot: &Snapshot, plugin: &PluginId, rollout: &Rollout) -> Self {
        let is_loaded = |version: &Version| versions(snapshot, plugin).any(|loaded| loaded.key().version == *version);
        Self {
            plugin: plugin.to_string(),
            version: rollout.version.to_string(),
            previous: rollout.previous.as_ref().map(ToString::to_string),
            percent: rollout.percent,
            tenants: rollout.tenants.iter().map(ToString::to_string).collect(),
            loaded: is_loaded(&rollout.version) && rollout.previous.as_ref().is_none_or(is_loaded),
            outcomes: Vec::new(),
            not_reached: Vec::new(),
            unconfigured: Vec::new(),
            revision: rollout.revision,
        }
    }
}

pub(super) async fn list(State(app): State<Arc<App>>) -> impl IntoResponse {
    let snapshot = app.registry().snapshot();
    let view = |(plugin, rollout)| RolloutView {
        unconfigured: unconfigured(&app, &snapshot, plugin, rollout),
        ..RolloutView::new(&snapshot, plugin, rollout)
    };
    SuccessList(snapshot.choices().rollouts().iter().map(view).collect())
}

pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let snapshot = app.registry().snapshot();
    let plugin = known(&snapshot, &id)?;
    match snapshot.choices().rollouts().get(&plugin) {
        Some(rollout) => {
            let unconfigured = unconfigured(&app, &snapshot, &plugin, rollout);
            let view = RolloutView { unconfigured, ..RolloutView::new(&snapshot, &plugin, rollout) };
            Ok(revision::tagged(rollout.revision, Success(view)))
        }
        None => Err(no_rollout(&plugin)),
    }
}

/// Begins a rollout, or lets it reach others.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(wanted): Body<Wanted>,
) -> Result<Response, ApiError> {
    revision::answered(&app, set(&app, &id, &headers, wanted).await).await
}

async fn set(app: &App, id: &str, headers: &HeaderMap, wanted: Wanted) -> Result<Response, ApiError> {
    let snapshot = app.registry().snapshot();
    let plugin = known(&snapshot, id)?;
    let before = snapshot.choices().rollouts().get(&plugin);
    let revision = revision::read(headers, before.map_or(0, |rollout| rollout.revision))?;
    let version = loaded(app, &snapshot, &plugin, &wanted.version)?;
    let goes_on = before.filter(|rollout| rollout.version == version);
    let tenants = match wanted.tenants {
        Some(named) => Some(existing(app, named).await?),
        None => None,
    };
    let after = Rollout {
        previous: previous(&snapshot, &plugin, before, &version),
        version,
        percent: percent(wanted.percent.or(goes_on.map(|rollout| rollout.percent)).unwrap_or(0))?,
        tenants: tenants.or(goes_on.map(|rollout| rollout.tenants.clone())).unwrap_or_default(),
        revision,
    };
    decide(app, &plugin, before, after, request_end(app), Looked::default()).await
}

/// When a request has to be answered, however many tenants it concerns.
fn request_end(app: &App) -> Instant {
    Instant::now() + app.config().limits.wall_deadline()
}

/// Gives every tenant the version from before.
pub(super) async fn rollback(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(Force { force }): Query<Force>,
) -> Result<Response, ApiError> {
    revision::answered(&app, back(&app, &id, force).await).await
}

async fn back(app: &App, id: &str, force: bool) -> Result<Response, ApiError> {
    let end = request_end(app);
    let snapshot = app.registry().snapshot();
    let plugin = known(&snapshot, id)?;
    let before = snapshot.choices().rollouts().get(&plugin);
    let (from, to) = match before {
        Some(rollout) => (rollout.version.clone(), rollout.previous.clone()),
        // Whoever dropped a file and regrets it has made no rollout.
        None => {
            let from = serving(&snapshot, &plugin).ok_or_else(|| nothing_before(&plugin, None))?;
            let to = previous(&snapshot, &plugin, None, &from);
            (from, to)
        }
    };
    let to = to.ok_or_else(|| nothing_before(&plugin, Some(&from)))?;
    if !versions(&snapshot, &plugin).any(|known| known.key().version == to) {
        let message = format!(
            "{plugin} {to} is not loaded, so nobody can go back to it: put its file into the plugins directory again"
        );
        return Err(ApiError::new(StatusCode::CONFLICT, "version_not_loaded", message));
    }
    let looked = look(app, &snapshot, &plugin, &to, end).await;
    if !looked.stay.is_empty() && !force {
        return Err(in_the_way(&plugin, &to, &looked.stay));
    }
    let revision = before.map_or(0, |rollout| rollout.revision);
    let after = Rollout { version: to, previous: Some(from), percent: 100, tenants: BTreeSet::new(), revision };
    decide(app, &plugin, before, after, end, looked).await
}

/// Ends a rollout: every tenant gets the highest version again.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    revision::answered(&app, end(&app, &id, &headers).await).await
}

async fn end(app: &App, id: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let snapshot = app.registry().snapshot();
    let plugin = known(&snapshot, id)?;
    let before = snapshot.choices().rollouts().get(&plugin).ok_or_else(|| no_rollout(&plugin))?;
    let revision = revision::read(headers, before.revision)?;
    app.control().rollout_delete(plugin.as_str(), revision).await?.map_err(|db::Stale| revision::stale())?;
    let answer = || {
        app.registry().settle_soon(&plugin);
        let version = serving(&app.registry().snapshot(), &plugin);
        Success(json!({ "plugin": plugin, "version": version })).into_response()
    };
    Ok(Changed::new(plugin.as_str()).from(told(before)).decided(app, answer).await)
}

/// Writes it down, and moves tenants. What came of it is told of those that the rollout names, and of those whose data
/// is in the way.
async fn decide(
    app: &App,
    plugin: &PluginId,
    before: Option<&Rollout>,
    after: Rollout,
    end: Instant,
    looked: Looked,
) -> Result<Response, ApiError> {
    let row = db::Rollout {
        plugin: plugin.to_string(),
        version: after.version.to_string(),
        previous: after.previous.as_ref().map(ToString::to_string),
        percent: i64::from(after.percent),
        tenants: after.tenants.iter().map(ToString::to_string).collect(),
        revision: after.revision,
        updated_at: Timestamp::now(),
    };
    let revision = app.control().rollout_put(row).await?.map_err(|db::Stale| revision::stale())?;
    let mut changed = Changed::new(plugin.as_str()).to(told(&after));
    changed.before = before.map(told);
    if let Err(error) = app.registry().decide().await {
        // It is decided, and counts with the next decision that can be read.
        return Ok(changed.with(ApiError::from(error)));
    }
    let moves = app.registry().lifecycle().moves();
    for tenant in moves.tenants(plugin).union(&after.tenants) {
        // Who decides anew wants it tried anew.
        app.registry().retry(tenant);
    }
    let stay = looked.stay.into_iter().map(|(tenant, _)| tenant).collect();
    let (outcomes, late) = outcomes(app, plugin, &after, &stay, end).await;
    app.registry().settle_soon(plugin);
    let after = Rollout { revision, ..after };
    let not_reached = looked.late.iter().chain(&late).map(ToString::to_string).collect();
    let snapshot = app.registry().snapshot();
    let unconfigured = unconfigured(app, &snapshot, plugin, &after);
    let view = RolloutView { outcomes, not_reached, unconfigured, ..RolloutView::new(&snapshot, plugin, &after) };
    Ok(changed.with(revision::tagged(revision, Success(view))))
}

fn told(rollout: &Rollout) -> serde_json::Value {
    let Rollout { version, previous, percent, tenants, .. } = rollout;
    json!({ "version": version, "previous": previous, "percent": percent, "tenants": tenants })
}

/// What those have who do not take part: what everybody had before.
fn previous(snapshot: &Snapshot, plugin: &PluginId, before: Option<&Rollout>, version: &Version) -> Option<Version> {
    match before {
        Some(rollout) if rollout.version == *version => rollout.previous.clone(),
        // A rollout that reached everybody is what everybody has; of one that did not, the others' version.
        Some(rollout) if rollout.percent == 100 => Some(rollout.version.clone()),
        Some(rollout) => rollout.previous.clone().filter(|previous| previous != version),
        None => {
            let others =
                || versions(snapshot, plugin).map(|known| &known.key().version).filter(|known| *known != version);
            let serving = serving(snapshot, plugin).filter(|serving| serving != version);
            serving.or_else(|| others().filter(|known| *known < version).max().or_else(|| others().max()).cloned())
        }
    }
}

/// What tenants have that stand outside every rollout.
fn serving(snapshot: &Snapshot, plugin: &PluginId) -> Option<Version> {
    let view = snapshot.default_view();
    let mut active = versions(snapshot, plugin).filter(|known| view.serves(known.key()));
    active.next().map(|known| known.key().version.clone())
}

fn versions<'a>(snapshot: &'a Snapshot, plugin: &PluginId) -> impl Iterator<Item = &'a Arc<Plugin>> {
    snapshot.plugins().iter().filter(move |known| known.key().id == *plugin)
}

fn known(snapshot: &Snapshot, id: &str) -> Result<PluginId, ApiError> {
    let loaded = snapshot.plugins().iter().map(|plugin| &plugin.key().id);
    // A rollout outlives the files it speaks of.
    let mut known = loaded.chain(snapshot.choices().rollouts().keys());
    let found = known.find(|known| known.as_str() == id).cloned();
    found.ok_or_else(|| ApiError::not_found("plugin_not_found", format!("there is no plugin `{id}`")))
}

fn loaded(app: &App, snapshot: &Snapshot, plugin: &PluginId, text: &str) -> Result<Version, ApiError> {
    let version = Version::parse(text).map_err(|error| wrong("version", format!("is no version: {error}")))?;
    match versions(snapshot, plugin).find(|known| known.key().version == version) {
        Some(known) if app.registry().lifecycle().is_leaving(known) => {
            return Err(wrong("version", "is being uninstalled".to_owned()));
        }
        Some(_) => return Ok(version),
        None => {}
    }
    let known: Vec<String> = versions(snapshot, plugin).map(|known| known.key().version.to_string()).collect();
    Err(wrong("version", format!("is not loaded; of {plugin} there is {}", known.join(", "))))
}

async fn existing(app: &App, named: Vec<String>) -> Result<BTreeSet<TenantId>, ApiError> {
    let (mut tenants, mut fields) = (BTreeSet::new(), Vec::new());
    for (index, name) in named.into_iter().enumerate() {
        let wrong = match TenantId::parse(&name) {
            Err(error) => Some(error.to_string()),
            Ok(tenant) if app.tenant_exists(&tenant).await? => {
                tenants.insert(tenant);
                None
            }
            Ok(_) => Some(format!("there is no tenant `{name}`")),
        };
        fields.extend(wrong.map(|message| WrongField { field: format!("tenants[{index}]"), message }));
    }
    if fields.is_empty() { Ok(tenants) } else { Err(ApiError::invalid(fields)) }
}

fn percent(percent: u8) -> Result<u8, ApiError> {
    match percent {
        0..=100 => Ok(percent),
        _ => Err(wrong("percent", format!("must be from 0 to 100, found {percent}"))),
    }
}

fn wrong(field: &str, message: String) -> ApiError {
    ApiError::invalid(vec![WrongField { field: field.to_owned(), message }])
}

fn no_rollout(plugin: &PluginId) -> ApiError {
    let message = format!("there is no rollout of {plugin}: every tenant gets its highest version that works");
    ApiError::not_found("rollout_not_found", message)
}

fn nothing_before(plugin: &PluginId, version: Option<&Version>) -> ApiError {
    let now = version.map(|version| format!("; tenants have {version}")).unwrap_or_default();
    let message = format!("there is no other version of {plugin} to go back to{now}");
    ApiError::new(StatusCode::CONFLICT, "nothing_before", message)
}
