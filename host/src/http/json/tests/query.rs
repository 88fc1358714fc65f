use wasmtime::component::Val;

use super::{decimal, record, some, text, texts, timestamp};
use crate::http::json::{decode_query, decode_query_members, decode_text};
use crate::runtime::shape::{FunctionShape, Shape};

fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn deal_query() -> Shape {
    let stage = Shape::enumeration(["lead", "closed-won"]);
    Shape::record([
        ("take", Shape::option(Shape::U32)),
        ("contact-id", Shape::option(Shape::String)),
        ("stage", Shape::option(Shape::list(stage))),
        ("open", Shape::Bool),
    ])
}

#[test]
fn a_record_is_read_from_query_parameters() {
    let stages = Val::List(["lead", "closed-won", "lead"].map(|stage| Val::Enum(stage.into())).into());
    let expected = record([
        ("take", some(Val::U32(20))),
        ("contact-id", Val::Option(None)),
        ("stage", some(stages)),
        ("open", Val::Bool(true)),
    ]);
    let pairs = query(&[("stage", "lead,closed_won"), ("take", "20"), ("open", "true"), ("stage", "lead")]);
    assert_eq!(decode_query(&deal_query(), &pairs), Ok(expected));
}

#[test]
fn every_wrong_parameter_is_told() {
    let pairs =
        query(&[("take", "many"), ("contactId", "a"), ("contactId", "b"), ("stage", "lead,lost"), ("sort", "x")]);
    assert_eq!(
        texts(decode_query(&deal_query(), &pairs).unwrap_err()),
        [
            "take: expected an integer from 0 to 4294967295, found string \"many\"",
            "contactId: expected one value, found 2",
            "stage[1]: expected one of lead | closed_won, found string \"lost\"",
            "open: is required",
            "sort: is not a field of this request; known are take, contactId, stage, open",
        ]
    );
}

#[test]
fn parameters_of_a_function_are_read_alike() {
    let function = FunctionShape::new([("currency", Shape::option(Shape::String))], None);
    let values = decode_query_members(&function.params, &query(&[("currency", "EUR")])).unwrap();
    assert_eq!(values, [("currency".into(), some(text("EUR")))]);
    let none = FunctionShape::new(Vec::<(&str, Shape)>::new(), None);
    let wrong = decode_query_members(&none.params, &query(&[("currency", "EUR")])).unwrap_err();
    assert_eq!(texts(wrong), ["currency: is not a field of this request; it has none"]);
}

#[test]
fn lists_may_be_empty_and_flags_are_lists() {
    let shape = Shape::record([("tags", Shape::list(Shape::String)), ("rights", Shape::flags(["read", "write"]))]);
    let values = record([("tags", Val::List(vec![])), ("rights", Val::Flags(vec!["read".into(), "write".into()]))]);
    assert_eq!(decode_query(&shape, &query(&[("tags", ""), ("rights", "write,read")])), Ok(values));
    assert_eq!(texts(decode_query(&shape, &[]).unwrap_err()), ["tags: is required", "rights: is required"]);
}

#[test]
fn a_path_parameter_is_read_by_its_type() {
    let read = |shape: &Shape, text: &str| decode_text(shape, "id", text).map_err(|error| error.message);
    assert_eq!(read(&Shape::String, "42"), Ok(text("42")));
    assert_eq!(read(&Shape::option(Shape::S64), "-42"), Ok(some(Val::S64(-42))));
    assert_eq!(read(&Shape::Bool, "false"), Ok(Val::Bool(false)));
    assert_eq!(read(&Shape::Bool, "1"), Err("expected true or false, found string \"1\"".into()));
    assert_eq!(read(&Shape::Float64, "2.5"), Ok(Val::Float64(2.5)));
    assert_eq!(read(&decimal(), "57.50"), Ok(record([("coefficient", Val::S64(575)), ("scale", Val::U8(1))])));
    assert!(read(&timestamp(), "2026-03-01T12:00:00Z").is_ok());
    assert_eq!(read(&Shape::tuple([]), ""), Err("tuple<> cannot be given as text".into()));
    let error = decode_text(&Shape::U8, "count", "-1").unwrap_err();
    assert_eq!(texts(vec![error]), ["count: expected an integer from 0 to 255, found string \"-1\""]);
}

#[test]
fn what_is_no_record_is_no_query() {
    let message = "query: list<bool> cannot be given by query parameters; only a record can";
    assert_eq!(texts(decode_query(&Shape::list(Shape::Bool), &[]).unwrap_err()), [message]);
}
