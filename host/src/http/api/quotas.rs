//! `/api/v1/tenants/{id}/quotas`: how much a tenant may use, where that is not the default.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::take::{Body, Query};
use super::unknown;
use crate::app::App;
use crate::db::TenantQuota;
use crate::http::envelope::{ApiError, Success, SuccessList};
use crate::http::identity::Caller;
use crate::http::routes::Changed;
use crate::id::PluginId;
use crate::usage::Quota;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Amount {
    /// In the quota's unit.
    amount: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Of {
    /// None for every plugin that has no word of its own.
    plugin: Option<PluginId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QuotaView {
    tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    quota: String,
    unit: &'static str,
    amount: u64,
    /// Whether it begins anew with each hour.
    hourly: bool,
    set_by: String,
    set_at: String,
    /// What whoever sets it may not have meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

impl From<TenantQuota> for QuotaView {
    fn from(row: TenantQuota) -> Self {
        let (quota, amount) = (Quota::named(&row.quota), u64::try_from(row.amount).unwrap_or(0));
        Self {
            tenant: row.tenant,
            plugin: row.plugin,
            unit: quota.map_or("", Quota::unit),
            hourly: quota.is_some_and(Quota::is_hourly),
            amount: quota.map_or(amount, |quota| quota.told(amount)),
            quota: row.quota,
            set_by: row.set_by,
            set_at: row.set_at.to_string(),
            warning: None,
        }
    }
}

/// Those that were set for a tenant.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(tenant): Path<String>,
) -> Result<SuccessList<QuotaView>, ApiError> {
    known(&app, &tenant).await?;
    let rows = app.control().tenant_quota_list().await?.into_iter();
    Ok(SuccessList(rows.filter(|row| row.tenant == tenant).map(QuotaView::from).collect()))
}

/// Sets one; it holds from the next call on. The plugin need not be there: one may decide before it is installed.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((tenant, quota)): Path<(String, String)>,
    Query(Of { plugin }): Query<Of>,
    Body(Amount { amount }): Body<Amount>,
) -> Result<Response, ApiError> {
    let quota = named(&quota)?;
    known(&app, &tenant).await?;
    let stored = i64::try_from(quota.counted(amount)).map_err(|_| {
        let message = format!("must be {} at most, found {amount}", quota.told(i64::MAX as u64));
        ApiError::wrong_field("amount", message)
    })?;
    let row = TenantQuota {
        tenant: tenant.clone(),
        plugin: plugin.as_ref().map(ToString::to_string),
        quota: quota.name().to_owned(),
        amount: stored,
        set_by: caller.principal.name.clone(),
        set_at: Timestamp::now(),
    };
    let warning = match &plugin {
        Some(plugin) => never_seen(&app, plugin).await?,
        None => None,
    };
    let before = before(&app, &row).await?;
    app.control().tenant_quota_put(row.clone()).await?;
    app.quotas_read().await?;
    let mut changed = Changed::new(target(&row)).of(Some(&row.tenant)).to(json!({ "amount": amount }));
    if let Some(before) = before {
        changed = changed.from(json!({ "amount": quota.told(before) }));
    }
    Ok(changed.with(Success(QuotaView { warning, ..QuotaView::from(row) })))
}

/// Takes one back: the default holds again.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path((tenant, quota)): Path<(String, String)>,
    Query(Of { plugin }): Query<Of>,
) -> Result<Response, ApiError> {
    let quota = named(&quota)?;
    known(&app, &tenant).await?;
    let plugin = plugin.as_ref().map(ToString::to_string);
    if !app.control().tenant_quota_delete(&tenant, plugin.as_deref(), quota.name()).await? {
        let what = plugin.map_or_else(String::new, |plugin| format!(" and plugin `{plugin}`"));
        let message = format!("no quota `{}` was set for tenant `{tenant}`{what}", quota.name());
        return Err(ApiError::not_found("quota_not_found", message));
    }
    app.quotas_read().await?;
    let of = plugin.map_or_else(String::new, |plugin| format!(" {plugin}"));
    let changed = Changed::new(format!("{tenant}{of} {}", quota.name())).of(Some(tenant));
    Ok(changed.with(Success(json!({}))))
}

/// What to say of a plugin that the host has never seen. Other systems are none, and have a quota.
async fn never_seen(app: &App, plugin: &PluginId) -> Result<Option<String>, ApiError> {
    if *plugin == PluginId::external() {
        return Ok(None);
    }
    let refusal = unknown::never_seen(app, plugin.as_str()).await?;
    Ok(refusal.map(|_| format!("there is no plugin `{plugin}` and there never was: this holds once there is one")))
}

async fn before(app: &App, row: &TenantQuota) -> Result<Option<u64>, ApiError> {
    let same =
        |other: &TenantQuota| (&other.tenant, &other.plugin, &other.quota) == (&row.tenant, &row.plugin, &row.quota);
    let found = app.control().tenant_quota_list().await?.into_iter().find(same);
    Ok(found.map(|row| u64::try_from(row.amount).unwrap_or(0)))
}

fn target(row: &TenantQuota) -> String {
    let plugin = row.plugin.as_ref().map_or_else(String::new, |plugin| format!(" {plugin}"));
    format!("{}{plugin} {}", row.tenant, row.quota)
}

async fn known(app: &App, tenant: &str) -> Result<(), ApiError> {
    match app.control().tenant_fetch(tenant).await? {
        Some(_) => Ok(()),
        None => Err(ApiError::not_found("tenant_not_found", format!("there is no tenant `{tenant}`"))),
    }
}

fn named(name: &str) -> Result<Quota, ApiError> {
    Quota::named(name).ok_or_else(|| {
        let all = Quota::ALL.map(Quota::name).join(", ");
        ApiError::not_found("quota_not_found", format!("there is no quota `{name}`; there are {all}"))
    })
}
