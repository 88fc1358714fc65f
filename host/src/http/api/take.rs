//! What the host's own operations take: a query or a JSON body as a type, with each wrong field named.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::http::envelope::{ApiError, WrongField};
use crate::http::plugins::read_body;

/// What is told of where in a body something is wrong.
const PATH_CHARS: usize = 100;

/// The query of a request.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let axum::extract::Query(value) = query.map_err(|error| wrong("query", &error))?;
        Ok(Self(value))
    }
}

/// The JSON body of a request.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let body = read_body(app, request).await?;
        let mut reader = serde_json::Deserializer::from_slice(&body.bytes);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let (path, field) = (error.path().to_string(), error.inner().to_string());
            let path = if path == "." { "body".to_owned() } else { path };
            wrong(&shortened(path), &field)
        })?;
        reader.end().map_err(|error| wrong("body", &error))?;
        Ok(Self(value))
    }
}

/// A body can be nested as deep as its reader goes, and nobody reads such a path.
fn shortened(mut path: String) -> String {
    if let Some((end, _)) = path.char_indices().nth(PATH_CHARS) {
        path.truncate(end);
        path.push('…');
    }
    path
}

fn wrong(field: &str, error: &impl ToString) -> ApiError {
    ApiError::invalid(vec![WrongField { field: field.to_owned(), message: error.to_string() }])
}
