//! Every route of the host, with the rule that says who may use it.
//!
//! A route cannot be written without its rule. The guard made from it finds out who is asking, compares what they may
//! do, and writes down every attempt to change something: what was changed ([`Changed`]), or what was asked for and why
//! not ([`asked`]).

mod asked;
mod changed;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use hyper::body::Body as _;
use jiff::Timestamp;

use self::asked::Asked;
pub use self::changed::Changed;
use super::envelope::{ApiError, Refusal};
use super::identity::{Caller, Origin, Reach, correlation};
use crate::app::App;
use crate::db::AuditEntry;

/// One operation of the host.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub rule: Rule,
    handler: MethodRouter<Arc<App>>,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What the audit log calls it, as `keys.create`.
    pub operation: &'static str,
    pub scope: Scope,
    /// What a role must be allowed.
    pub permission: Option<&'static str>,
}

/// Whom an operation concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Nobody: it is answered without asking who is there.
    Open,
    /// One tenant, which must be named or meant.
    Tenant,
    /// One tenant, or every tenant if an operator names none.
    TenantOrAll,
    /// The whole installation; for operators.
    Platform,
}

impl Rule {
    /// Open to whoever can reach the host.
    pub const fn open(operation: &'static str) -> Self {
        Self { operation, scope: Scope::Open, permission: None }
    }

    /// For everybody in the tenant.
    pub const fn member(operation: &'static str) -> Self {
        Self { operation, scope: Scope::Tenant, permission: None }
    }

    /// For those in the tenant who have the permission.
    pub const fn tenant(operation: &'static str, permission: &'static str) -> Self {
        Self { operation, scope: Scope::Tenant, permission: Some(permission) }
    }

    /// For those in the tenant who have the permission, and for operators without a tenant.
    pub const fn tenant_or_all(operation: &'static str, permission: &'static str) -> Self {
        Self { operation, scope: Scope::TenantOrAll, permission: Some(permission) }
    }

    /// For operators.
    pub const fn platform(operation: &'static str, permission: &'static str) -> Self {
        Self { operation, scope: Scope::Platform, permission: Some(permission) }
    }

    async fn admit(
        &self,
        app: &App,
        headers: &HeaderMap,
        origin: Origin,
    ) -> Result<Caller, (ApiError, Option<Caller>)> {
        let caller = Caller::of(app, headers, origin).await;
        let caller = caller.map_err(|error| (error, None))?;
        let tenant_known = caller.tenant().is_some() || self.scope != Scope::Tenant;
        if !tenant_known && let Err(error) = caller.identity() {
            return Err((error, None));
        }
        match self.refusal(&caller) {
            Some(error) => Err((error, Some(caller))),
            None => Ok(caller),
        }
    }

    fn refusal(&self, caller: &Caller) -> Option<ApiError> {
        let denied = |message| Some(ApiError::new(StatusCode::FORBIDDEN, "denied", message));
        if self.scope == Scope::Platform && matches!(caller.principal.reach, Reach::Only(_)) {
            return denied("this concerns the whole installation and is for its operators".to_owned());
        }
        let permission = self.permission?;
        if caller.principal.permissions.covers_operation(permission) {
            return None;
        }
        denied(format!("this needs the permission `{permission}`, which none of your roles has"))
    }
}

impl Route {
    pub(super) fn new(method: Method, path: &'static str, rule: Rule, handler: MethodRouter<Arc<App>>) -> Self {
        Self { method, path, rule, handler }
    }

    /// What answers on this path and method, behind its guard.
    pub(super) fn guarded(self, app: &Arc<App>) -> MethodRouter<Arc<App>> {
        match self.rule.scope {
            Scope::Open => self.handler,
            _ => self.handler.route_layer(middleware::from_fn_with_state((app.clone(), self.rule), guard)),
        }
    }
}

/// A change is made to its end, and written down, even when its client has gone meanwhile.
async fn guard(State((app, rule)): State<(Arc<App>, Rule)>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return guarded(app, rule, request, next, false).await;
    }
    match tokio::spawn(guarded(app, rule, request, next, true)).await {
        Ok(response) => response,
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

async fn guarded(app: Arc<App>, rule: Rule, request: Request, next: Next, changes: bool) -> Response {
    let correlation_id = correlation(request.headers()).to_string();
    let (mut request, asked) = Asked::of(request).await;
    let (headers, origin) = (request.headers().clone(), Origin::of(&request));
    let (caller, response) = match rule.admit(&app, &headers, origin).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            (Some(caller), next.run(request).await)
        }
        Err((error, caller)) => (caller, unread(&request, error).into_response()),
    };
    match caller.filter(|_| changes) {
        Some(caller) => written_down(&app, rule, &caller, correlation_id, asked, response).await,
        // Of strangers nothing is kept: they could fill the log.
        None => response,
    }
}

/// The refusal of a request whose body nobody has read: over HTTP/1 it is the last on its connection, and says so, lest
/// the client send the next one into it.
pub(super) fn unread(request: &Request, error: ApiError) -> ApiError {
    if request.version() >= Version::HTTP_2 || request.body().is_end_stream() {
        return error;
    }
    error.with_header(CONNECTION, HeaderValue::from_static("close"))
}

/// An acknowledged change is in the audit log: the answer leaves when its entry is on disk.
async fn written_down(
    app: &App,
    rule: Rule,
    caller: &Caller,
    correlation_id: String,
    asked: Asked,
    mut response: Response,
) -> Response {
    let refusal: Option<Refusal> = response.extensions_mut().remove();
    let outcome = refusal.as_ref().map_or_else(|| "done".to_owned(), |refusal| refusal.code.clone());
    let changed = response.extensions_mut().remove().unwrap_or_else(|| asked.came_to(refusal));
    let entry = AuditEntry {
        at: Timestamp::now(),
        actor: caller.principal.name.clone(),
        tenant: caller.tenant().filter(|_| rule.scope != Scope::Platform).map(ToString::to_string),
        operation: rule.operation.to_owned(),
        target: String::new(),
        before: None,
        after: None,
        outcome,
        correlation_id,
        parts: Vec::new(),
    };
    let written = async { app.control().audit_append(changed.entry(app, entry).await?).await };
    match written.await {
        Ok(()) => response,
        Err(error) => ApiError::from(error).into_response(),
    }
}
