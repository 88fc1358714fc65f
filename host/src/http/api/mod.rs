//! The host's own API, below `/api/v1`: one file for each kind of thing.

mod activating;
mod audit;
mod catalogue;
mod config;
mod contract;
mod dead_letters;
mod decisions;
mod events;
mod forget;
mod grants;
mod install;
mod keys;
mod lacking;
mod lifecycle;
mod links;
mod logs;
mod names;
mod notifications;
mod page;
pub(super) mod plugins;
mod purge;
mod quotas;
mod revision;
mod rollouts;
mod schedules;
mod secrets;
mod services;
mod shared_data;
mod snapshots;
mod stream;
mod take;
mod tenants;
mod trust;
mod ui;
mod unknown;
mod usage;

use std::sync::Arc;

use axum::routing::{delete, get, post, put};
use http::Method;

use super::identity::Caller;
use super::routes::{Route, Rule};
use crate::registry::{Snapshot, TenantView};

/// Every operation, who may use it, and what answers.
pub(super) fn routes() -> Vec<Route> {
    let (plugins, tenants) = (
        [plugins(), installation(), snapshots(), decisions(), configuration(), grants(), rollouts(), signers()],
        [tenants(), quotas(), keys(), records(), events(), schedules(), people()],
    );
    plugins.into_iter().chain(tenants).flatten().collect()
}

/// What is loaded, and who serves whom.
fn plugins() -> Vec<Route> {
    let rule = |operation| Rule::tenant_or_all(operation, "plugins:read");
    vec![
        Route::new(Method::GET, "/api/v1/services", Rule::tenant("services.list", "plugins:read"), get(services::list)),
        Route::new(Method::GET, "/api/v1/plugins", rule("plugins.list"), get(plugins::list)),
        Route::new(Method::GET, "/api/v1/plugins/{id}", rule("plugins.show"), get(plugins::show)),
        Route::new(Method::GET, "/api/v1/plugins/{id}/links", rule("plugins.links"), get(links::show)),
        Route::new(Method::GET, "/api/v1/plugins/{id}/contract", rule("plugins.contract"), get(contract::show)),
        Route::new(Method::GET, "/api/v1/plugins/{id}/errors", rule("plugins.errors"), get(lifecycle::errors)),
        Route::new(Method::GET, "/api/v1/plugins/{id}/stats", rule("plugins.stats"), get(lifecycle::stats)),
        Route::new(
            Method::GET,
            "/api/v1/plugins/{id}/logs",
            Rule::tenant_or_all("plugins.logs", "plugins:manage"),
            get(logs::list),
        ),
        Route::new(Method::GET, "/api/v1/ui", Rule::member("ui.list"), get(ui::list)),
    ]
}

/// What lies in the plugins directory and in the catalogue.
fn installation() -> Vec<Route> {
    let rule = |operation| Rule::platform(operation, "admin:system:plugins");
    vec![
        Route::new(Method::POST, "/api/v1/plugins", rule("plugins.install"), post(install::install)),
        Route::new(
            Method::DELETE,
            "/api/v1/plugins/{id}/versions/{version}",
            rule("plugins.uninstall"),
            delete(install::uninstall),
        ),
        Route::new(Method::POST, "/api/v1/plugins/{id}/purge", rule("plugins.purge"), post(purge::purge)),
        Route::new(Method::POST, "/api/v1/plugins/{id}/forget", rule("plugins.forget"), post(forget::forget)),
        Route::new(Method::GET, "/api/v1/catalogue", rule("catalogue.list"), get(catalogue::list)),
        Route::new(
            Method::POST,
            "/api/v1/catalogue/{id}/{version}/install",
            rule("catalogue.install"),
            post(catalogue::install),
        ),
    ]
}

/// What a tenant sets.
fn configuration() -> Vec<Route> {
    let rule = |operation| Rule::tenant(operation, "plugins:manage");
    let path = "/api/v1/plugins/{id}/config";
    let rotate = Rule::platform("secrets.rotate", "admin:system:keys");
    vec![
        Route::new(Method::GET, path, rule("config.show"), get(config::show)),
        Route::new(Method::PUT, path, rule("config.put"), put(config::put)),
        Route::new(Method::POST, "/api/v1/secrets/rotate", rotate, post(secrets::rotate)),
    ]
}

/// What a tenant decides about plugins.
fn decisions() -> Vec<Route> {
    let manage = |operation| Rule::tenant(operation, "plugins:manage");
    let path = "/api/v1/plugins/{id}/decision";
    vec![
        Route::new(Method::GET, path, Rule::tenant("decisions.show", "plugins:read"), get(decisions::show)),
        Route::new(Method::PUT, path, manage("decisions.put"), put(decisions::put)),
        Route::new(
            Method::POST,
            "/api/v1/plugins/{id}/activate",
            manage("plugins.activate"),
            post(decisions::activate),
        ),
        Route::new(
            Method::POST,
            "/api/v1/plugins/{id}/deactivate",
            manage("plugins.deactivate"),
            post(decisions::deactivate),
        ),
    ]
}

/// Copies of a tenant's data, kept before migrations, and what is shared of it.
fn snapshots() -> Vec<Route> {
    let manage = |operation| Rule::tenant(operation, "plugins:manage");
    let one = "/api/v1/plugins/{id}/snapshots/{snapshot}";
    vec![
        Route::new(Method::GET, "/api/v1/plugins/{id}/snapshots", manage("snapshots.list"), get(snapshots::list)),
        Route::new(Method::DELETE, one, manage("snapshots.delete"), delete(snapshots::remove)),
        Route::new(Method::GET, "/api/v1/plugins/{id}/shared-data", manage("shared-data.list"), get(shared_data::list)),
        Route::new(
            Method::POST,
            "/api/v1/plugins/{id}/snapshots/{snapshot}/restore",
            manage("snapshots.restore"),
            post(snapshots::restore),
        ),
    ]
}

/// What plugins may do.
fn grants() -> Vec<Route> {
    let (path, permission) = ("/api/v1/plugins/{id}/grants", "admin:system:plugins");
    vec![
        Route::new(Method::GET, path, Rule::tenant_or_all("grants.list", "plugins:read"), get(grants::list)),
        Route::new(Method::POST, path, Rule::platform("grants.add", permission), post(grants::add)),
        Route::new(
            Method::DELETE,
            "/api/v1/plugins/{id}/grants/{kind}/{value}",
            Rule::platform("grants.remove", permission),
            delete(grants::remove),
        ),
    ]
}

/// Whose signatures count.
fn signers() -> Vec<Route> {
    let rule = |operation| Rule::platform(operation, "admin:system:plugins");
    vec![
        Route::new(Method::GET, "/api/v1/trust", rule("trust.list"), get(trust::list)),
        Route::new(Method::POST, "/api/v1/trust", rule("trust.add"), post(trust::add)),
        Route::new(Method::DELETE, "/api/v1/trust/{name}", rule("trust.remove"), delete(trust::remove)),
    ]
}

/// Which tenants get which version.
fn rollouts() -> Vec<Route> {
    let rule = |operation| Rule::platform(operation, "admin:system:plugins");
    let path = "/api/v1/rollouts/{plugin}";
    vec![
        Route::new(Method::GET, "/api/v1/rollouts", rule("rollouts.list"), get(rollouts::list)),
        Route::new(Method::GET, path, rule("rollouts.show"), get(rollouts::show)),
        Route::new(Method::PUT, path, rule("rollouts.put"), put(rollouts::put)),
        Route::new(Method::DELETE, path, rule("rollouts.delete"), delete(rollouts::delete)),
        Route::new(
            Method::POST,
            "/api/v1/rollouts/{plugin}/rollback",
            rule("rollouts.rollback"),
            post(rollouts::rollback),
        ),
    ]
}

/// The customers of the installation.
fn tenants() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/api/v1/tenants",
            Rule::tenant_or_all("tenants.list", "tenants:read"),
            get(tenants::list),
        ),
        Route::new(
            Method::POST,
            "/api/v1/tenants",
            Rule::platform("tenants.create", "admin:system:tenants"),
            post(tenants::create),
        ),
        Route::new(
            Method::GET,
            "/api/v1/tenants/{id}",
            Rule::tenant_or_all("tenants.show", "tenants:read"),
            get(tenants::show),
        ),
    ]
}

/// How much tenants use, and how much they may.
fn quotas() -> Vec<Route> {
    let rule = |operation| Rule::platform(operation, "admin:system:tenants");
    let (all, one) = ("/api/v1/tenants/{id}/quotas", "/api/v1/tenants/{id}/quotas/{quota}");
    vec![
        Route::new(Method::GET, "/api/v1/usage", Rule::tenant_or_all("usage.list", "plugins:read"), get(usage::list)),
        Route::new(Method::GET, all, rule("quotas.list"), get(quotas::list)),
        Route::new(Method::PUT, one, rule("quotas.put"), put(quotas::put)),
        Route::new(Method::DELETE, one, rule("quotas.delete"), delete(quotas::delete)),
    ]
}

/// Who may come in with a key.
fn keys() -> Vec<Route> {
    let rule = |operation| Rule::tenant_or_all(operation, "keys:manage");
    vec![
        Route::new(Method::GET, "/api/v1/keys", rule("keys.list"), get(keys::list)),
        Route::new(Method::POST, "/api/v1/keys", rule("keys.create"), post(keys::create)),
        Route::new(Method::GET, "/api/v1/keys/{id}", rule("keys.show"), get(keys::show)),
        Route::new(Method::DELETE, "/api/v1/keys/{id}", rule("keys.revoke"), delete(keys::revoke)),
        Route::new(Method::PUT, "/api/v1/keys/{id}/end", rule("keys.expire"), put(keys::expire)),
    ]
}

/// What was written down.
fn records() -> Vec<Route> {
    let rule = Rule::tenant_or_all("audit.list", "audit:read");
    vec![Route::new(Method::GET, "/api/v1/audit", rule, get(audit::list))]
}

/// What happened, and what others could not be told of.
fn events() -> Vec<Route> {
    let manage = |operation| Rule::tenant_or_all(operation, "events:manage");
    let (path, dead, one) = ("/api/v1/events", "/api/v1/events/dead", "/api/v1/events/dead/{letter}");
    vec![
        Route::new(Method::GET, path, Rule::tenant_or_all("events.list", "events:read"), get(events::list)),
        Route::new(Method::POST, path, Rule::tenant("events.publish", "events:publish"), post(events::publish)),
        Route::new(Method::GET, dead, manage("dead-letters.list"), get(dead_letters::list)),
        Route::new(Method::GET, one, manage("dead-letters.show"), get(dead_letters::show)),
        Route::new(
            Method::POST,
            "/api/v1/events/dead/{letter}/replay",
            manage("dead-letters.replay"),
            post(dead_letters::replay),
        ),
        Route::new(Method::DELETE, one, manage("dead-letters.drop"), delete(dead_letters::remove)),
    ]
}

/// What runs by the clock.
fn schedules() -> Vec<Route> {
    let read = |operation| Rule::tenant(operation, "plugins:read");
    let manage = |operation| Rule::tenant(operation, "plugins:manage");
    let (runs, run) = ("/api/v1/schedules/{plugin}/{name}/runs", "/api/v1/schedules/{plugin}/{name}/run");
    vec![
        Route::new(Method::GET, "/api/v1/schedules", read("schedules.list"), get(schedules::list)),
        Route::new(Method::GET, runs, read("schedules.runs"), get(schedules::runs)),
        Route::new(Method::POST, run, manage("schedules.run"), post(schedules::run)),
    ]
}

/// What people hear as it happens, and what they were told.
fn people() -> Vec<Route> {
    let (list, read) = ("/api/v1/notifications", "/api/v1/notifications/{id}/read");
    vec![
        Route::new(Method::GET, "/api/v1/stream", Rule::member("stream.open"), get(stream::open)),
        Route::new(Method::GET, list, Rule::member("notifications.list"), get(notifications::list)),
        Route::new(Method::POST, read, Rule::member("notifications.read"), post(notifications::read)),
    ]
}

/// The links as the tenant of the request has them; those of a tenant that has chosen nothing, if it concerns none.
fn view(snapshot: &Snapshot, caller: &Caller) -> Arc<TenantView> {
    match caller.tenant() {
        Some(tenant) => snapshot.view(tenant),
        None => snapshot.default_view().clone(),
    }
}
