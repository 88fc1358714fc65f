//! `GET /api/v1/plugins`, `GET /api/v1/plugins/{id}` and `GET /plugins/{id}/info`: what is loaded, what is
//! not, and why.

use std::collections::BTreeSet;
use std::ops::Not;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::activating::Activating;
use super::take::Query;
use super::{page, unknown};
use crate::app::App;
use crate::http::envelope::{self, ApiError, Success};
use crate::http::identity::{Caller, Principal, Reach};
use crate::id::{PluginId, TenantId};
use crate::registry::contract::Breach;
use crate::registry::lifecycle::{Failed, InstallFailure, Lifecycle, Standing};
use crate::registry::manifest::{Endpoint, Manifest, Service};
use crate::registry::resolve::{Link, Status};
use crate::registry::{Compiling, Plugin, Registry, Rejected, Snapshot, TenantView};

/// One loaded version of a plugin, for one tenant.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PluginView<'a> {
    id: &'a str,
    version: String,
    name: &'a str,
    description: &'a str,
    category: Option<&'a str>,
    status: &'static str,
    /// Why it is not active.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Since when it fails, or is on its way to the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The tenants that it failed for, for whoever names none: those that it failed for last, up to [`TOLD`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_for: Vec<String>,
    /// The tenants that it is on its way to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    activating: Vec<Activating>,
    /// True for the version that answers the tenant's requests.
    serving: bool,
    /// Set when its file holds another by now: the plugins it stays loaded for.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_for: Option<&'a BTreeSet<PluginId>>,
    /// Whether it stays loaded for tenants that cannot have what its file holds, or do not have it yet.
    #[serde(skip_serializing_if = "Not::not")]
    kept_for_tenants: bool,
    file_name: &'a str,
    sha256: &'a str,
    /// Who vouches for it; nobody where unsigned files are taken.
    signed_by: Option<SignerView<'a>>,
    loaded_at: String,
    exports: Vec<String>,
    imports: &'a [Link],
    capabilities: &'a [String],
    endpoints: &'a [Endpoint],
}

/// Whose signature counts for a plugin.
#[derive(Serialize)]
struct SignerView<'a> {
    /// What the operator calls the key.
    name: &'a str,
    key: String,
}

impl<'a> PluginView<'a> {
    fn new(
        lifecycle: &Lifecycle,
        tenant: Option<&TenantId>,
        snapshot: &'a Snapshot,
        view: &'a TenantView,
        plugin: &'a Plugin,
    ) -> Self {
        let Manifest { id, name, version, description, category, endpoints, .. } = &plugin.manifest;
        let resolved = view.resolved(plugin.key());
        let (status, reason) = match resolved.map(|resolved| &resolved.status) {
            Some(Status::Active) => ("active", None),
            Some(Status::Inactive { reason }) => ("inactive", Some(reason.to_string())),
            None => ("inactive", None),
        };
        let activating = Activating::of(lifecycle, tenant, plugin);
        let setback = setback(lifecycle, tenant, plugin);
        let failed_for = setback.as_ref().map(|setback| setback.tenants.clone()).unwrap_or_default();
        let (status, reason, since) = match setback {
            _ if lifecycle.is_leaving(plugin) => ("uninstalling", None, None),
            _ if tenant.is_some() && !activating.is_empty() => {
                ("activating", Some(activating[0].told()), Some(activating[0].since.clone()))
            }
            Some(Setback { reason, since, is_settled: true, .. }) => ("error", Some(reason), Some(since)),
            // Nothing is wrong with the plugin, as far as can be told.
            Some(Setback { reason, since, .. }) => {
                ("inactive", Some(format!("{reason}; it is tried again by itself")), Some(since))
            }
            None => (status, super::lacking::told(tenant, plugin, resolved).or(reason), None),
        };
        Self {
            id: id.as_str(),
            version: version.to_string(),
            name,
            description,
            category: category.as_deref(),
            status,
            reason,
            since,
            failed_for,
            activating,
            serving: view.serves(plugin.key()),
            kept_for: snapshot.kept_for(plugin).map(|kept| &kept.for_plugins),
            kept_for_tenants: snapshot.kept_for(plugin).is_some_and(|kept| kept.for_tenants),
            file_name: &plugin.file_name,
            sha256: &plugin.sha256,
            signed_by: plugin
                .signer
                .as_ref()
                .map(|signer| SignerView { name: &signer.name, key: signer.key.to_string() }),
            loaded_at: plugin.loaded_at.to_string(),
            exports: plugin.prepared.exports().iter().map(|export| export.name.to_string()).collect(),
            imports: resolved.map(|resolved| resolved.links.as_slice()).unwrap_or_default(),
            capabilities: plugin.prepared.capabilities(),
            endpoints,
        }
    }
}

/// As many tenants as are named of one version.
const TOLD: usize = 100;

/// How a version failed.
struct Setback {
    reason: String,
    since: String,
    /// For whom, for whoever asks about no tenant.
    tenants: Vec<String>,
    /// Whether the plugin is to blame, as far as can be told.
    is_settled: bool,
}

/// How a version failed for the tenant; for whoever names none, for how many tenants it did. What could not be installed
/// failed for all.
fn setback(lifecycle: &Lifecycle, tenant: Option<&TenantId>, plugin: &Plugin) -> Option<Setback> {
    if let Some(InstallFailure { reason, since, is_settled, .. }) = lifecycle.install_failure(plugin) {
        return Some(Setback { reason, since: since.to_string(), tenants: Vec::new(), is_settled });
    }
    let is_settled = |failed: &Failed| failed.standing == Standing::Settled;
    if let Some(tenant) = tenant {
        let failed = lifecycle.moves().failed(tenant, plugin.key())?;
        let (reason, since) = (failed.failure.to_string(), failed.since.to_string());
        return Some(Setback { reason, since, tenants: Vec::new(), is_settled: is_settled(&failed) });
    }
    let mut failed = lifecycle.moves().failed_for(plugin.key());
    // For some tenants it may be the plugin, for others the circumstances.
    if failed.iter().any(|(_, failed)| is_settled(failed)) {
        failed.retain(|(_, failed)| is_settled(failed));
    }
    failed.sort_by_key(|(_, failed)| failed.since);
    let (_, first) = failed.first()?;
    let (tenant, last) = failed.last()?;
    let others = match failed.len() - 1 {
        0 => String::new(),
        1 => " and for 1 other tenant".to_owned(),
        others => format!(" and for {others} other tenants"),
    };
    let (reason, since) = (format!("for {tenant}{others}: {}", last.failure), first.since.to_string());
    let tenants = failed.iter().rev().take(TOLD).map(|(tenant, _)| tenant.to_string()).collect();
    Some(Setback { reason, since, tenants, is_settled: is_settled(last) })
}

/// How a version failed, where it counts as failed: what the list calls `error`.
pub(super) fn error(lifecycle: &Lifecycle, tenant: Option<&TenantId>, plugin: &Plugin) -> Option<String> {
    let on_its_way = || tenant.is_some_and(|tenant| lifecycle.moves().under_way(tenant, plugin.key()).is_some());
    if lifecycle.is_leaving(plugin) || on_its_way() {
        return None;
    }
    setback(lifecycle, tenant, plugin).filter(|setback| setback.is_settled).map(|setback| setback.reason)
}

/// How many versions are active, as the list has it for whoever names no tenant: those that are for everybody.
pub fn active_count(registry: &Registry, snapshot: &Snapshot) -> usize {
    let (lifecycle, view) = (registry.lifecycle(), snapshot.default_view());
    let failed = lifecycle.moves().failed_versions();
    let is_active = |plugin: &&Arc<Plugin>| {
        let resolved = view.resolved(plugin.key()).map(|resolved| &resolved.status);
        let is_well = !failed.contains(plugin.key()) && lifecycle.install_failure(plugin).is_none();
        resolved == Some(&Status::Active) && is_well && !lifecycle.is_leaving(plugin)
    };
    snapshot.plugins().iter().filter(is_active).count()
}

/// The files that are refused. What is being compiled is no longer, though what it was refused for still stands there.
pub fn refused<'a>(snapshot: &'a Snapshot, compiling: &'a [Compiling]) -> impl Iterator<Item = &'a Rejected> {
    let is_compiling = |file: &str| compiling.iter().any(|one| one.file_name == file);
    snapshot.rejected().iter().filter(move |file| !is_compiling(&file.file_name))
}

/// A file that was found and not loaded.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RejectedView<'a> {
    file_name: &'a str,
    sha256: Option<&'a str>,
    /// What it says it is, where its manifest could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    reason: &'a str,
    /// What it breaks of what earlier versions promised, and for whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    breaks: Option<&'a Breach>,
    seen_at: String,
}

impl<'a> From<&'a Rejected> for RejectedView<'a> {
    fn from(file: &'a Rejected) -> Self {
        Self {
            file_name: &file.file_name,
            sha256: file.sha256.as_deref(),
            id: file.key.as_ref().map(|key| key.id.as_str()),
            version: file.key.as_ref().map(|key| key.version.to_string()),
            reason: &file.reason,
            breaks: file.breach.as_deref(),
            seen_at: file.seen_at.to_string(),
        }
    }
}

/// Which versions are wanted, and how many at a time. Without any of it all are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// As a row has it; `inactive` is every one that is not active.
    status: Option<Activity>,
    category: Option<String>,
    keyword: Option<String>,
    /// A text in the id, the name, the description or a keyword, in whichever case.
    q: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Activity {
    Active,
    Inactive,
    Activating,
    Error,
    Uninstalling,
}

impl Activity {
    fn is(&self, status: &str) -> bool {
        match self {
            Self::Active => status == "active",
            Self::Inactive => status != "active",
            Self::Activating => status == "activating",
            Self::Error => status == "error",
            Self::Uninstalling => status == "uninstalling",
        }
    }
}

impl Filter {
    fn fits(&self, plugin: &PluginView<'_>, keywords: &[String]) -> bool {
        let texts =
            || [plugin.id, plugin.name, plugin.description].into_iter().chain(keywords.iter().map(String::as_str));
        self.status.as_ref().is_none_or(|wanted| wanted.is(plugin.status))
            && self.category.as_deref().is_none_or(|wanted| plugin.category == Some(wanted))
            && self.keyword.as_ref().is_none_or(|wanted| keywords.contains(wanted))
            && self
                .q
                .as_ref()
                .map(|text| text.to_lowercase())
                .is_none_or(|text| texts().any(|found| found.to_lowercase().contains(&text)))
    }

    /// The id and version after which the page begins.
    fn after(&self) -> Result<Option<(String, Version)>, ApiError> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let parsed = cursor.split_once('@').and_then(|(id, version)| Some((id.to_owned(), version.parse().ok()?)));
        parsed.map(Some).ok_or_else(|| ApiError::wrong_field("cursor", "must be the `nextCursor` of an earlier answer"))
    }
}

/// Every loaded version of every plugin that is wanted, by file or in pages by id and version, and every file that was
/// refused.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        success: bool,
        data: Vec<PluginView<'a>>,
        /// Of all pages.
        total: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_cursor: Option<String>,
        rejected: Vec<RejectedView<'a>>,
        /// Files whose machine code is not there yet.
        compiling: &'a [Compiling],
        /// Why the plugins directory is not followed; told to operators alone, as it names it.
        #[serde(skip_serializing_if = "Option::is_none")]
        directory_problem: Option<String>,
    }
    let limit = filter.limit.map(|limit| page::limit(Some(limit))).transpose()?;
    let after = filter.after()?;
    let snapshot = app.registry().snapshot();
    let (view, lifecycle, tenant) = (super::view(&snapshot, &caller), app.registry().lifecycle(), caller.tenant());
    let mut plugins: Vec<&Arc<Plugin>> = snapshot.plugins().iter().collect();
    // A page needs an order of its own that no file changes by coming or going.
    if limit.is_some() || after.is_some() {
        plugins.sort_by(|a, b| (&a.key().id, &a.key().version).cmp(&(&b.key().id, &b.key().version)));
    }
    let seen = plugins.into_iter();
    let seen = seen.map(|plugin| (plugin, PluginView::new(lifecycle, tenant, &snapshot, &view, plugin)));
    let mut wanted: Vec<_> = seen.filter(|(plugin, seen)| filter.fits(seen, &plugin.manifest.keywords)).collect();
    let total = wanted.len();
    if let Some((id, version)) = after {
        wanted.retain(|(plugin, _)| (plugin.key().id.as_str(), &plugin.key().version) > (id.as_str(), &version));
    }
    let page = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let more = wanted.len() > page;
    wanted.truncate(page);
    let last = wanted.last().filter(|_| more).map(|(plugin, _)| plugin.key());
    let next_cursor = last.map(|key| format!("{}@{}", key.id, key.version));
    let data = wanted.into_iter().map(|(_, seen)| seen).collect();
    let compiling = &app.registry().compiling()[..];
    let rejected = refused(&snapshot, compiling).map(RejectedView::from).collect();
    let Principal { reach, permissions, .. } = &caller.principal;
    let is_operator = !matches!(reach, Reach::Only(_)) && permissions.covers_operation("admin:system:plugins");
    let directory_problem = app.registry().directory_problem().filter(|_| is_operator);
    let body = Body { success: true, total, data, next_cursor, rejected, compiling, directory_problem };
    let bytes = serde_json::to_vec(&body).map_err(|error| ApiError::internal(&error))?;
    Ok(envelope::json(StatusCode::OK, bytes))
}

/// Every loaded version of one plugin, with its manifest.
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>, caller: Caller) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Detail<'a> {
        #[serde(flatten)]
        plugin: PluginView<'a>,
        manifest: &'a Manifest,
    }
    #[derive(Serialize)]
    struct Details<'a> {
        id: &'a str,
        versions: Vec<Detail<'a>>,
    }
    let snapshot = app.registry().snapshot();
    let (view, lifecycle) = (super::view(&snapshot, &caller), app.registry().lifecycle());
    let versions: Vec<_> = snapshot
        .plugins()
        .iter()
        .filter(|plugin| plugin.manifest.id.as_str() == id)
        .map(|plugin| Detail {
            plugin: PluginView::new(lifecycle, caller.tenant(), &snapshot, &view, plugin),
            manifest: &plugin.manifest,
        })
        .collect();
    if versions.is_empty() {
        return Err(unknown::plugin(&snapshot, &id));
    }
    Ok(Success(Details { id: &id, versions }).into_response())
}

/// What a client of the plugin needs to know: the version that answers, its services and endpoints.
pub async fn info(State(app): State<Arc<App>>, Path(id): Path<String>, caller: Caller) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Info<'a> {
        id: &'a str,
        name: &'a str,
        version: String,
        description: &'a str,
        services: &'a [Service],
        endpoints: &'a [Endpoint],
    }
    let snapshot = app.registry().snapshot();
    let view = super::view(&snapshot, &caller);
    let plugin = crate::http::plugins::active(&view, &id)?;
    let Manifest { name, version, description, services, endpoints, .. } = &plugin.manifest;
    Ok(Success(Info { id: &id, name, version: version.to_string(), description, services, endpoints }).into_response())
}
