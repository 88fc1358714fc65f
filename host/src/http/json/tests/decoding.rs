use serde_json::json;
use wasmtime::component::Val;

use super::{decimal, decode, decode_members, decoded, errors, record, some, text, texts, timestamp, variant};
use crate::http::json::ERRORS_MAX;
use crate::runtime::shape::{FunctionShape, Shape};

fn new_deal() -> Shape {
    Shape::record([
        ("title", Shape::String),
        ("value", decimal()),
        ("stage", Shape::option(Shape::enumeration(["lead", "closed-won"]))),
        ("probability", Shape::option(Shape::U8)),
        ("contact-id", Shape::option(Shape::String)),
    ])
}

#[test]
fn an_object_is_a_record() {
    let expected = record([
        ("title", text("Engine")),
        ("value", record([("coefficient", Val::S64(12345)), ("scale", Val::U8(2))])),
        ("stage", some(Val::Enum("closed-won".into()))),
        ("probability", Val::Option(None)),
        ("contact-id", Val::Option(None)),
    ]);
    let json = r#"{"value": 123.450, "title": "Engine", "stage": "closed_won", "probability": null}"#;
    assert_eq!(decoded(&new_deal(), json), expected);
    assert_eq!(decoded(&new_deal(), &json.replace("123.450", "\"123.45\"")), expected);
}

#[test]
fn every_wrong_field_is_told() {
    let json = r#"{"value": "much", "stage": "closed-won", "probability": 300, "contactId": 5, "colour": "red"}"#;
    assert_eq!(
        errors(&new_deal(), json),
        [
            "title: is required",
            "value: expected a number, found string \"much\"",
            "stage: expected one of lead | closed_won, found string \"closed-won\"",
            "probability: expected an integer from 0 to 255, found number 300",
            "contactId: expected a string, found number 5",
            "colour: is not a field of this request; known are title, value, stage, probability, contactId",
        ]
    );
    assert_eq!(errors(&new_deal(), "[]"), ["body: expected an object, found an array"]);
}

#[test]
fn paths_lead_to_the_place() {
    let address = Shape::record([("zip", Shape::String)]);
    let shape = Shape::record([
        ("tags", Shape::list(Shape::String)),
        ("address", address),
        ("points", Shape::list(Shape::tuple([Shape::U8, Shape::U8]))),
        ("by-stage", Shape::list(Shape::tuple([Shape::String, Shape::U8]))),
    ]);
    let json = r#"{"tags": ["a", "b", 3], "address": {"zip": 5, "zap": 1}, "points": [[1, 2], [1, true], [1]],
        "byStage": {"lead": 1, "won": -1}}"#;
    assert_eq!(
        errors(&shape, json),
        [
            "tags[2]: expected a string, found number 3",
            "address.zip: expected a string, found number 5",
            "address.zap: is not a field of this request; known are zip",
            "points[1][1]: expected an integer from 0 to 255, found true",
            "points[2]: expected an array of 2, found an array of 1",
            "byStage.won: expected an integer from 0 to 255, found number -1",
        ]
    );
    let list = Shape::list(Shape::record([("id", Shape::String)]));
    assert_eq!(errors(&list, r#"[{"id": null}]"#), ["[0].id: expected a string, found null"]);
}

#[test]
fn long_input_is_neither_repeated_nor_counted_on() {
    let long = format!("\"{}\"", "é".repeat(1000));
    let expected = format!("body: expected true or false, found string \"{}…\"", "é".repeat(40));
    assert_eq!(errors(&Shape::Bool, &long), [expected]);
    let many = json!(vec![1; 5 * ERRORS_MAX]);
    assert_eq!(decode(&Shape::list(Shape::String), &many).unwrap_err().len(), ERRORS_MAX);
}

#[test]
fn numbers_are_read_exactly_or_not_at_all() {
    assert_eq!(decoded(&Shape::U64, "18446744073709551615"), Val::U64(u64::MAX));
    assert_eq!(decoded(&Shape::U64, "\"18446744073709551615\""), Val::U64(u64::MAX));
    assert_eq!(decoded(&Shape::S32, "1e3"), Val::S32(1000));
    assert_eq!(decoded(&Shape::Float64, "\"-Infinity\""), Val::Float64(f64::NEG_INFINITY));
    assert_eq!(errors(&Shape::U32, "\"5\""), ["body: expected an integer from 0 to 4294967295, found string \"5\""]);
    assert_eq!(errors(&Shape::S8, "1.5"), ["body: expected an integer from -128 to 127, found number 1.5"]);
    assert_eq!(errors(&Shape::Float64, "1e+999"), ["body: expected a number, found number 1e+999"]);
    assert_eq!(
        errors(&decimal(), "0.1234567890123456789"),
        ["body: expected a number with at most 18 decimal places, found number 0.1234567890123456789"]
    );
    assert_eq!(errors(&decimal(), "1e+19"), ["body: expected a number with at most 18 digits, found number 1e+19"]);
}

#[test]
fn times_and_bytes_are_text() {
    let time = record([("seconds", Val::U64(1_700_000_000)), ("nanoseconds", Val::U32(250_000_000))]);
    assert_eq!(decoded(&timestamp(), "\"2023-11-14T23:13:20.25+01:00\""), time);
    assert_eq!(
        errors(&timestamp(), "\"yesterday\""),
        ["body: expected a time like 2026-03-01T12:00:00Z, found string \"yesterday\""]
    );
    let bytes = Shape::list(Shape::U8);
    assert_eq!(decoded(&bytes, "\"AP8=\""), Val::List(vec![Val::U8(0), Val::U8(255)]));
    assert_eq!(errors(&bytes, "\"A\""), ["body: expected base64 text, found string \"A\""]);
}

#[test]
fn variants_options_and_results_say_what_they_want() {
    let shape = Shape::variant([("not-found", Some(Shape::String)), ("busy", None)]);
    assert_eq!(decoded(&shape, r#"{"value": "x", "type": "not_found"}"#), variant("not-found", Some(text("x"))));
    assert_eq!(decoded(&shape, r#"{"type": "busy"}"#), variant("busy", None));
    assert_eq!(errors(&shape, r#"{"type": "not_found"}"#), ["value: is required"]);
    assert_eq!(
        errors(&shape, r#"{"type": "late"}"#),
        ["type: expected one of not_found | busy, found string \"late\""]
    );
    assert_eq!(
        errors(&shape, r#"{"type": "busy", "value": 1}"#),
        ["value: expected nothing beside type busy, found number 1"]
    );
    let nested = Shape::option(Shape::option(Shape::U8));
    assert_eq!(decoded(&nested, r#"{"some": null}"#), some(Val::Option(None)));
    assert_eq!(errors(&nested, "5"), ["body: expected null or an object with some, found number 5"]);
    assert_eq!(errors(&nested, "{}"), ["some: is required"]);
    let result = Shape::result(None, Some(Shape::U8));
    assert_eq!(decoded(&result, r#"{"ok": null}"#), Val::Result(Ok(None)));
    assert_eq!(errors(&result, "{}"), ["body: expected either ok or error"]);
    let flags = Shape::flags(["can-read", "can-write"]);
    assert_eq!(
        decoded(&flags, r#"["can_write", "can_read", "can_write"]"#),
        Val::Flags(vec!["can-read".into(), "can-write".into()])
    );
    assert_eq!(errors(&flags, r#"["fly"]"#), ["[0]: expected one of can_read | can_write, found string \"fly\""]);
}

#[test]
fn the_type_is_read_before_what_it_tells() {
    let types = Shape::enumeration(["summary", "none"]);
    let data = Shape::variant([("summary", Some(Shape::record([("total", Shape::U8)]))), ("none", None)]);
    let shape = Shape::record([("data", data), ("type", types)]);
    let summary = record([
        ("data", variant("summary", Some(record([("total", Val::U8(1))])))),
        ("type", Val::Enum("summary".into())),
    ]);
    assert_eq!(decoded(&shape, r#"{"data": {"total": 1}, "type": "summary"}"#), summary);
    assert_eq!(errors(&shape, r#"{"data": {"total": "1"}, "type": "summary"}"#).len(), 1);
    assert_eq!(errors(&shape, r#"{"type": "summary"}"#), ["data: is required"]);
    assert_eq!(errors(&shape, r#"{"data": {}}"#), ["type: is required"]);
    assert_eq!(
        errors(&shape, r#"{"data": {}, "type": "none"}"#),
        ["data: expected nothing beside type none, found an object"]
    );
}

#[test]
fn the_members_of_one_object_can_be_parameters() {
    let function = FunctionShape::new([("deal-id", Shape::String), ("note", Shape::option(Shape::String))], None);
    let values = decode_members(&function.params, &json!({"dealId": "d1"})).unwrap();
    assert_eq!(values, [("deal-id".into(), text("d1")), ("note".into(), Val::Option(None))]);
    let wrong = decode_members(&function.params, &json!("d1")).unwrap_err();
    assert_eq!(texts(wrong), ["body: expected an object, found string \"d1\""]);
}
