//! A function's value as the JSON answer of its endpoint.

use axum::response::Response;
use http::StatusCode;
use serde_json::value::RawValue;
use wasmtime::component::Val;

use crate::http::envelope::{self, ApiError, WrongField};
use crate::http::json::{ERRORS_MAX, EncodeError, Out, encode};
use crate::runtime::Answered;
use crate::runtime::shape::{FunctionShape, RecordForm, ResultShape, Shape};

/// The most that is told of each message of a plugin's error.
const MESSAGE_BYTES: usize = 16 << 10;

/// Writes the envelope straight from the value: the result's `ok` as data, its error as an error.
///
/// # Errors
///
/// The error the plugin answered with, as its status and code; 502 when the value cannot be written.
pub fn from_value(
    function: &FunctionShape,
    answered: Answered,
    success: StatusCode,
    limit_bytes: usize,
) -> Result<Response, ApiError> {
    let (shape, value) = match (&function.result, answered.value()) {
        (Some(Shape::Result(result)), Some(Val::Result(Ok(value)))) => (result.ok.as_ref(), value.as_deref()),
        (Some(Shape::Result(result)), Some(Val::Result(Err(_)))) => {
            // An error is never kept, so this takes it and copies nothing.
            let Some(Val::Result(Err(error))) = answered.into_value() else { return Err(no_error()) };
            return Err(plugin_error(result, error.map(|error| *error), limit_bytes));
        }
        (shape, value) => (shape.as_ref(), value),
    };
    let mut body = Out::new(br#"{"success":true,"data":"#, limit_bytes);
    match (shape, value) {
        (Some(shape), Some(value)) => data(shape, value, &mut body)?,
        _ => body.extend_from_slice(b"null"),
    }
    body.push(b'}');
    Ok(envelope::json(success, body.into_bytes()))
}

/// A page becomes `data` and `total`; everything else is data.
fn data(shape: &Shape, value: &Val, body: &mut Out) -> Result<(), ApiError> {
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

fn unwritable(error: EncodeError) -> ApiError {
    if error.is_too_long() {
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_large", error.to_string());
    }
    ApiError::new(StatusCode::BAD_GATEWAY, "bad_answer", format!("the plugin's answer cannot be written: {error}"))
}

/// The plugin's own error: the case's name is the code and decides the status.
fn plugin_error(result: &ResultShape, error: Option<Val>, limit_bytes: usize) -> ApiError {
    let (case, payload) = match error {
        Some(Val::Variant(case, payload)) => (case, payload),
        Some(Val::Enum(case)) => (case, None),
        Some(Val::String(text)) => return ApiError::new(StatusCode::BAD_REQUEST, "error", told(text)),
        _ => return no_error(),
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
        return ApiError::new(status, code, told(message));
    }
    if let Some(fields) = wrong_fields(&payload) {
        return ApiError { status, code: code.into(), ..ApiError::invalid(fields) };
    }
    let details = payload_shape(result, &case).and_then(|shape| {
        let mut json = Out::new(b"", limit_bytes);
        encode(shape, &payload, &mut json).ok()?;
        RawValue::from_string(String::from_utf8(json.into_bytes()).ok()?).ok()
    });
    ApiError { details, ..ApiError::new(status, code.clone(), code.replace('_', " ")) }
}

/// An error that says nothing.
fn no_error() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "error", "the plugin answered with an error")
}

/// A plugin's message, as much of it as an error should have.
fn told(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
        message.push('…');
    }
    message
}

/// A list of records with exactly `field` and `message` is what forms can show beside their fields.
fn wrong_fields(payload: &Val) -> Option<Vec<WrongField>> {
    let Val::List(items) = payload else { return None };
    let items = items.iter().take(ERRORS_MAX).map(|item| {
        let Val::Record(members) = item else { return None };
        match members.as_slice() {
            [(a, Val::String(field)), (b, Val::String(message))] if a == "field" && b == "message" => {
                Some(WrongField { field: told(field.clone()), message: told(message.clone()) })
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
