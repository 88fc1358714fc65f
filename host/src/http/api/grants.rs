//! `/api/v1/plugins/{id}/grants`: what a plugin asks for, and what of it it was granted.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::take::Body;
use super::unknown;
use crate::app::App;
use crate::db::Grant;
use crate::http::envelope::{ApiError, SuccessList, WrongField};
use crate::http::identity::Caller;
use crate::http::routes::Changed;
use crate::id::PluginId;
use crate::registry::Snapshot;
use crate::registry::choices::grants::{self, Ask, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Everything that a loaded version asks for.
    #[serde(default)]
    all: bool,
    #[serde(default)]
    grants: Vec<One>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct One {
    kind: Kind,
    value: String,
}

#[derive(Serialize)]
struct AskView {
    #[serde(flatten)]
    ask: Ask,
    /// The loaded versions that ask for it.
    versions: Vec<String>,
    granted: bool,
}

pub(super) async fn list(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let snapshot = app.registry().snapshot();
    let plugin = known(&snapshot, &id)?;
    Ok(SuccessList(seen(&snapshot, &plugin)).into_response())
}

/// Grants what is named, or all that is asked for.
pub(super) async fn add(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
    Body(wanted): Body<Wanted>,
) -> Result<Response, ApiError> {
    let snapshot = app.registry().snapshot();
    let plugin = known(&snapshot, &id)?;
    let asked = seen(&snapshot, &plugin);
    let wanted = match (wanted.all, wanted.grants.is_empty()) {
        (true, true) => asked.iter().map(|view| One { kind: view.ask.kind, value: view.ask.value.clone() }).collect(),
        (false, false) => wanted.grants,
        _ => return Err(ApiError::invalid(vec![wrong("grants", "name what is granted, or say `\"all\": true`")])),
    };
    let is_asked = |one: &One| asked.iter().any(|view| view.ask.kind == one.kind && view.ask.value == one.value);
    let strange = wanted.iter().enumerate().filter(|(_, one)| !is_asked(one));
    let fields: Vec<WrongField> = strange
        .map(|(index, one)| {
            let message = format!("no loaded version of {plugin} asks for `{}`", one.value);
            wrong(&format!("grants[{index}]"), &message)
        })
        .collect();
    if !fields.is_empty() {
        return Err(ApiError::invalid(fields));
    }
    for one in &wanted {
        let grant = Grant {
            plugin: plugin.to_string(),
            kind: one.kind.stored(),
            value: one.value.clone(),
            granted_by: caller.principal.name.clone(),
            granted_at: Timestamp::now(),
        };
        app.control().grant_add(grant).await?;
    }
    let told: Vec<_> = wanted.iter().map(|one| json!({ "kind": one.kind, "value": one.value })).collect();
    let answer = || SuccessList(seen(&app.registry().snapshot(), &plugin)).into_response();
    Ok(Changed::new(plugin.as_str()).to(json!(told)).decided(&app, answer).await)
}

/// Takes one grant back.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Path((id, kind, value)): Path<(String, Kind, String)>,
) -> Result<Response, ApiError> {
    let snapshot = app.registry().snapshot();
    let plugin = known(&snapshot, &id)?;
    if !app.control().grant_remove(plugin.as_str(), kind.stored(), &value).await? {
        return Err(ApiError::not_found("grant_not_found", format!("{plugin} was never granted `{value}`")));
    }
    let answer = || SuccessList(seen(&app.registry().snapshot(), &plugin)).into_response();
    Ok(Changed::new(plugin.as_str()).from(json!({ "kind": kind, "value": value })).decided(&app, answer).await)
}

fn seen(snapshot: &Snapshot, id: &PluginId) -> Vec<AskView> {
    let given = snapshot.choices().grants();
    let mut views: BTreeMap<(Kind, String), AskView> = BTreeMap::new();
    // One that could not take another's place may lack just this.
    let refused = snapshot.rejected().iter().filter_map(|file| file.undecided.as_ref());
    for plugin in snapshot.plugins().iter().chain(refused).filter(|plugin| plugin.key().id == *id) {
        for ask in grants::asks(plugin) {
            let granted = given.covers(id, &ask);
            let new = || AskView { ask: ask.clone(), versions: Vec::new(), granted };
            let view = views.entry((ask.kind, ask.value.clone())).or_insert_with(new);
            view.versions.push(plugin.key().version.to_string());
        }
    }
    views.into_values().collect()
}

fn known(snapshot: &Snapshot, id: &str) -> Result<PluginId, ApiError> {
    let mut known = snapshot.plugins().iter().map(|plugin| &plugin.key().id);
    let found = known.find(|known| known.as_str() == id).cloned();
    found.ok_or_else(|| unknown::plugin(snapshot, id))
}

fn wrong(field: &str, message: &str) -> WrongField {
    WrongField { field: field.to_owned(), message: message.to_owned() }
}
