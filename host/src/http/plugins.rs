//! Requests to plugins: `/plugins/{id}/…`.

mod answer;
mod arguments;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use http_body_util::BodyExt;

use super::envelope::ApiError;
use super::identity::{self, identify};
use super::server::BodyTimeout;
use crate::app::App;
use crate::registry::endpoint::{Call, Endpoint, Target};
use crate::registry::{Plugin, Served, TenantView};
use crate::runtime::Identity;

/// Finds the plugin and the endpoint of a request, and lets it answer.
pub async fn dispatch(State(app): State<Arc<App>>, request: Request) -> Response {
    match answer(&app, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn answer(app: &Arc<App>, request: Request) -> Result<Response, ApiError> {
    let identity = Arc::new(identify(app, request.headers()).await?);
    let uri = request.uri().clone();
    let (id, path) = split(uri.path());
    let snapshot = app.registry().snapshot();
    let view = snapshot.view(&identity.tenant);
    let plugin = active(view, id)?;
    match find(plugin, request.method(), path)? {
        Some(Endpoint { target: Target::Function(call), status, path: template, .. }) => {
            let body = read_body(app, request).await?;
            let parameters = template.matches(path).unwrap_or_default();
            let args = arguments::from_request(call, &parameters, uri.query(), body)?;
            let value = run(app, view, identity, plugin, call, args).await?;
            answer::from_value(&call.function.shape, value, *status)
        }
        // A handler of the plugin's own.
        _ => proxy(app, view, identity, plugin, path, request).await,
    }
}

/// `/plugins/crm/contacts/1` is plugin `crm` and path `/contacts/1`.
fn split(path: &str) -> (&str, &str) {
    let rest = path.strip_prefix("/plugins/").unwrap_or(path);
    match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    }
}

/// The plugin that answers under this id for the tenant of the view.
///
/// # Errors
///
/// 404 when there is none of that id, 503 with the reason when it is not active.
pub fn active<'a>(view: &'a TenantView, id: &str) -> Result<&'a Arc<Plugin>, ApiError> {
    match view.served(id) {
        Some(Served::Active(plugin)) => Ok(plugin),
        Some(Served::Inactive { plugin, reason }) => {
            let message = format!("plugin {} is not active: {reason}", plugin.key());
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "plugin_inactive", message))
        }
        None => Err(ApiError::not_found("plugin_not_found", format!("there is no plugin `{id}`"))),
    }
}

/// The endpoint of a method and path; none when the plugin's own handler is to decide.
fn find<'a>(plugin: &'a Plugin, method: &Method, path: &str) -> Result<Option<&'a Endpoint>, ApiError> {
    // HEAD is GET without the body, which the server leaves out by itself.
    let method = if method == Method::HEAD && !plugin.prepared.serves_http() { &Method::GET } else { method };
    let mut allowed: Vec<&str> = Vec::new();
    for endpoint in &plugin.endpoints {
        if endpoint.path.matches(path).is_none() {
            continue;
        }
        if endpoint.method == *method {
            return Ok(Some(endpoint));
        }
        allowed.push(endpoint.method.as_str());
        if endpoint.method == Method::GET {
            allowed.push("HEAD");
        }
    }
    if plugin.prepared.serves_http() {
        return Ok(None);
    }
    let id = plugin.key();
    if allowed.is_empty() {
        let message = format!("plugin {id} has no endpoint at {path}; GET /plugins/{}/info lists them", id.id);
        return Err(ApiError::not_found("endpoint_not_found", message));
    }
    let allowed = allowed.join(", ");
    let message = format!("{path} of plugin {id} does not take {method}; it takes {allowed}");
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    Err(match HeaderValue::from_str(&allowed) {
        Ok(allowed) => error.with_header(ALLOW, allowed),
        Err(_) => error,
    })
}

async fn run(
    app: &Arc<App>,
    view: &TenantView,
    identity: Arc<Identity>,
    plugin: &Plugin,
    call: &Call,
    args: Vec<wasmtime::component::Val>,
) -> Result<Option<wasmtime::component::Val>, ApiError> {
    let context = app.context(identity, view);
    let clock = context.cpu.clock().clone();
    Ok(clock.run(app.runtime().call(&plugin.prepared, &call.function, context, &args)).await?)
}

async fn read_body(app: &App, request: Request) -> Result<Bytes, ApiError> {
    let limit = app.config().http.body_bytes;
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE) {
        return Ok(Bytes::new());
    }
    let is_json = is_json(request.headers());
    let body = collect(request.into_body(), limit).await?;
    if !is_json && !body.is_empty() {
        let message = "the body must be JSON: send the header Content-Type: application/json";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    Ok(body)
}

/// Without a content type the body is taken for JSON; curl's default for `-d` is a form, and is refused.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    match http_body_util::Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("the body is larger than the {limit} bytes allowed (http.body_bytes)");
            Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message))
        }
        Err(error) if BodyTimeout::caused(&*error) => {
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", error.to_string()))
        }
        Err(error) => Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request", error.to_string())),
    }
}

/// Hands the request to the plugin's own handler, below its own root and with identity headers from the
/// host alone.
async fn proxy(
    app: &Arc<App>,
    view: &TenantView,
    identity: Arc<Identity>,
    plugin: &Plugin,
    path: &str,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let body = collect(body, app.config().http.body_bytes).await?;
    set_host(&mut parts.headers, &parts.uri)?;
    parts.uri = below(path, &parts.uri)?;
    set_identity(&mut parts.headers, &identity);
    let request = http::Request::from_parts(parts, body);
    // The time the client took for its body is not the plugin's.
    let context = app.context(identity, view);
    Ok(app.runtime().proxy(&plugin.prepared, context, request).await?.map(Body::new))
}

/// HTTP/2 names the host in the target and not in a header; a handler looks for the header.
fn set_host(headers: &mut HeaderMap, uri: &Uri) -> Result<(), ApiError> {
    if headers.contains_key(HOST) {
        return Ok(());
    }
    let authority = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let missing =
        || ApiError::new(StatusCode::BAD_REQUEST, "bad_request", "the request names no host: send the header Host");
    headers.insert(HOST, authority.ok_or_else(missing)?);
    Ok(())
}

fn below(path: &str, uri: &Uri) -> Result<Uri, ApiError> {
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_string(),
    };
    target
        .parse()
        .map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "bad_request", "the path is not a valid URI path"))
}

fn set_identity(headers: &mut HeaderMap, identity: &Identity) {
    for name in identity::HOST_HEADERS {
        headers.remove(name);
    }
    let mut set = |name, value: Option<&str>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    };
    set(identity::TENANT, Some(identity.tenant.as_str()));
    set(identity::USER, identity.user.as_ref().map(|user| user.as_str()));
    set(identity::WORKSPACE, identity.workspace.as_ref().map(|workspace| workspace.as_str()));
    set(identity::CORRELATION, Some(identity.correlation_id.as_str()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_after_the_plugin() {
        assert_eq!(split("/plugins/crm/contacts/1"), ("crm", "/contacts/1"));
        assert_eq!(split("/plugins/crm/"), ("crm", "/"));
        assert_eq!(split("/plugins/crm"), ("crm", "/"));
    }

    #[test]
    fn json_is_recognised_by_its_media_type() {
        let with = |value: &'static str| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
        assert!(is_json(&HeaderMap::new()));
        assert!(is_json(&with("application/json; charset=utf-8")));
        assert!(is_json(&with("application/problem+json")));
        assert!(!is_json(&with("application/x-www-form-urlencoded")));
    }
}
