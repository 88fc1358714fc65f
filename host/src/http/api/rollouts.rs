//! `/api/v1/rollouts`: which tenants get which version of a plugin. A request has one deadline, however many tenants it
//! concerns.

mod reach;
mod refusal;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use semver::Version;
use serde::Deserialize;
use serde_json::json;

use self::reach::{Outcome, failed, look, not_moved, others, outcomes, unconfigured};
use self::refusal::{no_plugin, no_rollout, not_back, not_given, not_loaded, nothing_before};
use self::view::{Given, RolloutView};
use super::decisions::Force;
use super::revision;
use super::take::{Body, Query};
use crate::app::App;
use crate::db;
use crate::http::envelope::{ApiError, Success, SuccessList, WrongField};
use crate::http::routes::Changed;
use crate::id::{PluginId, TenantId};
use crate::registry::choices::rollout::Rollout;
use crate::registry::{Plugin, Served, Snapshot};
use crate::runtime::PluginKey;

/// What is asked for. Tenants come to those that have the version already. What is absent stays as it is while the
/// version stays, and is nobody with another one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    version: String,
    percent: Option<u8>,
    tenants: Option<Vec<String>>,
}

/// How far back, and whether also where it cannot be for some.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Back {
    to: Option<String>,
    #[serde(default)]
    force: bool,
}

/// A change of who gets what, before it is made.
struct Plan {
    plugin: PluginId,
    before: Option<Rollout>,
    after: Rollout,
    /// Those whose move is waited for and told of.
    named: BTreeSet<TenantId>,
    taken_back: Option<Version>,
    force: bool,
    /// When the request has to be answered.
    end: Instant,
}

pub(super) async fn list(State(app): State<Arc<App>>) -> impl IntoResponse {
    let snapshot = app.registry().snapshot();
    let view = |(plugin, rollout)| {
        let mut view = RolloutView::new(&snapshot, plugin, rollout);
        view.unconfigured = unconfigured(&app, &snapshot, plugin, rollout);
        view.not_moved = not_moved(&app, &snapshot, plugin, rollout);
        view
    };
    SuccessList(snapshot.choices().rollouts().map(view).collect())
}

pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let snapshot = app.registry().snapshot();
    let plugin = known(&snapshot, &id)?;
    match snapshot.choices().rollout(&plugin) {
        Some(rollout) => {
            let mut view = RolloutView::new(&snapshot, &plugin, rollout);
            view.unconfigured = unconfigured(&app, &snapshot, &plugin, rollout);
            view.not_moved = not_moved(&app, &snapshot, &plugin, rollout);
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
    Query(Force { force }): Query<Force>,
    Body(wanted): Body<Wanted>,
) -> Result<Response, ApiError> {
    let asked = json!({ "version": wanted.version, "percent": wanted.percent, "tenants": wanted.tenants });
    let set = set(&app, &id, &headers, wanted, force).await;
    revision::answered(&app, set.map_err(|error| error.wanting(asked))).await
}

async fn set(app: &App, id: &str, headers: &HeaderMap, wanted: Wanted, force: bool) -> Result<Response, ApiError> {
    let end = request_end(app);
    let snapshot = app.registry().snapshot();
    let plugin = known(&snapshot, id)?;
    let before = snapshot.choices().rollout(&plugin).cloned();
    revision::read(headers, before.as_ref().map_or(0, |rollout| rollout.revision))?;
    let version = loaded(app, &snapshot, &plugin, "version", &wanted.version)?;
    let share = wanted.percent.map(percent).transpose()?;
    let tenants = existing(app, wanted.tenants.unwrap_or_default()).await?;
    let most = app.config().lifecycle.rollout_steps;
    let given = now(&snapshot, &plugin)?.give(&version, share, tenants, most);
    let after = given.map_err(|error| not_given(&plugin, &version, error))?;
    let named = after.steps.last().map(|step| step.tenants.clone()).unwrap_or_default();
    decide(app, &snapshot, Plan { plugin, before, after, named, taken_back: None, force, end }).await
}

/// When a request has to be answered, however many tenants it concerns.
fn request_end(app: &App) -> Instant {
    Instant::now() + app.config().limits.wall_deadline()
}

/// Gives every tenant what it had before the last decision, or nobody anything above a version.
pub(super) async fn rollback(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(wanted): Query<Back>,
) -> Result<Response, ApiError> {
    revision::answered(&app, back(&app, &id, wanted).await).await
}

async fn back(app: &App, id: &str, wanted: Back) -> Result<Response, ApiError> {
    let end = request_end(app);
    let snapshot = app.registry().snapshot();
    let plugin = known(&snapshot, id)?;
    let before = snapshot.choices().rollout(&plugin).cloned();
    let now = now(&snapshot, &plugin)?;
    let after = match &wanted.to {
        Some(text) => {
            let version = loaded(app, &snapshot, &plugin, "to", text)?;
            if now.versions().into_iter().all(|had| *had < version) {
                return Err(not_back(&plugin, &now, &version));
            }
            now.back_to(&plugin, &version)
        }
        None => self::before(&snapshot, &plugin, &now).ok_or_else(|| nothing_before(&snapshot, &plugin, &now))?,
    };
    if let Some(missing) = after.versions().into_iter().find(|version| !is_loaded(&snapshot, &plugin, version)) {
        return Err(not_loaded(&snapshot, &plugin, missing));
    }
    let changes = !after.gives_the_same_as(&now, &plugin);
    let taken_back = now.in_force().next().map_or(&now.base, |step| &step.version);
    let named = now.in_force().flat_map(|step| step.tenants.iter().cloned()).collect();
    let taken_back = changes.then(|| taken_back.clone());
    let after = Rollout { revision: now.revision, ..after };
    decide(app, &snapshot, Plan { plugin, before, after, named, taken_back, force: wanted.force, end }).await
}

/// Ends a rollout: every tenant gets the highest version again. It is judged as a rollback is.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Query(Force { force }): Query<Force>,
) -> Result<Response, ApiError> {
    revision::answered(&app, end(&app, &id, &headers, force).await).await
}

async fn end(app: &App, id: &str, headers: &HeaderMap, force: bool) -> Result<Response, ApiError> {
    let end = request_end(app);
    let snapshot = app.registry().snapshot();
    let plugin = known(&snapshot, id)?;
    let before = snapshot.choices().rollout(&plugin).ok_or_else(|| no_rollout(&plugin))?;
    revision::read(headers, before.revision)?;
    // What was decided stays for the way back.
    let ended = Rollout { ended: true, ..before.clone() };
    let looked = look(app, &snapshot, &plugin, &ended, end).await;
    let then = serving(&snapshot.if_decided(snapshot.choices().with_rollout(&plugin, ended.clone())), &plugin);
    let given = then.map_or_else(|| "by its files".to_owned(), |version| version.to_string());
    if let Some(refusal) = looked.refusal(&plugin, &given).filter(|_| !force) {
        return Err(refusal);
    }
    let changed = Changed::new(plugin.as_str()).from(told(before)).moving(plugin.clone(), snapshot.clone());
    app.control().rollout_put(ended.row(&plugin)).await?.map_err(|db::Stale| revision::stale())?;
    let answer = || {
        // What failed under the rollout says nothing any more.
        for tenant in app.registry().lifecycle().moves().tenants(&plugin) {
            app.registry().retry(&tenant);
        }
        app.registry().settle_soon(&plugin);
        let version = serving(&app.registry().snapshot(), &plugin);
        let mut told = json!({ "plugin": plugin, "version": version });
        let stay = looked.stay.iter().map(|(tenant, reason)| Outcome::stays(app, &plugin, tenant, reason));
        let stay: Vec<Outcome> = stay.collect();
        if !stay.is_empty() {
            told["outcomes"] = json!(stay);
        }
        if !looked.late.is_empty() {
            told["notReached"] = json!(looked.late.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        Success(told).into_response()
    };
    Ok(changed.decided(app, answer).await)
}

/// Judges a change, writes it down, and moves tenants. What came of it is told of those that are named, of those
/// whose data is in the way, and of those that it failed for while the answer waited.
async fn decide(app: &App, snapshot: &Snapshot, plan: Plan) -> Result<Response, ApiError> {
    let Plan { plugin, before, after, mut named, taken_back, force, end } = plan;
    let now = now(snapshot, &plugin)?;
    let looked = look(app, snapshot, &plugin, &after, end).await;
    if let Some(refusal) = looked.refusal(&plugin, &after.to_string()).filter(|_| !force) {
        return Err(refusal);
    }
    let revision = app.control().rollout_put(after.row(&plugin)).await?.map_err(|db::Stale| revision::stale())?;
    let mut changed = Changed::new(plugin.as_str()).to(told(&after)).moving(plugin.clone(), app.registry().snapshot());
    changed.before = before.as_ref().map(told);
    if let Err(error) = app.registry().decide().await {
        // It is decided, and counts with the next decision that can be read.
        return Ok(changed.with(ApiError::from(error)));
    }
    named.extend(looked.stay.into_iter().map(|(tenant, _)| tenant));
    let others = others(app, &plugin, (&now, &after), &named);
    let moves = app.registry().lifecycle().moves();
    for tenant in moves.tenants(&plugin).union(&named) {
        // Who decides anew wants it tried anew.
        app.registry().retry(tenant);
    }
    let (outcomes, late) = outcomes(app, &plugin, &after, &named, end).await;
    let not_moved = failed(app, &plugin, &others, end).await;
    app.registry().settle_soon(&plugin);
    let after = Rollout { revision, ..after };
    let snapshot = app.registry().snapshot();
    let mut view = RolloutView::new(&snapshot, &plugin, &after);
    view.unconfigured = unconfigured(app, &snapshot, &plugin, &after);
    view.not_moved = not_moved;
    view.outcomes = outcomes;
    view.not_reached = looked.late.iter().chain(&late).map(ToString::to_string).collect();
    view.taken_back = taken_back.map(|version| version.to_string());
    Ok(changed.with(revision::tagged(revision, Success(view))))
}

fn told(rollout: &Rollout) -> serde_json::Value {
    serde_json::to_value(Given::new(rollout)).unwrap_or_default()
}

/// What tenants have now, with the way back.
fn now(snapshot: &Snapshot, plugin: &PluginId) -> Result<Rollout, ApiError> {
    let remembered = snapshot.choices().remembered(plugin);
    if let Some(rollout) = remembered.filter(|rollout| !rollout.ended) {
        return Ok(rollout.clone());
    }
    let highest = || versions(snapshot, plugin).map(|known| &known.key().version).max().cloned();
    let base = serving(snapshot, plugin).or_else(highest).ok_or_else(|| no_plugin(plugin.as_str()))?;
    let present = Rollout::present(base.clone(), higher_than(snapshot, plugin, &base));
    Ok(remembered.map_or_else(|| present.clone(), |past| past.followed_by(plugin, present.clone())))
}

/// The tenants that have a higher version than most, because they have set what it requires. Those that are pinned are
/// not among them: that counts before every rollout.
fn higher_than(snapshot: &Snapshot, plugin: &PluginId, base: &Version) -> Vec<(Version, BTreeSet<TenantId>)> {
    let mut higher: Vec<(Version, BTreeSet<TenantId>)> = Vec::new();
    for tenant in snapshot.choices().tenants() {
        if snapshot.choices().decision(tenant, plugin).pin.is_some() {
            continue;
        }
        let Some(Served::Active(serving)) = snapshot.view(tenant).served(plugin.as_str()).cloned() else { continue };
        let version = serving.key().version.clone();
        match higher.iter_mut().find(|(known, _)| *known == version) {
            Some((_, tenants)) => _ = tenants.insert(tenant.clone()),
            None if version > *base => higher.push((version, BTreeSet::from([tenant.clone()]))),
            None => {}
        }
    }
    higher
}

/// What was before the last decision, or what is the next lower version; none if there is neither.
fn before(snapshot: &Snapshot, plugin: &PluginId, now: &Rollout) -> Option<Rollout> {
    let ended = snapshot.choices().remembered(plugin).filter(|past| past.ended && now.ended);
    if let Some(past) = ended.filter(|past| !past.gives_the_same_as(now, plugin)) {
        return Some(Rollout { ended: false, ..past.clone() });
    }
    let loaded: Vec<&Version> = versions(snapshot, plugin).map(|known| &known.key().version).collect();
    now.back(plugin, &loaded)
}

/// What tenants have that stand outside every rollout.
fn serving(snapshot: &Snapshot, plugin: &PluginId) -> Option<Version> {
    let view = snapshot.default_view();
    let mut active = versions(snapshot, plugin).filter(|known| view.serves(known.key()));
    active.next().map(|known| known.key().version.clone())
}

fn is_loaded(snapshot: &Snapshot, plugin: &PluginId, version: &Version) -> bool {
    versions(snapshot, plugin).any(|known| known.key().version == *version)
}

/// Those that lie in a file.
fn versions<'a>(snapshot: &'a Snapshot, plugin: &PluginId) -> impl Iterator<Item = &'a Arc<Plugin>> {
    let is_it = move |known: &&Arc<Plugin>| known.key().id == *plugin && snapshot.kept_for(known).is_none();
    snapshot.plugins().iter().filter(is_it)
}

fn known(snapshot: &Snapshot, id: &str) -> Result<PluginId, ApiError> {
    let loaded = snapshot.plugins().iter().map(|plugin| &plugin.key().id);
    // A rollout outlives files that are taken out by hand.
    let mut known = loaded.chain(snapshot.choices().rollouts().map(|(plugin, _)| plugin));
    known.find(|known| known.as_str() == id).cloned().ok_or_else(|| no_plugin(id))
}

fn loaded(app: &App, snapshot: &Snapshot, plugin: &PluginId, field: &str, text: &str) -> Result<Version, ApiError> {
    let version =
        Version::parse(text).map_err(|error| ApiError::wrong_field(field, format!("is no version: {error}")))?;
    match versions(snapshot, plugin).find(|known| known.key().version == version) {
        Some(known) if app.registry().lifecycle().is_leaving(known) => {
            return Err(ApiError::wrong_field(field, "is being uninstalled"));
        }
        Some(_) => return Ok(version),
        None => {}
    }
    Err(ApiError::wrong_field(field, absent(app, snapshot, plugin, &version)))
}

/// Why a version is not loaded, as far as that is known.
fn absent(app: &App, snapshot: &Snapshot, plugin: &PluginId, version: &Version) -> String {
    let text = version.to_string();
    let compiling = app.registry().compiling();
    let mut under_way = compiling.iter().filter(|file| file.id == plugin.as_str() && file.version == text);
    if let Some(file) = under_way.next() {
        let name = &file.file_name;
        return format!("{plugin} {text} is being compiled from {name}: try again when `tenon plugin list` has it");
    }
    let is_it = |key: &PluginKey| key.id == *plugin && key.version == *version;
    if let Some(file) = snapshot.rejected().iter().find(|file| file.key.as_ref().is_some_and(is_it)) {
        return format!("{plugin} {text} is not loaded, as its file {} was refused: {}", file.file_name, file.reason);
    }
    let known: Vec<String> = versions(snapshot, plugin).map(|known| known.key().version.to_string()).collect();
    match known.as_slice() {
        [] => format!("{plugin} {text} is not loaded, nor is any other version"),
        known => format!("{plugin} {text} is not loaded; there is {}", known.join(", ")),
    }
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
        _ => Err(ApiError::wrong_field("percent", format!("must be from 0 to 100, found {percent}"))),
    }
}
