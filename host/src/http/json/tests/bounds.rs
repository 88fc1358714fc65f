//! What a value may take in memory, and its text.

use serde_json::json;
use wasmtime::component::Val;

use super::{record, text, texts};
use crate::http::json::{Out, decode, encode};
use crate::runtime::shape::Shape;

const LIMIT: usize = 64 << 10;

fn refused(shape: &Shape, json: serde_json::Value) -> Vec<String> {
    texts(decode(shape, &json, LIMIT).unwrap_err())
}

#[test]
fn values_that_take_too_much_are_refused_by_name_and_once() {
    let says = |field: &str| {
        format!("{field}: is too much: the values of a request may take 65536 bytes (limits.hostcall_bytes)")
    };
    assert_eq!(refused(&Shape::list(Shape::U8), json!("AAAA".repeat(10_000))), [says("body")]);
    assert_eq!(refused(&Shape::list(Shape::U32), json!(vec![0; 10_000])), [says("body")]);
    assert_eq!(refused(&Shape::String, json!("x".repeat(LIMIT + 1))), [says("body")]);
    let nested = Shape::list(Shape::record([("text", Shape::String)]));
    assert_eq!(refused(&nested, json!([{ "text": "x" }, { "text": "x".repeat(LIMIT) }])), [says("[1].text")]);
    let options = Shape::list(Shape::option(Shape::list(Shape::Bool)));
    let many = json!(vec![vec![true]; 600]);
    assert_eq!(refused(&options, many).len(), 1);
    assert!(decode(&Shape::list(Shape::U32), &json!(vec![0; 1_000]), LIMIT).is_ok());
}

fn written(shape: &Shape, value: &Val, limit: usize) -> Result<usize, String> {
    let mut out = Out::new(b"", limit);
    let encoded = encode(shape, value, &mut out).map(|()| out.len()).map_err(|error| error.to_string());
    assert!(out.capacity() <= 2 * limit, "{} bytes were taken", out.capacity());
    encoded
}

#[test]
fn an_answer_ends_at_its_limit_before_it_is_written() {
    let says = "the answer is longer than the 65536 bytes allowed (limits.answer_bytes)";
    // Each of these becomes six bytes.
    let controls = text(&"\u{1}".repeat(LIMIT / 2));
    assert_eq!(written(&Shape::String, &controls, LIMIT).unwrap_err(), format!("at the root: {says}"));
    let list = Val::List((0..LIMIT).map(|_| Val::Bool(true)).collect());
    assert!(written(&Shape::list(Shape::Bool), &list, LIMIT).unwrap_err().ends_with(says));
    let bytes = Val::List((0..LIMIT + 1).map(|_| Val::U8(0)).collect());
    assert!(written(&Shape::list(Shape::U8), &bytes, LIMIT).unwrap_err().ends_with(says));
    let shape = Shape::record([("text", Shape::String)]);
    assert_eq!(written(&shape, &record([("text", text(&"x".repeat(LIMIT - 100)))]), LIMIT), Ok(LIMIT - 100 + 11));
}
