//! `POST /api/v1/plugins/{id}/purge`: the end of a plugin's data, for one tenant or all.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::few;
use super::take::Body;
use super::unknown;
use crate::app::App;
use crate::capability::sql::Purged;
use crate::http::envelope::{ApiError, Success};
use crate::http::routes::Changed;
use crate::id::{PluginId, TenantId};
use crate::registry::Snapshot;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The plugin's id once more, so that nobody deletes by a slip of the hand.
    plugin: String,
    /// The one tenant whose data goes.
    #[serde(default)]
    tenant: Option<String>,
    /// That of every tenant.
    #[serde(default)]
    all: bool,
}

/// Deletes databases and configuration of a plugin that the tenants concerned do not use.
pub(super) async fn purge(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Response, ApiError> {
    let plugin = PluginId::parse(&id).map_err(|error| ApiError::wrong_field("plugin", error.to_string()))?;
    if wanted.plugin != id {
        return Err(ApiError::wrong_field("plugin", format!("must be `{id}` once more: this deletes data for good")));
    }
    let tenants = tenants(&app, &plugin, &wanted).await?;
    if having(&app, &plugin).await?.is_empty()
        && let Some(unknown) = unknown::never_seen(&app, plugin.as_str()).await?
    {
        return Err(unknown);
    }
    let snapshot = app.registry().snapshot();
    let users: Vec<&TenantId> = tenants.iter().filter(|tenant| uses(&snapshot, &plugin, tenant)).collect();
    if !users.is_empty() {
        let message = format!(
            "{plugin} is loaded and enabled for {}: disable it there first (`tenon plugin disable`), or uninstall \
             every version; nothing was deleted",
            few(&users)
        );
        return Err(ApiError::new(StatusCode::CONFLICT, "in_use", message));
    }
    let mut gone = Gone::default();
    let stopped = gone.delete(&app, &plugin, &tenants).await.err();
    // What has gone counts from now on, also where it was not all.
    let decided = app.registry().decide().await.map_err(ApiError::from);
    tenants.iter().for_each(|tenant| app.runtime().invalidate(tenant, &plugin));
    let Gone { databases, configurations, done } = gone;
    let left: Vec<&TenantId> = tenants.difference(&done).collect();
    let told = json!({ "plugin": plugin, "databases": databases, "configurations": configurations });
    let target = match &wanted.tenant {
        Some(tenant) => format!("{plugin} of {tenant}"),
        None => plugin.to_string(),
    };
    let changed = Changed::new(target).of(wanted.tenant.clone()).to(told.clone());
    let changed = if wanted.all { parts(changed, &plugin, &databases, &configurations) } else { changed };
    Ok(match (stopped, decided) {
        (None, Ok(())) => changed.with(Success(told)),
        (None, Err(error)) => changed.with(error),
        (Some(error), _) => changed.with(half_way(error, told, &databases, &left)),
    })
}

/// What was deleted, and for whom all was.
#[derive(Default)]
struct Gone {
    databases: Vec<String>,
    configurations: Vec<String>,
    done: BTreeSet<TenantId>,
}

impl Gone {
    /// One tenant after the other, up to the first for whom it fails.
    async fn delete(&mut self, app: &App, plugin: &PluginId, tenants: &BTreeSet<TenantId>) -> Result<(), ApiError> {
        for tenant in tenants {
            // A version that comes back begins anew. Before the data goes: nothing runs on data that is not there.
            app.registry().lifecycle().stop(tenant, plugin).await?;
            match app.sql().purge(tenant, plugin).await.map_err(|error| ApiError::internal(&error))? {
                Purged::Nothing => {}
                Purged::Done => self.databases.push(tenant.to_string()),
                Purged::InUse => {
                    let message = format!("a call of {tenant} still uses the data of {plugin}");
                    return Err(ApiError::new(StatusCode::CONFLICT, "in_use", message));
                }
            }
            if app.control().config_delete(tenant.as_str(), plugin.as_str()).await? {
                self.configurations.push(tenant.to_string());
            }
            app.control().schedule_forget(tenant.as_str(), plugin.as_str()).await?;
            self.done.insert(tenant.clone());
        }
        Ok(())
    }
}

/// Says of a failure what was deleted before it, and what was not.
fn half_way(error: ApiError, mut told: Value, databases: &[String], left: &[&TenantId]) -> ApiError {
    let deleted = if databases.is_empty() { "nobody".to_owned() } else { databases.join(", ") };
    let names = left.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let message = format!(
        "{}; the data of {deleted} is deleted, and something is left of {names}: run it again to finish",
        error.message
    );
    told["left"] = json!(left);
    ApiError { message, details: serde_json::value::to_raw_value(&told).ok(), ..error }
}

/// Whom it concerns: the one that is named, or all that have something of the plugin.
async fn tenants(app: &App, plugin: &PluginId, wanted: &Wanted) -> Result<BTreeSet<TenantId>, ApiError> {
    match (&wanted.tenant, wanted.all) {
        (Some(name), false) => {
            let tenant = TenantId::parse(name).map_err(|error| ApiError::wrong_field("tenant", error.to_string()))?;
            if app.tenant_exists(&tenant).await? {
                return Ok(BTreeSet::from([tenant]));
            }
            Err(ApiError::not_found("tenant_not_found", format!("there is no tenant `{tenant}`")))
        }
        (None, true) => having(app, plugin).await,
        _ => Err(ApiError::wrong_field("tenant", "say whose data goes: `tenant` with a name, or `all` as true")),
    }
}

/// All that have something of the plugin.
async fn having(app: &App, plugin: &PluginId) -> Result<BTreeSet<TenantId>, ApiError> {
    let with_data = app.sql().tenants_of(plugin).await.map_err(|error| ApiError::internal(&error))?;
    let snapshot = app.registry().snapshot();
    Ok(with_data.into_iter().chain(snapshot.choices().settings().tenants_of(plugin).cloned()).collect())
}

/// What each tenant reads of it that had something.
fn parts(changed: Changed, plugin: &PluginId, databases: &[String], configurations: &[String]) -> Changed {
    let tenants: BTreeSet<&String> = databases.iter().chain(configurations).collect();
    tenants.into_iter().fold(changed, |changed, tenant| {
        let of = |all: &[String]| all.iter().filter(|one| *one == tenant).cloned().collect::<Vec<_>>();
        let told = json!({ "plugin": plugin, "databases": of(databases), "configurations": of(configurations) });
        changed.part(tenant, &told)
    })
}

fn uses(snapshot: &Snapshot, plugin: &PluginId, tenant: &TenantId) -> bool {
    let loaded = snapshot.plugins().iter().any(|known| known.key().id == *plugin);
    loaded && snapshot.choices().decision(tenant, plugin).enabled
}
