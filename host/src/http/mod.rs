//! The way in: connections, routes, identity, and what an answer looks like.
//!
//! All routes stand on this page. Below `/plugins/{id}` the manifest of the plugin decides.

mod api;
mod envelope;
mod health;
mod identity;
pub mod json;
mod plugins;
mod server;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderValue, StatusCode};
use tokio::net::TcpListener;

use self::envelope::ApiError;
use crate::app::App;

/// Serves until `stop` ends, then finishes the requests under way.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: impl Future<Output = ()> + Send) {
    let limits = app.config().http.clone();
    server::serve(listener, router(app), &limits, stop).await;
}

/// Every route of the host.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/api/v1/services", get(api::services::list))
        .route("/api/v1/plugins", get(api::plugins::list))
        .route("/api/v1/plugins/{id}", get(api::plugins::show))
        .route("/api/v1/plugins/{id}/links", get(api::links::show))
        .route("/plugins/{id}/health", get(health::plugin))
        .route("/plugins/{id}/info", get(api::plugins::info))
        .route("/plugins/{id}", any(plugins::dispatch))
        .route("/plugins/{id}/", any(plugins::dispatch))
        .route("/plugins/{id}/{*path}", any(plugins::dispatch))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn(correlate))
        .with_state(app)
}

/// Gives each request its correlation id: in every answer, and in what a handler passes on.
async fn correlate(mut request: Request, next: Next) -> Response {
    let id = identity::correlation(request.headers());
    let value = HeaderValue::from_str(id.as_str()).ok();
    if let Some(value) = &value {
        request.headers_mut().insert(identity::CORRELATION, value.clone());
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_string());
    let mut response = next.run(request).await;
    if let Some(envelope::HiddenCause(cause)) = response.extensions_mut().remove() {
        tracing::error!(correlation = %id, %method, path, %cause, "a request failed inside the host");
    }
    if let Some(value) = value {
        response.headers_mut().insert(identity::CORRELATION, value);
    }
    response
}

async fn no_route(request: Request) -> Response {
    let message = format!(
        "nothing is served at {}: plugins are below /plugins/<id>/, the host's own API below /api/v1/",
        request.uri().path()
    );
    ApiError::not_found("not_found", message).into_response()
}

async fn no_method(request: Request) -> Response {
    let message = format!("{} is not offered at {}", request.method(), request.uri().path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message).into_response()
}
