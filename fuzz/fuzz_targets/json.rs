#![no_main]
//! JSON and the values of plugins: what a value is written as reads back as that value, and text that is no value is
//! refused with the fields that are wrong.
//!
//! An input is a line with a type (see `text.rs`) and behind it the JSON of a request. Where no type stands, only its
//! bytes count.

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tenon::http::json::{self, ERRORS_MAX, FieldError, Out, decode_query, decode_text};
use tenon::runtime::shape::Shape;
use tenon_fuzz::measure;
use tenon_fuzz::{text, value};
use wasmtime::component::Val;

/// How long the name of a wrong field may be, and what is said of it.
const FIELD_BYTES_MAX: usize = 64 * 200;
const MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// What the values of one request may take, as little as a few inputs reach.
const LIMIT_BYTES: usize = 64 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, body) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let Some(shape) = std::str::from_utf8(line).ok().and_then(text::shape) else { return };
    comes_back(&shape, body);
    body_is_read(&shape, body);
    query_is_read(&shape, body);
});

fn decode(shape: &Shape, json: &Value) -> Result<Val, Vec<FieldError>> {
    json::decode(shape, json, LIMIT_BYTES)
}

fn encode(shape: &Shape, value: &Val) -> Option<Vec<u8>> {
    let mut out = Out::new(b"", usize::MAX);
    json::encode(shape, value, &mut out).ok().map(|()| out.into_bytes())
}

/// Value, text, value.
fn comes_back(shape: &Shape, seed: &[u8]) {
    let Ok(value) = value::value(shape, &mut Unstructured::new(seed)) else { return };
    let text = encode(shape, &value).unwrap_or_else(|| panic!("{value:?} of {shape} has no JSON"));
    assert!(text.len() <= 64 + 16 * measure::bytes(&value), "{} bytes for {value:?}", text.len());
    let json = tenon::json::read(&text).expect("what was written is JSON");
    assert_eq!(json::decode(shape, &json, usize::MAX).as_ref(), Ok(&value), "{json}");
}

fn body_is_read(shape: &Shape, body: &[u8]) {
    let Ok(json) = tenon::json::read(body) else { return };
    match decode(shape, &json) {
        Ok(value) => {
            // A name in it may be longer than the decoder reckons with.
            assert!(measure::bytes(&value) <= 2 * LIMIT_BYTES, "{} bytes", measure::bytes(&value));
            // Times and decimals may have been written in another way, and the value is the same all the same.
            let text = encode(shape, &value).unwrap_or_else(|| panic!("{value:?} was read and cannot be written"));
            let again = tenon::json::read(&text).expect("what was written is JSON");
            assert_eq!(decode(shape, &again), Ok(value));
        }
        Err(errors) => are_told(errors),
    }
    // A plugin that gives a value of another type than it promised is refused, or what is written is JSON all the same.
    for other in [Shape::String, Shape::list(Shape::U64), Shape::option(Shape::Bool)] {
        if let Ok(value) = decode(&other, &json)
            && let Some(text) = encode(shape, &value)
        {
            assert!(tenon::json::read(&text).is_ok());
        }
    }
}

fn query_is_read(shape: &Shape, body: &[u8]) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    let pairs: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    if let Err(errors) = decode_query(shape, &pairs) {
        are_told(errors);
    }
    match decode_text(shape, "id", text) {
        Ok(value) => assert!(shape.is_text() && encode(shape, &value).is_some(), "{value:?}"),
        Err(error) => are_told(vec![error]),
    }
    assert_eq!(decode_text(&Shape::String, "id", text), Ok(Val::String(text.into())));
}

fn are_told(errors: Vec<FieldError>) {
    assert!((1..=ERRORS_MAX).contains(&errors.len()), "{} errors", errors.len());
    for FieldError { field, message } in errors {
        assert!(field.len() <= FIELD_BYTES_MAX && message.len() <= MESSAGE_BYTES_MAX, "{field}: {message}");
        assert!(!message.is_empty());
        assert!(!field.is_empty(), "no field is named: {message}");
    }
}
