mod bounds;
mod decoding;
mod encoding;
mod properties;
mod query;
mod source;

use serde_json::Value;
use wasmtime::component::Val;

use super::{FieldError, Out};
use crate::runtime::shape::{Field, Shape};

fn unbounded() -> Out {
    Out::new(b"", usize::MAX)
}

fn decode(shape: &Shape, json: &Value) -> Result<Val, Vec<FieldError>> {
    super::decode(shape, json, usize::MAX)
}

fn decode_members(fields: &[Field], json: &Value) -> Result<Vec<(String, Val)>, Vec<FieldError>> {
    super::decode_members(fields, json, usize::MAX)
}

fn encoded(shape: &Shape, value: &Val) -> String {
    let mut out = unbounded();
    super::encode(shape, value, &mut out).unwrap();
    String::from_utf8(out.into_bytes()).unwrap()
}

fn decoded(shape: &Shape, json: &str) -> Val {
    decode(shape, &serde_json::from_str(json).unwrap()).unwrap()
}

/// Each as `field: message`.
fn errors(shape: &Shape, json: &str) -> Vec<String> {
    texts(decode(shape, &serde_json::from_str(json).unwrap()).unwrap_err())
}

fn texts(errors: Vec<super::FieldError>) -> Vec<String> {
    errors.into_iter().map(|error| format!("{}: {}", error.field, error.message)).collect()
}

fn decimal() -> Shape {
    Shape::record([("coefficient", Shape::S64), ("scale", Shape::U8)])
}

fn timestamp() -> Shape {
    Shape::record([("seconds", Shape::U64), ("nanoseconds", Shape::U32)])
}

fn text(text: &str) -> Val {
    Val::String(text.into())
}

fn some(value: Val) -> Val {
    Val::Option(Some(Box::new(value)))
}

fn record<const N: usize>(fields: [(&str, Val); N]) -> Val {
    Val::Record(fields.map(|(name, value)| (name.to_string(), value)).into())
}

fn variant(case: &str, payload: Option<Val>) -> Val {
    Val::Variant(case.into(), payload.map(Box::new))
}
