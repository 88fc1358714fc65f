use wasmtime::component::Val;

use super::{decimal, decoded, encoded, record, some, text, timestamp, unbounded, variant};
use crate::http::json::encode;
use crate::runtime::shape::Shape;

fn refused(shape: &Shape, value: &Val) -> String {
    let mut out = unbounded();
    encode(shape, value, &mut out).unwrap_err().to_string()
}

fn decimal_of(coefficient: i64, scale: u8) -> Val {
    record([("coefficient", Val::S64(coefficient)), ("scale", Val::U8(scale))])
}

fn time_of(seconds: u64, nanoseconds: u32) -> Val {
    record([("seconds", Val::U64(seconds)), ("nanoseconds", Val::U32(nanoseconds))])
}

#[test]
fn a_record_is_an_object_without_absent_options() {
    let shape = Shape::record([
        ("first-name", Shape::String),
        ("phone", Shape::option(Shape::String)),
        ("tags", Shape::list(Shape::String)),
        ("value", decimal()),
        ("created-at", timestamp()),
    ]);
    let value = |phone| {
        record([
            ("first-name", text("Ada \"Countess\"")),
            ("phone", Val::Option(phone)),
            ("tags", Val::List(vec![text("vip"), text("math")])),
            ("value", decimal_of(6_250_050, 2)),
            ("created-at", time_of(1_700_000_000, 0)),
        ])
    };
    assert_eq!(
        encoded(&shape, &value(None)),
        r#"{"firstName":"Ada \"Countess\"","tags":["vip","math"],"value":62500.5,"createdAt":"2023-11-14T22:13:20Z"}"#
    );
    let with_phone = encoded(&shape, &value(Some(Box::new(text("+44")))));
    assert!(with_phone.contains(r#","phone":"+44","tags""#), "{with_phone}");
}

#[test]
fn an_object_may_begin_with_an_absent_member() {
    let shape = Shape::record([("a", Shape::option(Shape::U8)), ("b", Shape::option(Shape::U8)), ("c", Shape::U8)]);
    let value = record([("a", Val::Option(None)), ("b", Val::Option(None)), ("c", Val::U8(1))]);
    assert_eq!(encoded(&shape, &value), r#"{"c":1}"#);
}

#[test]
fn options_tell_absence_at_every_level() {
    let nested = Shape::option(Shape::option(Shape::U8));
    assert_eq!(encoded(&nested, &Val::Option(None)), "null");
    assert_eq!(encoded(&nested, &some(Val::Option(None))), r#"{"some":null}"#);
    assert_eq!(encoded(&nested, &some(some(Val::U8(5)))), r#"{"some":5}"#);
    let list = Shape::list(Shape::option(Shape::Bool));
    assert_eq!(encoded(&list, &Val::List(vec![Val::Option(None), some(Val::Bool(true))])), "[null,true]");
    let member = Shape::record([("a", nested)]);
    assert_eq!(encoded(&member, &record([("a", some(Val::Option(None)))])), r#"{"a":{"some":null}}"#);
}

#[test]
fn pairs_are_an_object_in_their_order() {
    let stages = Shape::enumeration(["lead", "closed-won"]);
    let shape = Shape::list(Shape::tuple([stages, Shape::U64]));
    let pair = |case: &str, count| Val::Tuple(vec![Val::Enum(case.into()), Val::U64(count)]);
    assert_eq!(
        encoded(&shape, &Val::List(vec![pair("closed-won", 2), pair("lead", 1)])),
        r#"{"closed_won":2,"lead":1}"#
    );
    assert_eq!(encoded(&shape, &Val::List(vec![])), "{}");
}

#[test]
fn pairs_with_a_key_twice_are_an_array() {
    let shape = Shape::list(Shape::tuple([Shape::String, Shape::U8]));
    let pair = |key: &str, value| Val::Tuple(vec![text(key), Val::U8(value)]);
    let value = Val::List(vec![pair("a", 1), pair("a", 2)]);
    assert_eq!(encoded(&shape, &value), r#"[["a",1],["a",2]]"#);
    assert_eq!(decoded(&shape, r#"[["a",1],["a",2]]"#), value);
}

#[test]
fn variants_results_flags_and_bytes() {
    let shape = Shape::variant([("not-found", Some(Shape::String)), ("busy", None)]);
    assert_eq!(encoded(&shape, &variant("not-found", Some(text("x")))), r#"{"type":"not_found","value":"x"}"#);
    assert_eq!(encoded(&shape, &variant("busy", None)), r#"{"type":"busy"}"#);
    let result = Shape::result(Some(Shape::U8), None);
    assert_eq!(encoded(&result, &Val::Result(Ok(Some(Box::new(Val::U8(1)))))), r#"{"ok":1}"#);
    assert_eq!(encoded(&result, &Val::Result(Err(None))), r#"{"error":null}"#);
    let flags = Shape::flags(["can-read", "can-write"]);
    assert_eq!(encoded(&flags, &Val::Flags(vec!["can-write".into()])), r#"["can_write"]"#);
    let bytes = Shape::list(Shape::U8);
    let hello: Vec<Val> = b"hello".iter().map(|byte| Val::U8(*byte)).collect();
    assert_eq!(encoded(&bytes, &Val::List(hello)), r#""aGVsbG8=""#);
    assert_eq!(encoded(&bytes, &Val::List(vec![])), r#""""#);
}

fn report(data: Shape) -> Shape {
    let types = Shape::enumeration(["contacts-summary", "sales-forecast"]);
    Shape::record([("type", types), ("data", data)])
}

fn report_data() -> Shape {
    let summary = Shape::record([("total-contacts", Shape::U64)]);
    let forecast = Shape::record([("open-deals", Shape::U64)]);
    Shape::variant([("contacts-summary", Some(summary)), ("sales-forecast", Some(forecast))])
}

#[test]
fn a_variant_beside_its_type_is_its_payload() {
    let shape = report(Shape::option(report_data()));
    let data = variant("contacts-summary", Some(record([("total-contacts", Val::U64(3))])));
    let value = record([("type", Val::Enum("contacts-summary".into())), ("data", some(data))]);
    let json = r#"{"type":"contacts_summary","data":{"totalContacts":3}}"#;
    assert_eq!(encoded(&shape, &value), json);
    assert_eq!(decoded(&shape, json), value);
    let without = record([("type", Val::Enum("sales-forecast".into())), ("data", Val::Option(None))]);
    assert_eq!(encoded(&shape, &without), r#"{"type":"sales_forecast"}"#);
}

#[test]
fn a_variant_that_its_type_contradicts_is_refused() {
    let shape = Shape::list(report(report_data()));
    let data = variant("contacts-summary", Some(record([("total-contacts", Val::U64(3))])));
    let value = Val::List(vec![record([("type", Val::Enum("sales-forecast".into())), ("data", data)])]);
    assert_eq!(
        refused(&shape, &value),
        "at [0].data: the case is \"contacts-summary\", and the field `type` beside it says \"sales-forecast\""
    );
}

#[test]
fn a_case_that_would_look_absent_is_written_in_full() {
    let cases = Shape::variant([("contacts-summary", None), ("sales-forecast", Some(Shape::U8))]);
    let optional = report(Shape::option(cases.clone()));
    let value =
        record([("type", Val::Enum("contacts-summary".into())), ("data", some(variant("contacts-summary", None)))]);
    let json = r#"{"type":"contacts_summary","data":{"type":"contacts_summary"}}"#;
    assert_eq!(encoded(&optional, &value), json);
    let bare = record([("type", Val::Enum("contacts-summary".into())), ("data", variant("contacts-summary", None))]);
    assert_eq!(encoded(&report(cases), &bare), r#"{"type":"contacts_summary"}"#);
}

#[test]
fn wide_integers_are_strings_where_numbers_are_not_exact() {
    assert_eq!(encoded(&Shape::U64, &Val::U64(u64::MAX)), r#""18446744073709551615""#);
    assert_eq!(encoded(&Shape::S64, &Val::S64(-42)), "-42");
}

#[test]
fn what_is_not_of_its_type_is_refused_with_its_place() {
    let shape =
        Shape::record([("items", Shape::list(Shape::record([("first-name", Shape::String), ("at", timestamp())])))]);
    let value = |name, at| record([("items", Val::List(vec![record([("first-name", name), ("at", at)])]))]);
    assert_eq!(
        refused(&shape, &value(Val::U8(5), time_of(0, 0))),
        "at items[0].firstName: a value of type string was promised, and a u8 came"
    );
    assert_eq!(
        refused(&shape, &value(text("Ada"), time_of(253_402_300_800, 0))),
        "at items[0].at: a time must lie in the years 1970 to 9999: it is 253402300800 seconds and 0 nanoseconds after 1970"
    );
    assert_eq!(
        refused(&Shape::enumeration(["a"]), &Val::Enum("b".into())),
        "at the root: the type has no case or field \"b\" at this place"
    );
}
