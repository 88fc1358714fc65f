//! `/api/v1/usage`: what tenants use of plugins, and how much they may.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;

use crate::app::App;
use crate::capability::sql::{Kept, SqlError};
use crate::http::envelope::{ApiError, SuccessList};
use crate::http::identity::Caller;
use crate::id::{PluginId, TenantId};
use crate::usage::{Hour, Meter, Quota};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageView {
    tenant: String,
    plugin: String,
    quotas: Vec<QuotaView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuotaView {
    quota: &'static str,
    unit: &'static str,
    used: u64,
    limit: u64,
    /// When it begins anew, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<String>,
}

/// By tenant and plugin, of those that were used in this hour: of the caller's tenant, or of all. For one tenant also
/// those that keep something. What other systems sent is the row of `external`.
pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<SuccessList<UsageView>, ApiError> {
    let usage = app.runtime().usage();
    let mut used = usage.used(caller.tenant());
    if let Some(tenant) = caller.tenant() {
        let keep = app.sql().plugins_of(tenant).await.map_err(|error| ApiError::internal(&error))?;
        used.extend(keep.into_iter().map(|plugin| (tenant.clone(), plugin)));
    }
    let mut views = Vec::new();
    for (tenant, plugin) in used.into_iter().filter(|(tenant, _)| !tenant.is_nobody()) {
        let deadline = Instant::now() + app.config().limits.wall_deadline();
        let kept = app.sql().kept(&tenant, &plugin, deadline).await;
        let kept = kept.map_err(|error| unreadable(&tenant, &plugin, &error))?;
        let meter = usage.meter(&tenant, &plugin);
        let is_of_it = |quota: &Quota| plugin != PluginId::external() || *quota == Quota::Events;
        let quotas = Quota::ALL.into_iter().filter(is_of_it).map(|quota| view(&meter, quota, kept)).collect();
        views.push(UsageView { tenant: tenant.to_string(), plugin: plugin.to_string(), quotas });
    }
    Ok(SuccessList(views))
}

fn view(meter: &Meter, quota: Quota, kept: Kept) -> QuotaView {
    let used = match quota {
        Quota::Storage => kept.bytes,
        Quota::Rows => kept.rows,
        Quota::Keys => kept.keys,
        _ => quota.told(meter.used(quota)),
    };
    let resets_at = quota.is_hourly().then(|| Hour::of(Timestamp::now()).end().to_string());
    QuotaView { quota: quota.name(), unit: quota.unit(), used, limit: quota.told(meter.limit(quota)), resets_at }
}

fn unreadable(tenant: &TenantId, plugin: &PluginId, error: &SqlError) -> ApiError {
    let message = format!("the data of plugin {plugin} for tenant {tenant} cannot be looked at: {error}");
    ApiError::data_unavailable(message)
}
