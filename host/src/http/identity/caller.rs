//! Whoever uses one of the host's own operations, once its rule has let them in.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;

use super::{Origin, Principal, authenticate, noticed, principal, within};
use crate::app::App;
use crate::http::envelope::ApiError;
use crate::id::TenantId;
use crate::runtime::Identity;

/// Made by the guard of a route ([`crate::http::routes`]) and taken by its handler, so that no handler can forget to
/// ask who is there.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    identity: Option<Arc<Identity>>,
}

impl Caller {
    pub(in crate::http) async fn of(app: &App, headers: &HeaderMap, origin: Origin) -> Result<Self, ApiError> {
        let principal = authenticate(app, headers, origin).await?;
        let Some(tenant) = principal.tenant(app, headers).await? else {
            return Ok(Self { principal, identity: None });
        };
        noticed(app, &principal, &tenant, headers);
        let principal = principal.as_in(&tenant);
        let identity = Some(Arc::new(within(principal.clone(), tenant, headers)?));
        Ok(Self { principal, identity })
    }

    /// The identity within the tenant that the request concerns.
    ///
    /// # Errors
    ///
    /// 400 when an operator named none. A route whose rule concerns a tenant has asked already.
    pub fn identity(&self) -> Result<&Arc<Identity>, ApiError> {
        self.identity.as_ref().ok_or_else(principal::unnamed)
    }

    /// The tenant that the request concerns, if any.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.identity.as_ref().map(|identity| &identity.tenant)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError::internal(&Unguarded))
    }
}

/// A handler asked for its caller on a route without a guard.
#[derive(Debug, thiserror::Error)]
#[error("the route has no rule that finds out who is asking")]
struct Unguarded;
