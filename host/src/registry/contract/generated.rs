//! Types as a property test draws them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::runtime::shape::{FunctionShape, Shape};

const NAMES: [&str; 5] = ["a", "b", "c-d", "e2", "f"];

/// Some of the names, in some order, so that two draws often share a few.
fn names() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(NAMES.to_vec(), 1..=3).prop_shuffle()
}

fn named<S: Strategy<Value = T> + Clone, T: std::fmt::Debug>(held: S) -> impl Strategy<Value = Vec<(&'static str, T)>> {
    names().prop_flat_map(move |names| {
        let held = prop::collection::vec(held.clone(), names.len());
        held.prop_map(move |held| names.iter().copied().zip(held).collect())
    })
}

pub(super) fn shape() -> impl Strategy<Value = Shape> {
    let word = prop_oneof![
        Just(Shape::String),
        Just(Shape::U8),
        Just(Shape::S64),
        Just(Shape::Float64),
        Just(Shape::Char),
        Just(Shape::Bool)
    ];
    let leaf = prop_oneof![
        3 => word,
        1 => names().prop_map(Shape::enumeration),
        1 => names().prop_map(Shape::flags),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let inner = inner.boxed();
        let maybe = prop::option::of(inner.clone()).boxed();
        prop_oneof![
            inner.clone().prop_map(Shape::list),
            inner.clone().prop_map(Shape::option),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Shape::tuple),
            (maybe.clone(), maybe.clone()).prop_map(|(ok, error)| Shape::result(ok, error)),
            named(inner).prop_map(Shape::record),
            named(maybe).prop_map(Shape::variant),
        ]
    })
}

pub(super) fn function() -> impl Strategy<Value = FunctionShape> {
    let params = prop_oneof![Just(Vec::new()), named(shape().boxed())];
    (params, prop::option::of(shape())).prop_map(|(params, result)| FunctionShape::new(params, result))
}

/// The functions of an interface.
pub(super) fn functions() -> impl Strategy<Value = BTreeMap<&'static str, FunctionShape>> {
    prop::collection::btree_map(prop::sample::select(NAMES.to_vec()), function(), 0..4)
}
