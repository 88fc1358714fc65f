//! A function's arguments, from the path, the query and the body of a request.

use std::borrow::Cow;

use http::StatusCode;
use wasmtime::component::Val;

use crate::config::Config;
use crate::http::envelope::{ApiError, WrongField};
use crate::http::json::{FieldError, decode, decode_members, decode_query, decode_query_members, decode_text, weight};
use crate::registry::endpoint::{Call, Input, Place};

/// Reads every parameter of the function, in order.
///
/// # Errors
///
/// 400 for a body that is not JSON and a query that is not text, 413 for a body with too many parts, 422 with every
/// field that does not fit.
pub fn from_request(
    config: &Config,
    call: &Call,
    path: &[(&str, Cow<'_, str>)],
    query: Option<&str>,
    body: &[u8],
) -> Result<Vec<Val>, ApiError> {
    let mut rest: Vec<Option<Val>> = rest(config, call, query, body)?.into_iter().map(Some).collect();
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

fn rest(config: &Config, call: &Call, query: Option<&str>, body: &[u8]) -> Result<Vec<Val>, ApiError> {
    let reads_query = matches!(call.input, Input::QueryRecord | Input::QueryMembers);
    if !reads_query {
        // Refused as an unknown key of a query is: what is not read should not look as if it were.
        decode_query_members(&[], &pairs(query)?).map_err(refuse)?;
    }
    let (json, limit) = (|| json(body, config.http.body_memory_bytes), config.limits.hostcall_bytes);
    let unnamed = |members: Vec<(String, Val)>| members.into_iter().map(|(_, value)| value).collect();
    match (call.input, call.rest.as_slice()) {
        (Input::QueryRecord, [field]) => decode_query(&field.shape, &pairs(query)?).map(|value| vec![value]),
        (Input::Body, [field]) => decode(&field.shape, &json()?, limit).map(|value| vec![value]),
        (Input::QueryRecord | Input::QueryMembers, fields) => decode_query_members(fields, &pairs(query)?).map(unnamed),
        // A function without parameters takes any body, also none.
        (Input::Body | Input::BodyMembers, []) => return Ok(Vec::new()),
        (Input::Body | Input::BodyMembers, fields) => decode_members(fields, &json()?, limit).map(unnamed),
    }
    .map_err(refuse)
}

/// The keys and texts of a query. `form_urlencoded` puts U+FFFD for bytes that are no text; a value that is not the
/// one that was sent is refused instead, as it is in a path.
pub(in crate::http) fn pairs(query: Option<&str>) -> Result<Vec<(String, String)>, ApiError> {
    let query = query.unwrap_or_default();
    // Keys and texts are cut at ASCII characters, so together they are UTF-8 when each of them is.
    if percent_encoding::percent_decode_str(query).decode_utf8().is_err() {
        let message = "the query is not UTF-8 text once its percent signs are decoded";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_query", message));
    }
    Ok(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}

fn json(body: &[u8], limit_bytes: usize) -> Result<serde_json::Value, ApiError> {
    // No body reads as an object without members, so that an endpoint whose fields are all optional takes it.
    if body.is_empty() {
        return Ok(serde_json::Value::Object(serde_json::Map::new()));
    }
    let weight = weight(body);
    if weight > limit_bytes {
        let message = format!(
            "the body has too many parts: reading it would take about {weight} bytes of memory, and {limit_bytes} are \
             allowed (http.body_memory_bytes)"
        );
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message));
    }
    crate::json::read(body).map_err(|error| {
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
    ApiError::wrong_field(name, "is required")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_is_no_text_is_refused_and_not_mended() {
        let read = |query| pairs(Some(query)).map_err(|error| error.code);
        let pair = |key: &str, text: &str| (key.to_string(), text.to_string());
        assert_eq!(read("q=M%C3%BCller+%26+co&empty"), Ok(vec![pair("q", "Müller & co"), pair("empty", "")]));
        assert_eq!(read("q=100%&r=%EF%BF%BD"), Ok(vec![pair("q", "100%"), pair("r", "\u{fffd}")]));
        for bad in ["q=%ff", "%ff=1", "q=%C3&r=%BC", "q=%C3%28", "q=%ed%a0%80"] {
            assert_eq!(read(bad), Err("bad_query".into()), "{bad}");
        }
    }
}
