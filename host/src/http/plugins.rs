//! Requests to plugins: `/plugins/{id}/…`.

mod answer;
pub(super) mod arguments;
pub(super) mod body;
mod door;
pub(super) mod headers;
mod rules;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Frame;
use wasmtime::component::Val;

use self::body::Body;
use self::rules::Told;
pub(super) use self::rules::rate;
use super::envelope::ApiError;
use super::identity::{Origin, identify};
use super::server::Owner;
use crate::app::App;
use crate::registry::endpoint::{Call, Endpoint, Target};
use crate::registry::{Plugin, Served, TenantView};
use crate::runtime::{CallContext, Identity, Origin as AnswerOrigin, Want};

/// Finds the plugin and the endpoint of a request, and lets it answer.
pub async fn dispatch(State(app): State<Arc<App>>, request: Request) -> Response {
    let identity = match identify(&app, request.headers(), Origin::of(&request)).await {
        Ok(identity) => Arc::new(identity),
        Err(error) => return error.into_response(),
    };
    let caller = identity.clone();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let mut told = Told::default();
    let answered = answer(&app, identity, request, &mut told).await;
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    told.write(response.headers_mut());
    app.events().requested(&caller, split(uri.path()).0, method.as_str(), response.status().as_u16());
    response.extensions_mut().insert(Owner(caller.tenant.clone()));
    response
}

async fn answer(
    app: &Arc<App>,
    identity: Arc<Identity>,
    request: Request,
    told: &mut Told,
) -> Result<Response, ApiError> {
    let uri = request.uri().clone();
    let (id, path) = split(uri.path());
    let view = app.ready(&identity.tenant, id).await?;
    let plugin = active(&view, id)?;
    let endpoint = find(plugin, request.method(), path)?;
    door::check(plugin, endpoint, request.method(), path, &identity.permissions)?;
    told.allowance = rules::admit(app.runtime(), &identity.tenant, plugin, endpoint, (request.method(), path))?;
    match endpoint {
        Some(Endpoint { target: Target::Function(call), status, path: template, .. }) => {
            let want = rules::want(&call.function.rules, request.headers());
            let body = read_body(app, request).await?;
            let parameters = template.matches(path).unwrap_or_default();
            let args = || arguments::from_request(app.config(), call, &parameters, uri.query(), &body.bytes);
            let (response, origin) =
                run(app, app.context(identity, &view), plugin, call, args, (*status, want)).await?;
            told.origin = Some(origin);
            Ok(response)
        }
        // A handler of the plugin's own.
        _ => proxy(app, &view, identity, plugin, path, request).await,
    }
}

/// `/plugins/crm/contacts/1` is plugin `crm` and path `/contacts/1`.
pub(super) fn split(path: &str) -> (&str, &str) {
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

/// Reads the arguments, calls the function, and writes its value as the answer, all on the clock of the request.
async fn run(
    app: &Arc<App>,
    context: CallContext,
    plugin: &Plugin,
    call: &Call,
    args: impl FnOnce() -> Result<Vec<Val>, ApiError>,
    (success, want): (StatusCode, Want),
) -> Result<(Response, AnswerOrigin), ApiError> {
    let (runtime, clock) = (app.runtime(), context.cpu.clock().clone());
    let answered = async {
        let args = runtime.in_turn(&clock, async { args() }).await?;
        let answered = runtime.answer(&plugin.prepared, &call.function, context, &args, want).await?;
        let origin = answered.origin;
        // A value of megabytes takes as long to write as it took to make.
        let limit = app.config().limits.answer_bytes;
        let write = async { answer::from_value(&call.function.shape, answered, success, limit) };
        runtime.in_turn(&clock, write).await.map(|response| (response, origin))
    };
    clock.run(answered).await
}

pub(super) async fn read_body(app: &App, mut request: Request) -> Result<Body, ApiError> {
    let limit = app.config().http.body_bytes;
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE) {
        return Ok(Body::none(app.bodies()));
    }
    let is_json = is_json(request.headers());
    let mut headers = std::mem::take(request.headers_mut());
    let body = body::read(&mut headers, request.into_body(), limit, app.bodies()).await?;
    if !is_json && !body.bytes.is_empty() {
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
    let body = body::read(&mut parts.headers, body, app.config().http.body_bytes, app.bodies()).await?;
    if !parts.headers.contains_key(HOST) {
        let message = "the request names no host, which the plugin needs to know: send the header Host";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message));
    }
    parts.uri = below(path, &parts.uri)?;
    headers::to_plugin(&mut parts.headers, &identity);
    let Body { bytes, held } = body;
    let request = http::Request::from_parts(parts, bytes);
    // The time the client took for its body is not the plugin's.
    let context = app.context(identity, view);
    let mut response = app.runtime().proxy(&plugin.prepared, context, request).await?.map(axum::body::Body::new);
    drop(held);
    if response.status().is_informational() {
        let message =
            format!("plugin {} ended with the status {}, which ends nothing", plugin.key(), response.status());
        return Err(ApiError::new(StatusCode::BAD_GATEWAY, "bad_answer", message));
    }
    headers::from_plugin(response.headers_mut());
    Ok(response.map(|body| axum::body::Body::new(body.map_frame(own_trailers))))
}

/// Trailers say no more than headers may.
fn own_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            headers::from_plugin(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}

pub(super) fn below(path: &str, uri: &Uri) -> Result<Uri, ApiError> {
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_string(),
    };
    target
        .parse()
        .map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "bad_request", "the path is not a valid URI path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_says_no_more_than_a_header_may() {
        let map = HeaderMap::from_iter([
            (http::HeaderName::from_static("x-tenant-id"), HeaderValue::from_static("acme")),
            (http::HeaderName::from_static("x-checksum"), HeaderValue::from_static("1")),
        ]);
        let left = own_trailers(Frame::trailers(map)).into_trailers().unwrap();
        assert_eq!(left.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["x-checksum"]);
        assert_eq!(own_trailers(Frame::data(Bytes::from("data"))).into_data().unwrap(), "data");
    }

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
