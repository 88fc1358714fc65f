//! A function's value as the JSON answer of its endpoint.

use axum::response::Response;
use http::StatusCode;
use serde_json::value::RawValue;
use wasmtime::component::Val;

use crate::http::envelope::{self, ApiError, WrongField};
use crate::http::json::encode;
use crate::runtime::shape::{FunctionShape, RecordForm, ResultShape, Shape};

/// Writes the envelope straight from the value: the result's `ok` as data, its error as an error.
///
/// # Errors
///
/// The error the plugin answered with, as its status and code; 502 when the value cannot be written.
pub fn from_value(function: &FunctionShape, value: Option<Val>, success: StatusCode) -> Result<Response, ApiError> {
    let (shape, value) = match (&function.result, value) {
        (Some(Shape::Result(result)), Some(Val::Result(outcome))) => match outcome {
            Ok(value) => (result.ok.clone(), value.map(|value| *value)),
            Err(error) => return Err(plugin_error(result, error.map(|error| *error))),
        },
        (shape, value) => (shape.clone(), value),
    };
    let mut body = br#"{"success":true,"data":"#.to_vec();
    match (&shape, &value) {
        (Some(shape), Some(value)) => data(shape, value, &mut body)?,
        _ => body.extend_from_slice(b"null"),
    }
    body.push(b'}');
    Ok(envelope::json(success, body))
}

/// A page becomes `data` and `total`; everything else is data.
fn data(shape: &Shape, value: &Val, body: &mut Vec<u8>) -> Result<(), ApiError> {
    if let (Shape::Record(record), Val::Record(fields)) = (shape, value)
        && let RecordForm::Page { items, total } = record.form
        && let (Some((_, rows)), Some((_, count))) = (fields.get(items), fields.get(total))
    {
        encode(&record.fields[items].shape, rows, body).map_err(unwritable)?;
        body.extend_from_slice(br#","total":"#);
        return encode(&record.fields[total].shape, count, body).map_err(unwritable);
    }
    encode(shape, value, body).map_err(unwritable)
}

fn unwritable(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::BAD_GATEWAY, "bad_answer", format!("the plugin's answer cannot be written: {error}"))
}

/// The plugin's own error: the case's name is the code and decides the status.
fn plugin_error(result: &ResultShape, error: Option<Val>) -> ApiError {
    let (case, payload) = match error {
        Some(Val::Variant(case, payload)) => (case, payload),
        Some(Val::Enum(case)) => (case, None),
        Some(Val::String(text)) => return ApiError::new(StatusCode::BAD_REQUEST, "error", text),
        _ => return ApiError::new(StatusCode::BAD_REQUEST, "error", "the plugin answered with an error"),
    };
    let status = match case.as_str() {
        "not-found" => StatusCode::NOT_FOUND,
        "invalid" => StatusCode::UNPROCESSABLE_ENTITY,
        "conflict" => StatusCode::CONFLICT,
        "denied" => StatusCode::FORBIDDEN,
        "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let code = case.replace('-', "_");
    let Some(payload) = payload else {
        return ApiError::new(status, code.clone(), code.replace('_', " "));
    };
    if let Val::String(message) = *payload {
        return ApiError::new(status, code, message);
    }
    if let Some(fields) = wrong_fields(&payload) {
        return ApiError { status, code, ..ApiError::invalid(fields) };
    }
    let details = payload_shape(result, &case).and_then(|shape| {
        let mut bytes = Vec::new();
        encode(shape, &payload, &mut bytes).ok()?;
        RawValue::from_string(String::from_utf8(bytes).ok()?).ok()
    });
    ApiError { details, ..ApiError::new(status, code.clone(), code.replace('_', " ")) }
}

/// A list of records with exactly `field` and `message` is what forms can show beside their fields.
fn wrong_fields(payload: &Val) -> Option<Vec<WrongField>> {
    let Val::List(items) = payload else { return None };
    let items = items.iter().map(|item| {
        let Val::Record(members) = item else { return None };
        match members.as_slice() {
            [(a, Val::String(field)), (b, Val::String(message))] if a == "field" && b == "message" => {
                Some(WrongField { field: field.clone(), message: message.clone() })
            }
            _ => None,
        }
    });
    items.collect()
}

fn payload_shape<'a>(result: &'a ResultShape, case: &str) -> Option<&'a Shape> {
    let Some(Shape::Variant(variant)) = &result.error else { return None };
    variant.cases.iter().find(|known| *known.name.wit == *case)?.payload.as_ref()
}
