//! `/api/v1/plugins/{id}/config`: what the tenant of the request has set of a plugin's configuration.
//!
//! A secret is only ever told as set or not: not in answers, not in errors, not in the audit log. So the body is read
//! as JSON first and looked at here, because a reader of types repeats what it does not expect.

mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::secrets::unsealed;
use super::take::Body;
use super::{lacking, revision, unknown};
use crate::app::App;
use crate::db::{self, ConfigRow};
use crate::http::envelope::{ApiError, Success, WrongField};
use crate::http::identity::{Caller, correlation};
use crate::http::routes::Changed;
use crate::id::{PluginId, TenantId};
use crate::json::Json;
use crate::registry::manifest::{ConfigField, Manifest};
use crate::registry::resolve::{InactiveReason, Status};
use crate::registry::settings::{self, Kept, State as FieldState, Stored};
use crate::registry::{Plugin, Served, Snapshot};
use crate::seal::{Place, Seals};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigView<'a> {
    plugin: &'a str,
    /// The version whose fields these are.
    version: String,
    tenant: &'a str,
    fields: Vec<FieldView<'a>>,
    /// Required fields without a value: the plugin is not active until they have one.
    missing: Vec<String>,
    /// What that means for the tenant, after a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<String>,
    revision: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FieldView<'a> {
    #[serde(flatten)]
    field: &'a ConfigField,
    /// What the plugin reads; of a secret whether there is one.
    value: Value,
    /// `tenant`, `default` or `none`.
    source: &'static str,
    /// Why what was set does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let about = About::of(&app, &caller, &id)?;
    Ok(revision::tagged(about.before.revision, Success(about.view(&about.before))))
}

/// Sets all values. A secret that is left out stays; what is null goes, and so does every other value left out.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
    Body(Json(wanted)): Body<Json>,
) -> Result<Response, ApiError> {
    revision::answered(&app, set(&app, &id, &caller, &headers, wanted).await).await
}

async fn set(app: &App, id: &str, caller: &Caller, headers: &HeaderMap, wanted: Value) -> Result<Response, ApiError> {
    let about = About::of(app, caller, id)?;
    let revision = revision::read(headers, about.before.revision)?;
    let _sealing = app.registry().seals().sealing().await.map_err(unsealed)?;
    let mut wrong = Vec::new();
    let values = values::of(wanted, app.config().tenant.config_depth, &mut wrong);
    // Who takes a value away says so by its name; what was only left out is forgotten.
    let unset: BTreeSet<String> =
        values.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key.clone()).collect();
    let after = about.after(values, app.registry().seals(), &mut wrong)?;
    if about.is_enabled() {
        let lacking = settings::lacking(about.manifest(), Some(&after));
        let told = |key: &String| wrong.iter().any(|field| field.field == format!("values.{key}"));
        let lacking: Vec<String> = lacking.into_iter().filter(|key| !told(key) && !unset.contains(key)).collect();
        wrong.extend(lacking.iter().map(|key| WrongField { field: format!("values.{key}"), message: REQUIRED.into() }));
    }
    let entries = after.text();
    let limit = app.config().tenant.config_bytes;
    if entries.len() > limit {
        let message = format!("take {} bytes; at most {limit} are allowed (tenant.config_bytes)", entries.len());
        wrong.push(WrongField { field: "values".to_owned(), message });
    }
    if !wrong.is_empty() {
        return Err(ApiError::invalid(wrong));
    }
    let row = ConfigRow {
        tenant: about.tenant.to_string(),
        plugin: about.plugin.key().id.to_string(),
        entries,
        revision,
        updated_at: Timestamp::now(),
    };
    if !after.is_kept_by(&row, app.registry().seals()) {
        let message = "cannot be written down so that they are read as the same again".to_owned();
        return Err(ApiError::wrong_field("values", message));
    }
    let revision = app.control().config_put(row).await?.map_err(|db::Stale| revision::stale())?;
    let (was, is) = (about.told(&about.before), about.told(&after));
    let (plugin, data) = (about.plugin.key().id.as_str(), json!({ "plugin": id, "keys": keys(&was, &is) }));
    let request = correlation(headers);
    app.runtime().announcements().tell(&about.tenant, "config.changed", plugin, data, Some(&request));
    let changed = Changed::new(plugin).from(was).to(is);
    let after = Stored { revision, ..after };
    let answer = || {
        app.registry().settle_tenant_soon(&about.plugin.key().id, &about.tenant);
        let effect = about.effect(&app.registry().snapshot());
        revision::tagged(revision, Success(ConfigView { effect, ..about.view(&after) }))
    };
    Ok(changed.decided(app, answer).await)
}

/// The keys of what has changed.
fn keys(was: &Value, is: &Value) -> BTreeSet<String> {
    let both = [was, is].into_iter().filter_map(Value::as_object).flat_map(Map::keys);
    both.filter(|key| was.get(*key) != is.get(*key)).cloned().collect()
}

const REQUIRED: &str = "is required: the plugin cannot be used without it";

/// 409: the plugin cannot be enabled for the tenant before it is configured. Fine if one version could work.
pub(super) fn enabling(
    snapshot: &Snapshot,
    tenant: &TenantId,
    plugin: &PluginId,
    fits: impl Fn(&semver::Version) -> bool,
) -> Result<(), ApiError> {
    let stored = snapshot.choices().settings().stored(tenant, plugin);
    let mut versions: Vec<&Arc<Plugin>> = snapshot.plugins().iter().filter(|known| known.key().id == *plugin).collect();
    versions.retain(|known| fits(&known.key().version));
    versions.sort_by(|a, b| a.key().version.cmp(&b.key().version));
    let lacking = |known: &&Arc<Plugin>| settings::lacking(&known.manifest, stored.map(|stored| &**stored));
    let lacking: Vec<Vec<String>> = versions.iter().map(lacking).collect();
    let Some(highest) = lacking.last().filter(|_| lacking.iter().all(|fields| !fields.is_empty())) else {
        return Ok(());
    };
    let message = format!(
        "{plugin} cannot be enabled for {tenant}: its configuration has no value for {}; set it first, with PUT \
         /api/v1/plugins/{plugin}/config or `tenon config set`",
        highest.join(", ")
    );
    let fields = highest.iter().map(|key| WrongField { field: key.clone(), message: REQUIRED.to_owned() });
    let mut error = ApiError::new(StatusCode::CONFLICT, "unconfigured", message);
    error.fields = fields.collect();
    Err(error)
}

/// The tenant, the plugin, and the version whose fields count.
struct About {
    snapshot: Arc<Snapshot>,
    tenant: TenantId,
    plugin: Arc<Plugin>,
    before: Stored,
}

impl About {
    fn of(app: &App, caller: &Caller, id: &str) -> Result<Self, ApiError> {
        let tenant = caller.identity()?.tenant.clone();
        let snapshot = app.registry().snapshot();
        let plugin = concerned(&snapshot, &tenant, id).ok_or_else(|| unknown::plugin(&snapshot, id))?;
        let stored = snapshot.choices().settings().stored(&tenant, &plugin.key().id);
        let before = stored.map(|stored| Stored::clone(stored)).unwrap_or_default();
        Ok(Self { snapshot, tenant, plugin, before })
    }

    fn manifest(&self) -> &Manifest {
        &self.plugin.manifest
    }

    fn is_enabled(&self) -> bool {
        self.snapshot.choices().decision(&self.tenant, &self.plugin.key().id).enabled
    }

    fn field(&self, key: &str) -> Option<&ConfigField> {
        self.manifest().config.iter().find(|field| field.key.as_str() == key)
    }

    /// What is stored when these values are set. Keys that this version does not have stay for the one that does.
    fn after(
        &self,
        values: Map<String, Value>,
        seals: &Seals,
        wrong: &mut Vec<WrongField>,
    ) -> Result<Stored, ApiError> {
        let mut entries: BTreeMap<String, Kept> = BTreeMap::new();
        for (key, kept) in &self.before.entries {
            let kept = match (self.field(key).map(|field| field.secret), kept) {
                (Some(false), _) => continue,
                // What was no secret in an earlier version.
                (Some(true), Kept::Plain(value)) => self.seal(seals, key, value)?,
                _ => kept.clone(),
            };
            entries.insert(key.clone(), kept);
        }
        for (key, value) in values {
            let Some(field) = self.field(&key) else {
                wrong.push(WrongField { field: format!("values.{key}"), message: self.unknown() });
                continue;
            };
            if value.is_null() {
                entries.remove(&key);
                continue;
            }
            if let Err(error) = field.check_set(&value) {
                wrong.push(WrongField { field: format!("values.{key}"), message: error.to_string() });
                continue;
            }
            let kept = if field.secret { self.seal(seals, &key, &value)? } else { Kept::Plain(value) };
            entries.insert(key, kept);
        }
        Ok(Stored { entries, revision: self.before.revision })
    }

    fn seal(&self, seals: &Seals, key: &str, value: &Value) -> Result<Kept, ApiError> {
        let place = Place { tenant: self.tenant.as_str(), plugin: self.manifest().id.as_str(), field: key };
        Kept::seal(seals, place, value).map_err(|error| ApiError::internal(&error))
    }

    /// What the audit log keeps: values, and of secrets which there are, with a mark of how each is sealed, so that it
    /// shows which were replaced.
    fn told(&self, stored: &Stored) -> Value {
        let each = stored.entries.iter().map(|(key, kept)| {
            let shown = match kept {
                Kept::Plain(_) if self.field(key).is_none_or(|field| field.secret) => json!({ "set": true }),
                Kept::Plain(value) => value.clone(),
                Kept::Sealed { sealed, .. } => {
                    json!({ "set": true, "seal": &crate::hash::sha256_hex(sealed.as_bytes())[..8] })
                }
                Kept::Unreadable(_) => json!({ "set": true, "unreadable": true }),
            };
            (key.clone(), shown)
        });
        Value::Object(each.collect())
    }

    fn unknown(&self) -> String {
        let known: Vec<&str> = self.manifest().config.iter().map(|field| field.key.as_str()).collect();
        match known.as_slice() {
            [] => format!("is not known: {} has no configuration", self.plugin.key()),
            known => format!("is not known: {} has {}", self.plugin.key(), known.join(", ")),
        }
    }

    /// What a tenant has that lacks something, and how that ends.
    fn effect(&self, now: &Snapshot) -> Option<String> {
        let (tenant, key) = (&self.tenant, self.plugin.key());
        let view = now.view(tenant);
        let lacking = lacking::told(Some(tenant), &self.plugin, view.resolved(key))?;
        Some(match view.served(key.id.as_str()) {
            Some(Served::Active(serving)) => format!("{tenant} has {} until then: {lacking}", serving.key()),
            _ => format!("{} does not answer {tenant} until then: {lacking}", key.id),
        })
    }

    fn view(&self, stored: &Stored) -> ConfigView<'_> {
        let fields = self.manifest().config.iter().map(|field| FieldView::new(field, stored));
        ConfigView {
            plugin: self.manifest().id.as_str(),
            version: self.manifest().version.to_string(),
            tenant: self.tenant.as_str(),
            fields: fields.collect(),
            missing: settings::lacking(self.manifest(), Some(stored)),
            effect: None,
            revision: stored.revision,
        }
    }
}

impl<'a> FieldView<'a> {
    fn new(field: &'a ConfigField, stored: &Stored) -> Self {
        let kept = stored.entries.get(field.key.as_str());
        let state = FieldState::of(field, Some(stored));
        let source = match &state {
            FieldState::Set(_) => "tenant",
            FieldState::Default(_) => "default",
            FieldState::Unset => "none",
        };
        let problem = match (kept, &state) {
            (None, _) | (_, FieldState::Set(_)) => None,
            (Some(kept), _) if kept.problem().is_some() => kept.problem(),
            (Some(kept), _) => {
                let refused = kept.value().and_then(|value| field.check_set(&value).err());
                refused.map(|error| format!("what was set does not fit this version: {error}"))
            }
        };
        let value = match (field.secret, state) {
            (true, state) => json!({ "set": matches!(state, FieldState::Set(_)) }),
            (false, FieldState::Set(value) | FieldState::Default(value)) => value,
            (false, FieldState::Unset) => Value::Null,
        };
        Self { field, value, source, problem }
    }
}

/// The version whose fields a tenant sets: the highest that it uses, or would use if it were configured; of a plugin
/// that it does not use, the highest.
fn concerned(snapshot: &Snapshot, tenant: &TenantId, id: &str) -> Option<Arc<Plugin>> {
    let view = snapshot.view(tenant);
    let mut versions: Vec<&Arc<Plugin>> =
        snapshot.plugins().iter().filter(|plugin| plugin.key().id.as_str() == id).collect();
    versions.sort_by(|a, b| a.key().version.cmp(&b.key().version));
    let excluded = |plugin: &&&Arc<Plugin>| {
        matches!(
            view.resolved(plugin.key()).map(|resolved| &resolved.status),
            Some(Status::Inactive {
                reason: InactiveReason::Pinned { .. }
                    | InactiveReason::RolledOut { .. }
                    | InactiveReason::NotRolledOut { .. }
                    | InactiveReason::StaysOn { .. }
            })
        )
    };
    let used = versions.iter().rev().find(|plugin| !excluded(plugin));
    used.or(versions.last()).map(|plugin| Arc::clone(plugin))
}
