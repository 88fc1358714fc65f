//! A function's arguments, from the path, the query and the body of a request.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use wasmtime::component::Val;

use crate::http::envelope::{ApiError, WrongField};
use crate::http::json::{FieldError, decode, decode_members, decode_query, decode_query_members, decode_text};
use crate::registry::endpoint::{Call, Input, Place};

/// Reads every parameter of the function, in order.
///
/// # Errors
///
/// 400 for a body that is not JSON, 422 with every field that does not fit.
pub fn from_request(
    call: &Call,
    path: &[(&str, Cow<'_, str>)],
    query: Option<&str>,
    body: Bytes,
) -> Result<Vec<Val>, ApiError> {
    let mut rest: Vec<Option<Val>> = rest(call, query, body)?.into_iter().map(Some).collect();
    let params = call.function.shape.params.iter().zip(&call.places);
    params
        .map(|(field, place)| match place {
            Place::Rest(index) => rest.get_mut(*index).and_then(Option::take).ok_or_else(|| missing(&field.json)),
            Place::Path => {
                let text = path.iter().find(|(name, _)| *name == &*field.json).map(|(_, text)| text);
                let text = text.ok_or_else(|| missing(&field.json))?;
                decode_text(&field.shape, &field.json, text).map_err(|error| refuse(vec![error]))
            }
        })
        .collect()
}

fn rest(call: &Call, query: Option<&str>, body: Bytes) -> Result<Vec<Val>, ApiError> {
    let reads_query = matches!(call.input, Input::QueryRecord | Input::QueryMembers);
    if !reads_query {
        // Refused as an unknown key of a query is: what is not read should not look as if it were.
        decode_query_members(&[], &pairs(query)).map_err(refuse)?;
    }
    let unnamed = |members: Vec<(String, Val)>| members.into_iter().map(|(_, value)| value).collect();
    match (call.input, call.rest.as_slice()) {
        (Input::QueryRecord, [field]) => decode_query(&field.shape, &pairs(query)).map(|value| vec![value]),
        (Input::Body, [field]) => decode(&field.shape, &json(&body)?).map(|value| vec![value]),
        (Input::QueryRecord | Input::QueryMembers, fields) => decode_query_members(fields, &pairs(query)).map(unnamed),
        // A function without parameters takes any body, also none.
        (Input::Body | Input::BodyMembers, []) => return Ok(Vec::new()),
        (Input::Body | Input::BodyMembers, fields) => decode_members(fields, &json(&body)?).map(unnamed),
    }
    .map_err(refuse)
}

fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

fn json(body: &[u8]) -> Result<serde_json::Value, ApiError> {
    // No body reads as an object without members, so that an endpoint whose fields are all optional takes it.
    if body.is_empty() {
        return Ok(serde_json::Value::Object(serde_json::Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body is not valid JSON: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, "bad_json", message)
    })
}

fn refuse(errors: Vec<FieldError>) -> ApiError {
    ApiError::invalid(
        errors.into_iter().map(|error| WrongField { field: error.field, message: error.message }).collect(),
    )
}

fn missing(name: &str) -> ApiError {
    ApiError::invalid(vec![WrongField { field: name.to_string(), message: "is required".to_string() }])
}
