//! What the host's own operations take: a query or a JSON body as a type, with each wrong field named.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::http::envelope::ApiError;
use crate::http::plugins::read_body;

/// What is told of where in a body something is wrong.
const PATH_CHARS: usize = 100;

/// How the reader of queries begins what it says.
const QUERY_PREFIX: &str = "Failed to deserialize query string: ";

/// The query of a request.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let axum::extract::Query(value) = query.map_err(|error| {
            let told = error.body_text();
            let told = told.strip_prefix(QUERY_PREFIX).unwrap_or(&told);
            match told.split_once(": ") {
                Some((field, problem)) if is_name(field) => misfit("query", field, problem),
                _ => misfit("query", "", told),
            }
        })?;
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
            let path = error.path().to_string();
            match error.inner() {
                inner if inner.is_data() => misfit("body", path.trim_matches('.'), &inner.to_string()),
                inner => no_json(&path, inner),
            }
        })?;
        reader.end().map_err(|error| no_json(".", &error))?;
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

/// A value that is not what the field takes, in words for whoever never saw the reader.
fn misfit(whole: &str, path: &str, problem: &str) -> ApiError {
    // Where in a text it stands helps nobody who sent fields.
    let problem = problem.split(" at line ").next().unwrap_or(problem);
    // Nor does what the host calls it.
    let problem = match problem.split_once(", expected struct ") {
        Some((found, _)) if found.starts_with("invalid length ") => {
            "invalid type: an array, expected an object".to_owned()
        }
        Some((found, _)) => format!("{found}, expected an object"),
        None => problem.to_owned(),
    };
    let within = |name: &str| match path {
        "" => name.to_owned(),
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{path}.{name}"),
    };
    let named = |rest: &str| rest.split('`').next().unwrap_or_default().to_owned();
    let (field, message) = if let Some(rest) = problem.strip_prefix("missing field `") {
        (within(&named(rest)), "is required".to_owned())
    } else if let Some(rest) = problem.strip_prefix("unknown field `") {
        let known = rest.split_once(", expected ").map_or_else(|| "nothing".to_owned(), |(_, known)| known.to_owned());
        (within(&named(rest)), format!("is unknown, expected {known}"))
    } else {
        let found = ["invalid type: ", "invalid value: "].iter().find_map(|kind| problem.strip_prefix(kind));
        let field = if path.is_empty() { whole } else { path };
        (field.to_owned(), found.map_or_else(|| problem.clone(), |found| format!("is {found}")))
    };
    ApiError::wrong_field(shortened(field), message)
}

/// A body that cannot be read, or not as deep as it is; here the place helps.
fn no_json(path: &str, error: &serde_json::Error) -> ApiError {
    let field = if path == "." { "body".to_owned() } else { shortened(path.to_owned()) };
    ApiError::wrong_field(field, format!("is not valid JSON: {error}"))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::envelope::WrongField;

    #[test]
    fn a_misfit_names_its_field_and_no_place_in_a_text() {
        let told = |path, problem| {
            let WrongField { field, message } = misfit("body", path, problem).fields.remove(0);
            format!("{field} {message}")
        };
        assert_eq!(told("", "missing field `role` at line 1 column 2"), "role is required");
        assert_eq!(told("grants[0]", "missing field `kind` at line 1 column 40"), "grants[0].kind is required");
        assert_eq!(
            told("x", "unknown field `x`, expected `a` or `b` at line 1 column 9"),
            "x is unknown, expected `a` or `b`"
        );
        assert_eq!(
            told("percent", "invalid value: integer `300`, expected u8 at line 1 column 3"),
            "percent is integer `300`, expected u8"
        );
        assert_eq!(told("", "invalid type: null, expected struct NewKey"), "body is null, expected an object");
        assert_eq!(
            told("", "invalid length 1, expected struct NewKey with 4 elements"),
            "body is an array, expected an object"
        );
    }
}
