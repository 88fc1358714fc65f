//! The tenants that a rollout concerns: moved, or looked at, a few at a time until the request has to be answered.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use http::StatusCode;
use semver::Version;
use serde::Serialize;
use serde_json::json;

use super::super::lacking;
use super::versions;
use crate::app::App;
use crate::capability::sql::SqlError;
use crate::http::envelope::ApiError;
use crate::id::{PluginId, TenantId};
use crate::registry::choices::Rollout;
use crate::registry::{NotReady, Served, Snapshot};
use crate::runtime::PluginKey;

/// Tenants without a setting that one answer names, at most.
const TOLD: usize = 100;

/// Whether a tenant was moved to the version it is to have.
#[derive(Serialize)]
pub(super) struct Outcome {
    tenant: String,
    moved: bool,
    /// What it has now.
    version: Option<String>,
    /// Why it was not moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What a look at the data of all tenants has shown.
#[derive(Default)]
pub(super) struct Looked {
    /// Those with whose data the version cannot work, each with the reason. They stay where they are.
    pub stay: Vec<(TenantId, String)>,
    /// Those whose data could not be looked at in time: should it not fit, they stay where they are.
    pub late: Vec<TenantId>,
}

/// Looks whether a version can work with the data of the tenants that have another.
pub(super) async fn look(app: &App, snapshot: &Snapshot, plugin: &PluginId, to: &Version, end: Instant) -> Looked {
    let mut looked = Looked::default();
    let Some(target) = versions(snapshot, plugin).find(|known| known.key().version == *to) else {
        return looked;
    };
    let lifecycle = app.registry().lifecycle();
    let look = async |tenant: TenantId| {
        if Instant::now() >= end {
            return (tenant, None);
        }
        let fits = match lifecycle.data_state(&tenant, target, end).await {
            Ok(state) => state.readable.map_err(|reason| reason.to_string()),
            Err(SqlError::Timeout | SqlError::Busy) => return (tenant, None),
            Err(error) => Err(error.to_string()),
        };
        (tenant, Some(fits))
    };
    let tenants = stream::iter(lifecycle.moves().tenants(plugin));
    // In their order, so that a refusal reads the same each time.
    let each: Vec<_> = tenants.map(look).buffered(lifecycle.tenants_at_once()).collect().await;
    for (tenant, fits) in each {
        match fits {
            Some(Ok(())) => {}
            Some(Err(reason)) => looked.stay.push((tenant, reason)),
            None => looked.late.push(tenant),
        }
    }
    looked
}

/// 409: nobody goes back, because these cannot.
pub(super) fn in_the_way(plugin: &PluginId, to: &Version, stay: &[(TenantId, String)]) -> ApiError {
    let tenants: Vec<&str> = stay.iter().map(|(tenant, _)| tenant.as_str()).collect();
    let reasons: Vec<&str> = stay.iter().map(|(_, reason)| reason.as_str()).collect();
    let message = format!(
        "{plugin} {to} cannot work with the data of {}: {}. With force (--force, ?force=true) those tenants stay where \
         they are, and the others go back; who restores a snapshot of theirs (tenon snapshot restore {plugin} ID \
         --tenant T) after that goes back with it",
        tenants.join(", "),
        reasons.first().copied().unwrap_or_default()
    );
    let details = serde_json::value::to_raw_value(&json!({ "tenants": tenants, "reasons": reasons })).ok();
    ApiError { details, ..ApiError::new(StatusCode::CONFLICT, "data_unreadable", message) }
}

/// Moves the tenants that are named and those that are told of, and tells what came of it until the end of the request; then who is left. They come
/// in the background, or at their next request.
pub(super) async fn outcomes(
    app: &App,
    plugin: &PluginId,
    rollout: &Rollout,
    told_of: &BTreeSet<TenantId>,
    end: Instant,
) -> (Vec<Outcome>, Vec<TenantId>) {
    let move_one = async |tenant: &TenantId| match end.checked_duration_since(Instant::now()) {
        Some(wait) => outcome(app, plugin, tenant, &rollout.version, wait).await.ok_or_else(|| tenant.clone()),
        None => Err(tenant.clone()),
    };
    let at_once = app.registry().lifecycle().tenants_at_once();
    let moved: Vec<_> = stream::iter(rollout.tenants.union(told_of)).map(move_one).buffered(at_once).collect().await;
    let (mut outcomes, mut late) = (Vec::new(), Vec::new());
    for moved in moved {
        match moved {
            Ok(outcome) => outcomes.push(outcome),
            Err(tenant) => late.push(tenant),
        }
    }
    (outcomes, late)
}

/// Moves a tenant, and tells what came of it; none if that takes longer.
async fn outcome(
    app: &App,
    plugin: &PluginId,
    tenant: &TenantId,
    version: &Version,
    wait: Duration,
) -> Option<Outcome> {
    let key = PluginKey { id: plugin.clone(), version: version.clone() };
    let (serving, hindered) = match app.registry().moved(tenant, plugin.as_str(), wait).await {
        Ok(view) => match view.served(plugin.as_str()) {
            Some(Served::Active(serving)) => {
                let snapshot = app.registry().snapshot();
                let wanted = versions(&snapshot, plugin).find(|known| *known.key() == key);
                let lacking = wanted.and_then(|wanted| lacking::told(Some(tenant), wanted, view.resolved(&key)));
                (Some(serving.key().version.clone()), lacking)
            }
            Some(Served::Inactive { reason, .. }) => (None, Some(reason.clone())),
            None => (None, None),
        },
        Err(NotReady::Moving { .. }) => return None,
        Err(error) => (None, Some(error.to_string())),
    };
    let failed = app.registry().lifecycle().moves().failed(tenant, &key);
    let moved = serving.as_ref() == Some(version);
    let reason = failed.map(|failed| failed.failure.to_string()).or(hindered).filter(|_| !moved);
    let pinned = || "the tenant's own choice stands before it".to_owned();
    let reason = if moved { None } else { Some(reason.unwrap_or_else(pinned)) };
    let version = serving.map(|version| version.to_string());
    Some(Outcome { tenant: tenant.to_string(), moved, version, reason })
}

/// Those that take part and lack a setting which the version requires, as far as the host has seen them: they stay on what
/// they had, until it is set.
pub(super) fn unconfigured(app: &App, snapshot: &Snapshot, plugin: &PluginId, rollout: &Rollout) -> Vec<Outcome> {
    let Some(wanted) = versions(snapshot, plugin).find(|known| known.key().version == rollout.version) else {
        return Vec::new();
    };
    let mut tenants = app.tenants_seen();
    tenants.extend(app.registry().lifecycle().moves().tenants(plugin));
    tenants.extend(rollout.tenants.iter().cloned());
    let takes_part = tenants.into_iter().filter(|tenant| rollout.includes(plugin, tenant));
    let outcome = |tenant: TenantId| {
        let view = snapshot.view(&tenant);
        let reason = lacking::told(Some(&tenant), wanted, view.resolved(wanted.key()))?;
        let version = match view.served(plugin.as_str()) {
            Some(Served::Active(serving)) => Some(serving.key().version.to_string()),
            _ => None,
        };
        Some(Outcome { tenant: tenant.to_string(), moved: false, version, reason: Some(reason) })
    };
    takes_part.filter_map(outcome).take(TOLD).collect()
}
