//! Whether the user may make this request at all: asked before the plugin runs and before the body is read.

use http::{Method, StatusCode};

use crate::http::envelope::ApiError;
use crate::permission::{PermissionName, PermissionSet};
use crate::registry::Plugin;
use crate::registry::endpoint::{Endpoint, Target};

/// Lets the request pass if the user has every permission that it needs.
///
/// `endpoint` is the one that takes the request; none when the plugin's own handler is to decide.
///
/// # Errors
///
/// 403 with the first permission that is missing.
pub fn check(
    plugin: &Plugin,
    endpoint: Option<&Endpoint>,
    method: &Method,
    path: &str,
    user: &PermissionSet,
) -> Result<(), ApiError> {
    let taken = endpoint.map(|endpoint| endpoint.permissions.as_slice()).unwrap_or_default();
    let missing = user.first_missing(taken).or_else(|| match endpoint.map(|endpoint| &endpoint.target) {
        Some(Target::Function(_)) => None,
        _ => of_handler(plugin, endpoint, method, path).find(|permission| !user.covers(permission)),
    });
    match missing {
        None => Ok(()),
        Some(permission) => {
            let id = &plugin.key().id;
            let message = format!("{method} {path} of plugin {id} needs the permission `{permission}`");
            Err(ApiError::new(StatusCode::FORBIDDEN, "denied", message))
        }
    }
}

/// What a request to the plugin's own handler needs beside the permissions of the endpoint that takes it, if one does.
///
/// A handler may read methods and paths more kindly than the host: HEAD as GET, `//a` as `/a`. So the endpoints that it
/// might mean by this path count all together; of their methods the one that is asked, and where none is, every one.
fn of_handler<'a>(
    plugin: &'a Plugin,
    taker: Option<&Endpoint>,
    method: &Method,
    path: &str,
) -> impl Iterator<Item = &'a PermissionName> {
    meant(plugin, taker, method, path).flat_map(|endpoint| &endpoint.permissions)
}

/// The endpoints that a handler might mean by a request, beside the one that takes it.
pub(super) fn meant<'a>(
    plugin: &'a Plugin,
    taker: Option<&Endpoint>,
    method: &Method,
    path: &str,
) -> impl Iterator<Item = &'a Endpoint> {
    let method = if method == Method::HEAD { Method::GET } else { method.clone() };
    let might_mean = |endpoint: &&Endpoint| match endpoint.path.matches(path) {
        // Less specific than the one that takes it, or of another method.
        Some(_) => taker.is_none(),
        None => endpoint.path.may_match(path),
    };
    let meant: Vec<&Endpoint> = plugin.endpoints.iter().filter(might_mean).collect();
    let named = meant.iter().any(|endpoint| endpoint.method == method);
    meant.into_iter().filter(move |endpoint| !named || endpoint.method == method)
}
