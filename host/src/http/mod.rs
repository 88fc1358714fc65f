//! The way in: connections, routes, identity, and what an answer looks like.
//!
//! The routes stand on this page and, those below `/api/v1`, in [`api`]. Below `/plugins/{id}` the manifest of the plugin
//! decides.

mod api;
mod envelope;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod identity;
pub mod json;
pub mod local;
mod plugins;
#[cfg(test)]
mod properties;
pub mod routes;
mod screen;
mod server;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::header::CONNECTION;
use http::{HeaderValue, Method, StatusCode, Version};
use jiff::Timestamp;
use tokio::net::TcpListener;

use self::envelope::ApiError;
use self::routes::{Route, Rule};
use self::server::Draining;
pub use self::server::Stop;
use crate::app::App;
use crate::fault;

/// All that answers. From the moment it is made, the host's own socket is served.
pub struct Server {
    app: Arc<App>,
    router: Router,
    draining: Draining,
    _socket: Option<local::Served>,
}

impl Server {
    pub fn new(app: Arc<App>) -> Self {
        let draining = Draining::default();
        let router = router(app.clone(), draining.clone());
        let socket = local::serve(&app.config().data, router.clone());
        Self { app, router, draining, _socket: socket }
    }

    /// Serves until `stop.stop` ends, then finishes the requests under way, unless `stop.now` ends first.
    pub async fn serve(self, listener: TcpListener, stop: Stop<impl Future<Output = ()>, impl Future<Output = ()>>) {
        let limits = self.app.config().http.clone();
        // Nobody who waits for log lines or listens to a stream holds up the end.
        let (log, streams) = (self.app.runtime().log().clone(), self.app.streams().clone());
        let until = async move {
            stop.stop.await;
            log.kept().stop();
            streams.stop();
        };
        let stop = Stop { stop: until, now: stop.now };
        server::serve(listener, self.router, &limits, self.draining, stop).await;
    }
}

/// Serves on the host's own socket alone, until what it gives is dropped.
pub fn serve_locally(app: Arc<App>) -> Option<local::Served> {
    let data = app.config().data.clone();
    local::serve(&data, router(app, Draining::default()))
}

/// Every route of the host, each behind its guard.
fn router(app: Arc<App>, draining: Draining) -> Router {
    let own = routes(&draining).into_iter();
    own.fold(Router::new(), |router, route| router.route(route.path, route.guarded(&app)))
        .route("/plugins/{id}", any(plugins::dispatch))
        .route("/plugins/{id}/", any(plugins::dispatch))
        .route("/plugins/{id}/{*path}", any(plugins::dispatch))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(draining, each))
        .with_state(app)
}

/// The host's own routes. What else lies below `/plugins/{id}` the manifest of the plugin rules.
fn routes(draining: &Draining) -> Vec<Route> {
    let (ready, started_at) = (draining.clone(), Timestamp::now());
    let mut routes = vec![
        Route::new(Method::GET, "/health", Rule::open("health"), get(move |app| health::health(app, started_at))),
        Route::new(Method::GET, "/health/live", Rule::open("health.live"), get(health::live)),
        Route::new(
            Method::GET,
            "/health/ready",
            Rule::open("health.ready"),
            get(move |app| health::ready(app, ready.clone())),
        ),
        Route::new(Method::GET, "/plugins/{id}/health", Rule::member("plugins.health"), get(health::plugin)),
        Route::new(Method::GET, "/plugins/{id}/info", Rule::member("plugins.info"), get(api::plugins::info)),
    ];
    routes.extend(api::routes());
    routes
}

/// Method, path and rule of every route of the host's own.
pub fn rules() -> Vec<(Method, &'static str, Rule)> {
    routes(&Draining::default()).into_iter().map(|route| (route.method, route.path, route.rule)).collect()
}

/// What every request goes through: it must be one that nobody could read otherwise, it has a correlation id, in
/// its answer and in what a handler passes on, and it may be its connection's last.
async fn each(State(draining): State<Draining>, mut request: Request, next: Next) -> Response {
    let id = identity::correlation(request.headers());
    let value = HeaderValue::from_str(id.as_str()).ok();
    if let Some(value) = &value {
        request.headers_mut().insert(identity::CORRELATION, value.clone());
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_string());
    let http1 = request.version() < Version::HTTP_2;
    let screened = screen::screen(&mut request);
    let last = http1 && (screened.is_err() || draining.begun());
    let mut response = match screened {
        Ok(()) => fault::leave(next.run(request)).await.unwrap_or_else(left),
        Err(refused) => refused.into_response(),
    };
    if let Some(envelope::HiddenCause(cause)) = response.extensions_mut().remove() {
        tracing::error!(correlation = %id, %method, path, cause = &*cause, "a request failed inside the host");
    }
    if let Some(value) = value {
        response.headers_mut().insert(identity::CORRELATION, value);
    }
    if last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// For a request that a test has dropped, the status that proxies log when a client has closed its connection.
fn left() -> Response {
    StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT).into_response()
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
