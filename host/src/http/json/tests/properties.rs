use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use wasmtime::component::Val;

use super::source::Source;
use super::{decode, unbounded};
use crate::http::json::{ERRORS_MAX, Out, decode_query, decode_text, encode};
use crate::runtime::shape::{DEPTH_MAX, Shape};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..1500)
}

fn parsed(shape: &Shape, value: &Val) -> Value {
    let mut out = unbounded();
    encode(shape, value, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_comes_back_from_json_as_it_was(bytes in bytes()) {
        let mut source = Source(&bytes);
        let shape = source.shape(4);
        let value = source.value(&shape);
        prop_assert_eq!(decode(&shape, &parsed(&shape, &value)), Ok(value));
    }

    #[test]
    fn what_is_decoded_is_encoded_and_what_is_not_is_told(bytes in bytes()) {
        let mut source = Source(&bytes);
        let shape = source.shape(4);
        let mut json = parsed(&shape, &source.value(&shape));
        source.spoil(&mut json);
        match decode(&shape, &json) {
            Ok(value) => prop_assert_eq!(decode(&shape, &parsed(&shape, &value)), Ok(value)),
            Err(errors) => prop_assert!((1..=ERRORS_MAX).contains(&errors.len())),
        }
    }

    #[test]
    fn no_json_makes_the_decoder_panic(bytes in bytes()) {
        let mut source = Source(&bytes);
        let (shape, json) = (source.shape(3), source.json(4));
        if let Err(errors) = decode(&shape, &json) {
            prop_assert!(!errors.is_empty());
        }
    }

    #[test]
    fn no_text_makes_the_decoder_panic(bytes in bytes(), text in "\\PC{0,12}|-?[0-9.eE+]{0,30}") {
        let mut source = Source(&bytes);
        let shape = source.shape(2);
        let known = ["type", "id", "a1", "firstName", "items"];
        let query: Vec<_> = (0..4).map(|_| (known[source.below(5)].to_string(), source.text())).collect();
        let _ = decode_text(&shape, "id", &text);
        let _ = decode_query(&shape, &query);
        prop_assert_eq!(decode_text(&Shape::String, "id", &text), Ok(Val::String(text)));
    }

    /// What a plugin gives under another type is refused, or is JSON all the same.
    #[test]
    fn no_value_makes_the_encoder_panic(bytes in bytes()) {
        let mut source = Source(&bytes);
        let (shape, other) = (source.shape(3), source.shape(3));
        let value = source.value(&other);
        let mut out = Out::new(b"before", usize::MAX);
        match encode(&shape, &value, &mut out) {
            Ok(()) => prop_assert!(serde_json::from_slice::<Value>(&out[6..]).is_ok()),
            Err(_) => prop_assert_eq!(out.into_bytes(), b"before"),
        }
    }

    #[test]
    fn a_difference_has_two_sides(bytes in bytes()) {
        let mut source = Source(&bytes);
        let (one, other) = (source.shape(3), source.shape(3));
        prop_assert_eq!(one.difference(&one), None);
        prop_assert_eq!(one.difference(&other).is_some(), other.difference(&one).is_some());
    }
}

#[test]
fn the_deepest_type_fits_into_json() {
    let deep = |wrap: fn(Shape) -> Shape| (1..DEPTH_MAX).fold(Shape::Bool, |inner, _| wrap(inner));
    let shapes = [
        deep(Shape::list),
        deep(Shape::option),
        deep(|inner| Shape::tuple([inner])),
        deep(|inner| Shape::result(Some(inner), None)),
        deep(|inner| Shape::record([("inner", inner)])),
        deep(|inner| Shape::variant([("inner", Some(inner))])),
        (0..DEPTH_MAX / 2).fold(Shape::Bool, |inner, _| Shape::list(Shape::tuple([Shape::String, inner]))),
    ];
    for shape in shapes {
        let value = filled(&shape);
        assert_eq!(decode(&shape, &parsed(&shape, &value)), Ok(value));
    }
}

/// A value that goes down to the bottom; lists have the same element twice.
fn filled(shape: &Shape) -> Val {
    match shape {
        Shape::List(list) => Val::List(vec![filled(&list.element)]),
        Shape::Option(inner) => Val::Option(Some(Box::new(filled(inner)))),
        Shape::Tuple(elements) => Val::Tuple(elements.iter().map(filled).collect()),
        Shape::Result(result) => Val::Result(Ok(result.ok.as_ref().map(|ok| Box::new(filled(ok))))),
        Shape::Record(record) => {
            Val::Record(record.fields.iter().map(|field| (field.name.to_string(), filled(&field.shape))).collect())
        }
        Shape::Variant(variant) => {
            let case = &variant.cases[0];
            Val::Variant(case.name.wit.to_string(), case.payload.as_ref().map(|payload| Box::new(filled(payload))))
        }
        Shape::String => Val::String("key".into()),
        _ => Val::Bool(true),
    }
}
