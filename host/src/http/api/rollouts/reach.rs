//! The tenants that a rollout concerns: moved, or looked at, a few at a time until the request has to be answered.

use std::collections::BTreeSet;
use std::sync::Arc;
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
use crate::http::api::names::few;
use crate::http::envelope::ApiError;
use crate::id::{PluginId, TenantId};
use crate::registry::choices::rollout::Rollout;
use crate::registry::{NotReady, Plugin, Served, Snapshot, TenantView};
use crate::runtime::PluginKey;

/// Tenants that one answer names without having been asked about them, at most.
const TOLD: usize = 100;

/// How long those that nobody named are waited for, at most, so that it can be told whom the version fails for.
const OTHERS: Duration = Duration::from_secs(2);

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

/// What a look at all tenants has shown before they are moved.
#[derive(Default)]
pub(super) struct Looked {
    /// Those with whose data their next version cannot work, each with the reason. They stay where they are.
    pub stay: Vec<(TenantId, String)>,
    /// Those whose data could not be looked at in time: should it not fit, they stay where they are.
    pub late: Vec<TenantId>,
    /// Those that would have no version at all, in words, each with the reason.
    without: Vec<(String, String)>,
}

/// Looks what would become of each tenant that is to get another version than runs for it. Who was to have it before,
/// and could not, is looked at again where this decision is about that version. Nothing is moved.
pub(super) async fn look(app: &App, snapshot: &Snapshot, plugin: &PluginId, after: &Rollout, end: Instant) -> Looked {
    let now = snapshot.if_decided(snapshot.choices().clone());
    let then = snapshot.if_decided(snapshot.choices().with_rollout(plugin, after.clone()));
    let mut looked = Looked { without: without(snapshot, &then, plugin, after), ..Looked::default() };
    let lifecycle = app.registry().lifecycle();
    let is_about = |version: &Version| after.ended || newest(after) == version;
    let look = async |tenant: TenantId| {
        let target = active(&then.view(&tenant), plugin)?;
        let key = target.key();
        let runs = !target.has_lifecycle() || lifecycle.moves().runs(&tenant, key);
        let has_it = runs && snapshot.view(&tenant).serves(key);
        if has_it || (now.view(&tenant).serves(key) && !is_about(&key.version)) {
            return None;
        }
        if Instant::now() >= end {
            return Some((tenant, None));
        }
        let fits = match lifecycle.data_state(&tenant, &target, end).await {
            Ok(state) => state.readable.map_err(|reason| reason.to_string()),
            Err(SqlError::Timeout | SqlError::Busy) => return Some((tenant, None)),
            Err(error) => Err(error.to_string()),
        };
        Some((tenant, Some(fits)))
    };
    let tenants = stream::iter(lifecycle.moves().tenants(plugin));
    // In their order, so that a refusal reads the same each time.
    let each: Vec<_> = tenants.map(look).buffered(lifecycle.tenants_at_once()).collect().await;
    for (tenant, fits) in each.into_iter().flatten() {
        match fits {
            Some(Ok(())) => {}
            Some(Err(reason)) => looked.stay.push((tenant, reason)),
            None => looked.late.push(tenant),
        }
    }
    looked
}

/// Who has a version now and would have none. Of tenants that have decided nothing one stands for all: outside every
/// share, and then in the share of the last step.
fn without(snapshot: &Snapshot, then: &Snapshot, plugin: &PluginId, after: &Rollout) -> Vec<(String, String)> {
    let lost = |now: &TenantView, then: &TenantView| match (now.served(plugin.as_str()), then.served(plugin.as_str())) {
        (Some(Served::Active(_)), Some(Served::Inactive { reason, .. })) => Some(reason.clone()),
        (Some(Served::Active(_)), None) => Some("no such version is loaded".to_owned()),
        _ => None,
    };
    let mut without = Vec::new();
    let share = after.steps.last().filter(|step| step.percent > 0 && !after.ended).map(|step| {
        let all = Rollout { base: step.version.clone(), steps: Vec::new(), ..after.clone() };
        snapshot.if_decided(snapshot.choices().with_rollout(plugin, all))
    });
    let default = snapshot.default_view();
    let by_default = lost(default, then.default_view());
    let by_default = by_default.or_else(|| lost(default, share?.default_view()));
    without.extend(by_default.map(|reason| ("tenants that have set and pinned nothing".to_owned(), reason)));
    for tenant in then.choices().tenants() {
        let reason = lost(&snapshot.view(tenant), &then.view(tenant));
        without.extend(reason.map(|reason| (tenant.to_string(), reason)));
    }
    without
}

fn active(view: &TenantView, plugin: &PluginId) -> Option<Arc<Plugin>> {
    match view.served(plugin.as_str()) {
        Some(Served::Active(serving)) => Some(serving.clone()),
        _ => None,
    }
}

impl Looked {
    /// 409: nobody is moved, because these cannot be. `given` says in words which versions they would get.
    pub(super) fn refusal(&self, plugin: &PluginId, given: &str) -> Option<ApiError> {
        let (code, concerned, message) = match (self.without.first(), self.stay.first()) {
            (Some((_, reason)), _) => {
                let tenants: Vec<&str> = self.without.iter().map(|(tenant, _)| tenant.as_str()).collect();
                let message = format!(
                    "{} would be left without {plugin}: {reason}. Nothing was changed. Mend that first; with force \
                     (--force, ?force=true) it is rolled out, and they have no version until that is mended",
                    few(&tenants)
                );
                ("would_not_work", self.without.clone(), message)
            }
            (None, Some((_, reason))) => {
                let tenants: Vec<&TenantId> = self.stay.iter().map(|(tenant, _)| tenant).collect();
                let message = format!(
                    "{plugin} {given} cannot work with the data of {}: {reason}. Nothing was changed. With force \
                     (--force, ?force=true) all other tenants are moved; these keep the version they have, and none of \
                     their data is changed or lost. To move one of them too, restore a snapshot of its data from before \
                     after that (tenon snapshot list {plugin} --tenant T, tenon snapshot restore {plugin} ID --tenant \
                     T), which loses what was written since",
                    few(&tenants)
                );
                let stay = self.stay.iter().map(|(tenant, reason)| (tenant.to_string(), reason.clone()));
                ("data_unreadable", stay.collect(), message)
            }
            (None, None) => return None,
        };
        let (tenants, reasons): (Vec<String>, Vec<String>) = concerned.into_iter().unzip();
        let details = serde_json::value::to_raw_value(&json!({ "tenants": tenants, "reasons": reasons })).ok();
        Some(ApiError { details, ..ApiError::new(StatusCode::CONFLICT, code, message) })
    }
}

/// Moves these tenants, and tells what came of it until the end of the request; then who is left. They come in the
/// background, or at their next request.
pub(super) async fn outcomes(
    app: &App,
    plugin: &PluginId,
    rollout: &Rollout,
    tenants: &BTreeSet<TenantId>,
    end: Instant,
) -> (Vec<Outcome>, Vec<TenantId>) {
    let move_one = async |tenant: &TenantId| match end.checked_duration_since(Instant::now()) {
        Some(wait) => outcome(app, plugin, tenant, rollout, wait).await.ok_or_else(|| tenant.clone()),
        None => Err(tenant.clone()),
    };
    let at_once = app.registry().lifecycle().tenants_at_once();
    let moved: Vec<_> = stream::iter(tenants).map(move_one).buffered(at_once).collect().await;
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
    rollout: &Rollout,
    wait: Duration,
) -> Option<Outcome> {
    let version = rollout.version_of(plugin, tenant);
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
    let moved = serving.as_ref() == Some(version);
    let reason = (!moved).then(|| hindrance(app, plugin, tenant, version, hindered));
    let version = serving.map(|version| version.to_string());
    Some(Outcome { tenant: tenant.to_string(), moved, version, reason })
}

/// Why a tenant does not have the version that a rollout gives it.
fn hindrance(app: &App, plugin: &PluginId, tenant: &TenantId, version: &Version, hindered: Option<String>) -> String {
    let snapshot = app.registry().snapshot();
    let decision = snapshot.choices().decision(tenant, plugin);
    if !decision.enabled {
        return format!("it is switched off there (tenon plugin enable {plugin} --tenant {tenant})");
    }
    if let Some(pin) = decision.pin.filter(|pin| !pin.matches(version)) {
        return format!("the tenant is pinned to {pin} (tenon plugin unpin {plugin} --tenant {tenant})");
    }
    let key = PluginKey { id: plugin.clone(), version: version.clone() };
    if let Some(failed) = app.registry().lifecycle().moves().failed(tenant, &key) {
        return failed.failure.to_string();
    }
    let told = || format!("{version} does not work there (tenon explain {plugin} --tenant {tenant})");
    hindered.unwrap_or_else(told)
}

/// The tenants that the host knows to have another version than a rollout gives them, each with the version that it is
/// to have. Those that have decided so themselves and those that lack a setting are not among them.
fn without_it(app: &App, snapshot: &Snapshot, plugin: &PluginId, rollout: &Rollout) -> Vec<(TenantId, PluginKey)> {
    let moves = app.registry().lifecycle().moves();
    let lacks = |tenant: TenantId| {
        let version = rollout.version_of(plugin, &tenant);
        let wanted = versions(snapshot, plugin).find(|known| known.key().version == *version)?;
        let key = wanted.key();
        let decision = snapshot.choices().decision(&tenant, plugin);
        let is_wanted = decision.enabled && decision.pin.is_none_or(|pin| pin.matches(version));
        if !is_wanted || !wanted.has_lifecycle() || moves.runs(&tenant, key) {
            return None;
        }
        let unconfigured = lacking::told(Some(&tenant), wanted, snapshot.view(&tenant).resolved(key));
        unconfigured.is_none().then(|| (tenant, key.clone()))
    };
    moves.tenants(plugin).into_iter().filter_map(lacks).collect()
}

/// Whom a rollout cannot come to, or has not come to yet, as far as the host knows.
pub(super) fn not_moved(app: &App, snapshot: &Snapshot, plugin: &PluginId, rollout: &Rollout) -> Vec<Outcome> {
    let without_it = without_it(app, snapshot, plugin, rollout).into_iter().take(TOLD);
    without_it.map(|(tenant, key)| Outcome::unmoved(app, &tenant, &key)).collect()
}

/// Those that nobody named and that a decision is to move: as many as one answer can tell of, those first that it failed
/// for before. Who is stuck on something that it is not about is not among them.
pub(super) fn others(
    app: &App,
    plugin: &PluginId,
    (now, after): (&Rollout, &Rollout),
    named: &BTreeSet<TenantId>,
) -> Vec<(TenantId, PluginKey)> {
    let moves = app.registry().lifecycle().moves();
    let mut others = without_it(app, &app.registry().snapshot(), plugin, after);
    others.retain(|(tenant, key)| {
        let is_about = key.version == *newest(after) || key.version != *now.version_of(plugin, tenant);
        is_about && !named.contains(tenant)
    });
    others.sort_by_cached_key(|(tenant, key)| moves.failed(tenant, key).is_none());
    others.truncate(TOLD);
    others
}

/// Moves these, waits for that a little, and tells whom the version failed for. Who takes longer comes by itself.
pub(super) async fn failed(
    app: &App,
    plugin: &PluginId,
    others: &[(TenantId, PluginKey)],
    end: Instant,
) -> Vec<Outcome> {
    let end = end.min(Instant::now() + OTHERS);
    let move_one = async |(tenant, _): &(TenantId, PluginKey)| {
        if let Some(wait) = end.checked_duration_since(Instant::now()) {
            _ = app.registry().moved(tenant, plugin.as_str(), wait).await;
        }
    };
    let lifecycle = app.registry().lifecycle();
    stream::iter(others).for_each_concurrent(lifecycle.tenants_at_once(), move_one).await;
    let failed = others.iter().filter(|(tenant, key)| lifecycle.moves().failed(tenant, key).is_some());
    failed.map(|(tenant, key)| Outcome::unmoved(app, tenant, key)).collect()
}

/// What a decision is about.
fn newest(rollout: &Rollout) -> &Version {
    rollout.in_force().next().map_or(&rollout.base, |step| &step.version)
}

impl Outcome {
    /// For one that does not have this version.
    fn unmoved(app: &App, tenant: &TenantId, wanted: &PluginKey) -> Self {
        let failed = app.registry().lifecycle().moves().failed(tenant, wanted);
        let reason = failed.map(|failed| failed.failure.to_string());
        let reason = reason.unwrap_or_else(|| "it comes in the background, or at its next request".to_owned());
        Self::stays(app, &wanted.id, tenant, &reason)
    }

    /// For one that keeps what it has.
    pub(super) fn stays(app: &App, plugin: &PluginId, tenant: &TenantId, reason: &str) -> Self {
        // In rising order.
        let version = app.registry().lifecycle().moves().running(tenant, plugin).pop();
        let version = version.map(|key| key.version.to_string());
        Self { tenant: tenant.to_string(), moved: false, version, reason: Some(reason.to_owned()) }
    }
}

/// Those that take part and lack a setting which the version requires, as far as the host has seen them: they stay on what
/// they had, until it is set.
pub(super) fn unconfigured(app: &App, snapshot: &Snapshot, plugin: &PluginId, rollout: &Rollout) -> Vec<Outcome> {
    let mut tenants = app.tenants_seen();
    tenants.extend(app.registry().lifecycle().moves().tenants(plugin));
    tenants.extend(rollout.steps.iter().flat_map(|step| step.tenants.iter().cloned()));
    let outcome = |tenant: TenantId| {
        let given = rollout.version_of(plugin, &tenant);
        let wanted = versions(snapshot, plugin).find(|known| known.key().version == *given)?;
        let view = snapshot.view(&tenant);
        let reason = lacking::told(Some(&tenant), wanted, view.resolved(wanted.key()))?;
        let version = match view.served(plugin.as_str()) {
            Some(Served::Active(serving)) => Some(serving.key().version.to_string()),
            _ => None,
        };
        Some(Outcome { tenant: tenant.to_string(), moved: false, version, reason: Some(reason) })
    };
    tenants.into_iter().filter_map(outcome).take(TOLD).collect()
}
