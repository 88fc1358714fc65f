//! The comparison: what is found, in which words, whom it breaks and which version it needs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::generated::{function, functions};
use super::*;
use crate::runtime::shape::{FunctionShape, Shape};
use crate::runtime::{PluginKey, VersionedInterface};

fn name(text: &str) -> VersionedInterface {
    VersionedInterface::parse(text).unwrap()
}

fn key(text: &str) -> PluginKey {
    let (id, version) = text.split_once(' ').unwrap();
    PluginKey { id: id.parse().unwrap(), version: version.parse().unwrap() }
}

fn offer<'a>(name: &'a VersionedInterface, functions: &'a BTreeMap<&'static str, FunctionShape>) -> Offer<'a> {
    Offer::new([(name, functions.iter().map(|(name, shape)| (*name, shape)).collect())])
}

/// The changes from one interface to another, both at version 1.0.0.
fn changes(old: &BTreeMap<&'static str, FunctionShape>, new: &BTreeMap<&'static str, FunctionShape>) -> Vec<Change> {
    let name = name("demo:ledger/ledger@1.0.0");
    let packages = offer(&name, old).changes_to(&offer(&name, new));
    packages.into_iter().flat_map(|package| package.changes).collect()
}

fn change(old: FunctionShape, new: FunctionShape) -> Vec<String> {
    let changes = changes(&BTreeMap::from([("f", old)]), &BTreeMap::from([("f", new)]));
    assert!(changes.iter().all(|change| !change.is_compatible()), "{changes:#?}");
    let word = |change: &Change| format!("{} | {change}", change.kind.word());
    changes.iter().map(word).collect()
}

fn given(shape: Shape) -> FunctionShape {
    FunctionShape::new([("x", Shape::U8)], Some(shape))
}

fn taken(shape: Shape) -> FunctionShape {
    FunctionShape::new([("x", shape)], None)
}

const F: &str = "demo:ledger/ledger.f";

#[test]
fn each_change_of_a_result_is_named_with_its_place_and_its_effect() {
    let error = |cases: &[&'static str]| {
        Shape::result(Some(Shape::U8), Some(Shape::variant(cases.iter().map(|case| (*case, Some(Shape::String))))))
    };
    let deals = |fields: &[(&'static str, Shape)]| Shape::list(Shape::record(fields.iter().cloned()));
    let stage = |stages: &[&'static str]| deals(&[("stage", Shape::enumeration(stages.iter().copied()))]);
    let cases = [
        (
            given(error(&["denied"])),
            given(error(&["denied", "gone"])),
            format!("case-added | {F}: result.err: case \"gone\" added: a consumer built before cannot receive it"),
        ),
        (
            given(error(&["denied", "gone"])),
            given(error(&["denied"])),
            format!(
                "case-removed | {F}: result.err: case \"gone\" removed: a consumer built before still knows it, and a \
                 link needs equal types on both sides"
            ),
        ),
        (
            given(stage(&["lead", "won"])),
            given(stage(&["won", "lead"])),
            format!(
                "cases-reordered | {F}: result[].stage: cases in another order: the order is part of a type, and a \
                 consumer built before knows the old one"
            ),
        ),
        (
            given(deals(&[("id", Shape::U8)])),
            given(deals(&[("id", Shape::U8), ("owner", Shape::String)])),
            format!("field-added | {F}: result[]: field \"owner\" added: a consumer built before has no place for it"),
        ),
        (
            given(deals(&[("id", Shape::U8), ("owner", Shape::String)])),
            given(deals(&[("id", Shape::U8)])),
            format!("field-removed | {F}: result[]: field \"owner\" removed: a consumer built before still reads it"),
        ),
        (
            given(deals(&[("id", Shape::list(Shape::U8))])),
            given(deals(&[("id", Shape::list(Shape::U16))])),
            format!(
                "type-changed | {F}: result[].id: list<u8> became list<u16>: a consumer built before still expects the \
                 old type"
            ),
        ),
        (
            given(Shape::option(Shape::tuple([Shape::U8, Shape::U8]))),
            given(Shape::option(Shape::tuple([Shape::U8, Shape::S8]))),
            format!(
                "type-changed | {F}: result?.element-2: u8 became s8: a consumer built before still expects the old type"
            ),
        ),
        (
            taken(Shape::U8),
            FunctionShape::new([("x", Shape::U8)], Some(Shape::Bool)),
            format!(
                "type-changed | {F}: result: nothing became bool: a consumer built before still expects the old type"
            ),
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(change(old, new), [expected]);
    }
}

#[test]
fn each_change_of_a_parameter_is_named_with_its_effect() {
    let params = |names: &[&'static str]| FunctionShape::new(names.iter().map(|name| (*name, Shape::U8)), None);
    let rights = |names: &[&'static str]| taken(Shape::flags(names.iter().copied()));
    let cases = [
        (
            params(&["a"]),
            params(&["a", "b"]),
            format!("parameter-added | {F}: parameter \"b\" added: a consumer built before does not pass it"),
        ),
        (
            params(&["a", "b"]),
            params(&["b"]),
            format!("parameter-removed | {F}: parameter \"a\" removed: a consumer built before still passes it"),
        ),
        (
            params(&["a", "b"]),
            params(&["a", "c"]),
            format!(
                "parameter-renamed | {F}: parameter \"b\" renamed to \"c\": names are part of a type, and a consumer \
                 built before knows the old one"
            ),
        ),
        (
            rights(&["read"]),
            rights(&["read", "write"]),
            format!(
                "flag-added | {F}: x: flag \"write\" added: a consumer built before never sends it, but a link needs \
                 equal types on both sides"
            ),
        ),
        (
            taken(Shape::record([("a", Shape::U8)])),
            taken(Shape::record([("a", Shape::U8), ("b", Shape::option(Shape::U8))])),
            format!("field-added | {F}: x: field \"b\" added: a consumer built before does not send it"),
        ),
        (
            taken(Shape::String),
            taken(Shape::option(Shape::String)),
            format!(
                "type-changed | {F}: x: string became option<string>: a consumer built before still sends the old type"
            ),
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(change(old, new), [expected]);
    }
}

#[test]
fn a_service_that_moves_to_another_track_is_compared_as_well() {
    let (one, two) = (name("demo:ledger/ledger@1.3.0"), name("demo:ledger/ledger@2.0.0"));
    let (old, new) = (BTreeMap::from([("f", taken(Shape::U8))]), BTreeMap::from([("f", taken(Shape::U16))]));
    let packages = offer(&one, &old).changes_to(&offer(&two, &new));
    let [package] = packages.as_slice() else { panic!("{packages:#?}") };
    let words: Vec<_> = package.changes.iter().map(|change| change.kind.word()).collect();
    assert_eq!(words, ["version-changed", "type-changed"]);
    assert_eq!(package.weight(), Weight::Breaking);
    let advice = package.advice().unwrap();
    assert!(advice.enough && advice.needs.to_string() == "2.0.0", "{advice:?}");
    // Both side by side take nothing from anybody.
    let both = Offer::new([&one, &two].map(|name| {
        let functions = if name == &one { &old } else { &new };
        (name, functions.iter().map(|(name, shape)| (*name, shape)).collect())
    }));
    let packages = offer(&one, &old).changes_to(&both);
    assert_eq!(packages.iter().map(PackageChanges::weight).collect::<Vec<_>>(), [Weight::Addition]);
}

#[test]
fn a_breach_names_who_would_break_and_nobody_else() {
    let (old, new) = (name("demo:ledger/ledger@1.0.0"), name("demo:ledger/ledger@1.1.0"));
    let before = BTreeMap::from([("f", taken(Shape::U8)), ("g", taken(Shape::U8))]);
    let after = BTreeMap::from([("f", taken(Shape::U8)), ("g", taken(Shape::String))]);
    let keys = ["ledger 1.0.0", "ledger 1.1.0", "uses-f 1.0.0", "uses-g 3.0.0", "pins-g 1.0.0"].map(key);
    let provider = |key, name, functions| Provider { key, offer: offer(name, functions) };
    let (earlier, coming) = (provider(&keys[0], &old, &before), provider(&keys[1], &new, &after));
    let mut breach = judge(&coming, std::slice::from_ref(&earlier), &[]).unwrap();
    let only_old = "~1.0".parse().unwrap();
    let need = |function: &'static str, requirement| Need {
        name: &old,
        requirement,
        functions: vec![(function, &before[function])],
    };
    let consumers = [
        Consumer { key: &keys[2], needs: vec![need("f", None)] },
        Consumer { key: &keys[3], needs: vec![need("g", None)] },
        Consumer { key: &keys[4], needs: vec![need("g", Some(&only_old))] },
    ];
    breach.concern(&coming.offer, &consumers);
    assert_eq!(
        breach.to_string(),
        "it breaks what ledger 1.0.0 offers, under a version that says it does not: give the WIT package \
         `demo:ledger` version 2.0.0 and the plugin version 2.0.0, or offer again what was offered\n  \
         would break uses-g 3.0.0: demo:ledger/ledger.g: parameter \"x\": string, expected u8\n  \
         demo:ledger/ledger.g: x: u8 became string: a consumer built before still sends the old type"
    );
    // What is written down counts where nothing is loaded, and only there.
    assert!(judge(&coming, &[], std::slice::from_ref(&earlier)).is_some());
    let kept = provider(&keys[0], &old, &after);
    assert_eq!(judge(&coming, &[kept], std::slice::from_ref(&earlier)), None);
    // A lower version promises nothing of a higher one.
    assert_eq!(judge(&earlier, &[coming], &[]), None);
}

#[test]
fn a_service_may_go_only_with_the_track_of_the_plugin() {
    let name = name("demo:ledger/ledger@1.0.0");
    let functions = BTreeMap::from([("f", taken(Shape::U8))]);
    let keys = ["ledger 0.2.0", "ledger 0.2.1", "ledger 0.3.0", "user 1.0.0"].map(key);
    let earlier = [Provider { key: &keys[0], offer: offer(&name, &functions) }];
    let without = |key| Provider { key, offer: Offer::default() };
    let mut breach = judge(&without(&keys[1]), &earlier, &[]).unwrap();
    breach.concern(
        &Offer::default(),
        &[Consumer { key: &keys[3], needs: vec![Need { name: &name, requirement: None, functions: Vec::new() }] }],
    );
    assert_eq!(
        breach.to_string(),
        "it breaks what ledger 0.2.0 offers, under a version that says it does not: give the plugin version 0.3.0, or \
         offer again what was offered\n  would break user 1.0.0: demo:ledger/ledger: the service is gone\n  \
         demo:ledger: service removed: a consumer built before finds nothing to call"
    );
    assert_eq!(judge(&without(&keys[2]), &earlier, &[]), None);
}

/// The opposite of a kind of change.
fn reversed(kind: &Kind) -> Kind {
    match kind.clone() {
        Kind::Added(part, name) => Kind::Removed(part, name),
        Kind::Removed(part, name) => Kind::Added(part, name),
        Kind::Renamed { part, from, to } => Kind::Renamed { part, from: to, to: from },
        Kind::Reordered(part) => Kind::Reordered(part),
        Kind::Retyped { from, to } => Kind::Retyped { from: to, to: from },
        Kind::Version { from, to, compatible } => Kind::Version { from: to, to: from, compatible },
    }
}

proptest! {
    #[test]
    fn compared_with_itself_nothing_has_changed(functions in functions()) {
        prop_assert_eq!(changes(&functions, &functions), []);
    }

    #[test]
    fn a_link_is_refused_exactly_where_a_change_is_found(old in function(), new in function()) {
        let found = changes(&BTreeMap::from([("f", old.clone())]), &BTreeMap::from([("f", new.clone())]));
        prop_assert_eq!(found.is_empty(), new.difference(&old).is_none(), "{:#?}", found);
        prop_assert!(found.iter().all(|change| !change.is_compatible()));
    }

    #[test]
    fn adding_functions_never_breaks(functions in functions(), more in functions()) {
        let mut after = more;
        after.extend(functions.clone());
        let found = changes(&functions, &after);
        prop_assert!(found.iter().all(Change::is_compatible), "{found:#?}");
        prop_assert_eq!(found.len(), after.len() - functions.len());
        // And whoever takes them away again breaks somebody.
        prop_assert_eq!(changes(&after, &functions).iter().filter(|change| !change.is_compatible()).count(), found.len());
    }

    #[test]
    fn the_other_way_round_everything_is_reversed(old in functions(), new in functions()) {
        let word = |change: &Change| format!("{:?} {:?}", change.place, change.kind);
        let mut there: Vec<String> = changes(&old, &new)
            .into_iter()
            .map(|change| word(&Change { kind: reversed(&change.kind), place: change.place }))
            .collect();
        let mut back: Vec<String> = changes(&new, &old).iter().map(word).collect();
        there.sort();
        back.sort();
        prop_assert_eq!(there, back);
    }

    #[test]
    fn a_plugin_is_at_peace_with_itself_and_with_more(functions in functions(), more in functions()) {
        let (old, new) = (name("demo:ledger/ledger@1.0.0"), name("demo:ledger/ledger@1.1.0"));
        let mut after = more;
        after.extend(functions.clone());
        let keys = ["ledger 1.0.0", "ledger 1.1.0"].map(key);
        let earlier = [Provider { key: &keys[0], offer: offer(&old, &functions) }];
        prop_assert_eq!(judge(&Provider { key: &keys[1], offer: offer(&new, &after) }, &earlier, &[]), None);
        prop_assert_eq!(judge(&earlier[0], &earlier, &earlier), None);
    }
}
