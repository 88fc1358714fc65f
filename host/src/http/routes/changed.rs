//! What a handler has changed, as the audit log is told of it.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::app::App;
use crate::db::{AuditEntry, AuditPart, DbError};
use crate::http::envelope::ApiError;
use crate::id::{PluginId, TenantId};
use crate::registry::{Served, Snapshot};

/// What a handler changed, for the audit log. It travels in the answer's extensions to the guard. Never with secrets.
///
/// Invariant: a tenant reads what was done to it, whoever did it, and nothing of others. So what is done to one tenant is
/// an entry of that tenant ([`of`](Self::of)), and what is done to several has a part for each ([`part`](Self::part),
/// [`moving`](Self::moving)).
#[derive(Clone)]
pub struct Changed {
    /// What it was done to, as `crm 1.1.0`.
    pub target: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    tenant: Option<String>,
    parts: Vec<AuditPart>,
    moving: Option<(PluginId, Arc<Snapshot>)>,
}

impl Changed {
    pub fn new(target: impl Into<String>) -> Self {
        let target = target.into();
        Self { target, before: None, after: None, tenant: None, parts: Vec::new(), moving: None }
    }

    pub fn from(mut self, before: Value) -> Self {
        self.before = Some(before);
        self
    }

    pub fn to(mut self, after: Value) -> Self {
        self.after = Some(after);
        self
    }

    /// The one tenant that it was done to, also where the request was about none.
    pub fn of(mut self, tenant: Option<impl Into<String>>) -> Self {
        self.tenant = tenant.map(Into::into);
        self
    }

    /// What it was for one of several tenants.
    pub fn part(mut self, tenant: impl Into<String>, after: &Value) -> Self {
        self.parts.push(AuditPart { tenant: tenant.into(), before: None, after: Some(after.to_string()) });
        self
    }

    /// It may give tenants another version of this plugin than they had in the snapshot from before. Each of those reads
    /// from which to which.
    pub fn moving(mut self, plugin: PluginId, before: Arc<Snapshot>) -> Self {
        self.moving = Some((plugin, before));
        self
    }

    /// Lets an answer carry it.
    pub fn with(self, answer: impl IntoResponse) -> Response {
        let mut response = answer.into_response();
        response.extensions_mut().insert(self);
        response
    }

    /// A refusal with what it was about, where its path does not name that.
    pub fn refused(target: impl Into<String>, wanted: Value, error: ApiError) -> Response {
        Self::new(target).to(json!({ "reason": error.message, "wanted": wanted })).with(error)
    }

    /// Has it count from now on, and lets the answer carry it. Should what is decided not be read, it is written down all
    /// the same: it counts with the next decision.
    pub async fn decided(self, app: &App, answer: impl FnOnce() -> Response) -> Response {
        match app.registry().decide().await {
            Ok(()) => self.with(answer()),
            Err(error) => self.with(ApiError::from(error)),
        }
    }

    /// The entry of it. Who did what for whom, and how it ended, is in `entry`; what it was done to is added.
    pub(super) async fn entry(self, app: &App, entry: AuditEntry) -> Result<AuditEntry, DbError> {
        let mut parts = self.parts;
        if let Some((plugin, before)) = self.moving {
            parts.extend(moved(app, plugin, before).await?);
        }
        let text = |value: Option<Value>| value.map(|value| value.to_string());
        let (before, after) = (text(self.before), text(self.after));
        Ok(AuditEntry { target: self.target, tenant: self.tenant.or(entry.tenant), before, after, parts, ..entry })
    }
}

/// Who gets another version of the plugin now than in the snapshot from before.
async fn moved(app: &App, plugin: PluginId, before: Arc<Snapshot>) -> Result<Vec<AuditPart>, DbError> {
    let (now, tenants) = (app.registry().snapshot(), app.control().tenant_list().await?);
    let version = move |snapshot: &Snapshot, tenant: &TenantId| match snapshot.view(tenant).served(plugin.as_str()) {
        Some(Served::Active(serving)) => Some(serving.key().version.clone()),
        _ => None,
    };
    let part = move |tenant: String| {
        let id = TenantId::parse(&tenant).ok()?;
        let (from, to) = (version(&before, &id), version(&now, &id));
        let told = |version| json!({ "version": version }).to_string();
        (from != to).then(|| AuditPart { tenant, before: Some(told(from)), after: Some(told(to)) })
    };
    // Two views of each tenant, of which there may be many.
    let look = move || tenants.into_iter().filter_map(|tenant| part(tenant.id)).collect();
    let broken_off = |source| DbError::BrokenOff { operation: "the look at who was moved", source };
    tokio::task::spawn_blocking(look).await.map_err(broken_off)
}
