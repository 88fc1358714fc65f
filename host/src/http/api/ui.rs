//! `GET /api/v1/ui`: what the tenant's active plugins add to the pages.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::take::Query;
use crate::app::App;
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::Caller;
use crate::registry::Plugin;
use crate::registry::manifest::{Injection, InjectionPoint, MenuItem, Route};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only the components of this injection point, as `Contact.Profile`.
    point: Option<String>,
}

/// Something of one plugin.
#[derive(Serialize)]
struct Of<'a, T> {
    plugin: &'a str,
    version: String,
    #[serde(flatten)]
    what: &'a T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UiView<'a> {
    components: Vec<Of<'a, Injection>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    menu_items: Option<Vec<Of<'a, MenuItem>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routes: Option<Vec<Of<'a, Route>>>,
}

/// Components by point, then in their order; menu items in theirs; with a point, its components alone.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ApiError> {
    let tenant = &caller.identity()?.tenant;
    let point = wanted.point.as_deref().map(point).transpose()?;
    let snapshot = app.registry().snapshot();
    let view = snapshot.view(tenant);
    let mut serving: Vec<&Arc<Plugin>> = snapshot.plugins().iter().filter(|plugin| view.serves(plugin.key())).collect();
    serving.sort_by(|a, b| a.key().id.cmp(&b.key().id));
    let mut components: Vec<Of<'_, Injection>> = each(&serving, |plugin| &plugin.manifest.frontend.injection_points);
    components.retain(|of| point.is_none_or(|point| of.what.point == point));
    // Sorting is stable: of what has the same order, the plugins' names decide, then their manifests.
    components.sort_by_key(|of| (of.what.point, of.what.order));
    let mut menu_items: Vec<Of<'_, MenuItem>> = each(&serving, |plugin| &plugin.manifest.frontend.menu_items);
    menu_items.sort_by_key(|of| of.what.order);
    let routes = each(&serving, |plugin| &plugin.manifest.frontend.routes);
    let all = point.is_none();
    let view = UiView { components, menu_items: all.then_some(menu_items), routes: all.then_some(routes) };
    Ok(Success(view).into_response())
}

fn each<'a, T>(plugins: &[&'a Arc<Plugin>], of: impl Fn(&'a Plugin) -> &'a Vec<T>) -> Vec<Of<'a, T>> {
    let one = |plugin: &&'a Arc<Plugin>| {
        let plugin: &'a Plugin = plugin;
        let version = plugin.key().version.to_string();
        let (id, version) = (plugin.manifest.id.as_str(), version);
        of(plugin).iter().map(move |what| Of { plugin: id, version: version.clone(), what })
    };
    plugins.iter().flat_map(one).collect()
}

fn point(name: &str) -> Result<InjectionPoint, ApiError> {
    serde_json::from_value(Value::String(name.to_owned())).map_err(|error| {
        // It names those that there are.
        ApiError::wrong_field("point", error.to_string())
    })
}
