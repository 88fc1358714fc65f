use wit_parser::{FunctionKind, Resolve, UnresolvedPackageGroup};

use super::*;

fn repository_wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

/// A package directory of its own, with these files.
fn package(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join("pkg").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn generated(files: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
    let dir = package(files);
    let made = generate(&dir.path().join("pkg")).map_err(|error| error.to_string())?;
    // Whatever is made must parse beside its sources and the real wasi:io.
    std::fs::create_dir_all(dir.path().join("pkg/deps")).unwrap();
    std::fs::copy(repository_wit().join("wasi-io/io.wit"), dir.path().join("pkg/deps/io.wit")).unwrap();
    write(&dir.path().join("pkg")).unwrap();
    Resolve::default().push_dir(dir.path().join("pkg")).unwrap();
    Ok(made)
}

#[test]
fn the_checked_in_views_are_what_their_interfaces_say() {
    for service in ["crm-contacts", "crm-deals"] {
        let drifts = check(&repository_wit().join(service)).unwrap();
        assert!(drifts.is_empty(), "{drifts:?}");
    }
}

#[test]
fn a_view_has_the_parameters_and_results_of_every_function() {
    for (service, name) in [("crm-contacts", "contacts"), ("crm-deals", "deals")] {
        let mut resolve = Resolve::default();
        let io = UnresolvedPackageGroup::parse_dir(repository_wit().join("wasi-io")).unwrap();
        resolve.push_group(io).unwrap();
        let main = UnresolvedPackageGroup::parse_dir(repository_wit().join(service)).unwrap();
        let package = resolve.push_group(main).unwrap();
        let interface = |name: &str| &resolve.interfaces[resolve.packages[package].interfaces[name]];
        let (plain, view) = (interface(name), interface(&format!("{name}-deferred")));
        for (name, function) in &plain.functions {
            let start = &view.functions[&format!("[static]{name}-call.start")];
            let get = &view.functions[&format!("[method]{name}-call.get")];
            assert!(matches!(start.kind, FunctionKind::Static(_)));
            assert!(view.functions.contains_key(&format!("[method]{name}-call.subscribe")));
            assert_eq!(start.params.len(), function.params.len());
            for (ours, theirs) in start.params.iter().zip(&function.params) {
                assert_eq!(ours.name, theirs.name);
                assert_eq!(shape(&resolve, ours.ty), shape(&resolve, theirs.ty));
            }
            assert_eq!(get.result.map(|ty| shape(&resolve, ty)), function.result.map(|ty| shape(&resolve, ty)));
        }
        assert_eq!(view.functions.len(), plain.functions.len() * 3);
    }
}

/// A type with the aliases that `use` makes resolved.
fn shape(resolve: &Resolve, ty: wit_parser::Type) -> String {
    use wit_parser::{Type, TypeDefKind};
    let Type::Id(id) = ty else { return format!("{ty:?}") };
    match &resolve.types[id].kind {
        TypeDefKind::Type(inner) => shape(resolve, *inner),
        TypeDefKind::Option(inner) => format!("option<{}>", shape(resolve, *inner)),
        TypeDefKind::Result(result) => {
            let part = |ty: Option<Type>| ty.map_or("_".to_owned(), |ty| shape(resolve, ty));
            format!("result<{}, {}>", part(result.ok), part(result.err))
        }
        _ => format!("{id:?}"),
    }
}

#[test]
fn a_view_reads_as_one_would_write_it() {
    let source = "package a:b@1.2.3;\n\n/// Times.\ninterface clock {\n  type instant = u64;\n  \
        /// The time now.\n  ///\n  /// In the given zone.\n  now: func(zone: string) -> instant;\n  tick: func();\n}\n";
    let expected = "\
package a:b@1.2.3;

// Generated from time.wit by `tenon deferred`. Do not edit: change time.wit and run it again.

/// The functions of `clock`, started now and answered later, so that calls can overlap.
///
/// Dropping a call cancels it.
interface clock-deferred {
  use wasi:io/poll@0.2.12.{pollable};
  use clock.{instant};

  /// A call of `clock.now` under way.
  ///
  /// The time now.
  ///
  /// In the given zone.
  resource now-call {
    /// Starts the call and returns at once.
    start: static func(zone: string) -> now-call;
    /// Ready when `get` answers without waiting.
    subscribe: func() -> pollable;
    /// Waits for the call's result and hands it out, once: asking again ends the instance.
    get: func() -> instant;
  }

  /// A call of `clock.tick` under way.
  resource tick-call {
    /// Starts the call and returns at once.
    start: static func() -> tick-call;
    /// Ready when `get` answers without waiting.
    subscribe: func() -> pollable;
    /// Waits for the call's result and hands it out, once: asking again ends the instance.
    get: func();
  }
}
";
    let made = generated(&[("time.wit", source)]).unwrap();
    assert_eq!(made, [("clock-deferred.wit".to_owned(), expected.to_owned())]);
}

#[test]
fn every_type_and_keyword_survives() {
    let keywords: Vec<_> = super::render::KEYWORDS.iter().map(|word| format!("%{word}: u8")).collect();
    let source = format!(
        "package %use:%world@0.1.0;\ninterface %record {{\n  enum %enum {{ a }}\n  flags a-very-long-name-of-flags {{ b }}\n  \
         record another-very-long-name-of-a-record {{ c: char }}\n  variant and-one-more-name-of-a-variant {{ d }}\n  \
         %list: func({});\n  all: func(a: tuple<s8, f32, option<list<%enum>>>, b: list<u8, 4>, \
         c: result<_, another-very-long-name-of-a-record>, d: result<s64>, e: result, \
         f: and-one-more-name-of-a-variant) -> result<list<a-very-long-name-of-flags>, string>;\n  \
         later: async func();\n}}",
        keywords.join(", ")
    );
    let made = generated(&[("r.wit", &source)]).unwrap();
    let text = &made[0].1;
    assert_eq!(made[0].0, "record-deferred.wit");
    for part in [
        "package %use:%world@0.1.0;",
        "interface record-deferred {",
        "  use %record.{\n    %enum,\n    another-very-long-name-of-a-record,\n",
        "resource list-call {",
        "a: tuple<s8, f32, option<list<%enum>>>, b: list<u8, 4>, c: result<_, another-very-long-name-of-a-record>",
        "d: result<s64>, e: result, f: and-one-more-name-of-a-variant) -> all-call;",
        "get: func() -> result<list<a-very-long-name-of-flags>, string>;",
        "start: static func() -> later-call;",
    ] {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
}

#[test]
fn types_of_other_packages_are_found_beside_and_in_deps() {
    let main = "package a:b;\ninterface i { use x:types/money.{amount}; pay: func(a: amount); }";
    let types = "package x:types;\ninterface money { use y:base/num.{digit}; type amount = list<digit>; }";
    let base = "package y:base;\ninterface num { type digit = u8; }";
    let dir = package(&[("a.wit", main), ("deps/x/t.wit", types), ("../base/n.wit", base), ("../empty/x.txt", "")]);
    let made = generate(&dir.path().join("pkg")).unwrap();
    assert!(made[0].1.contains("  use i.{amount};\n"), "{}", made[0].1);

    let alone = package(&[("a.wit", main)]);
    let error = generate(&alone.path().join("pkg")).unwrap_err().to_string();
    assert!(error.contains("x:types") && error.contains("a.wit:2:"), "{error}");
}

#[test]
fn names_that_are_taken_are_named() {
    let error = |body: &str| generated(&[("s.wit", &format!("package a:b;\ninterface i {{ {body} }}"))]).unwrap_err();
    let by_type = error("record get-call { x: u8 } get: func();");
    assert!(by_type.contains("`i` in s.wit: there is a type `get-call`"), "{by_type}");
    assert!(by_type.contains("for the calls of `get`; rename it"), "{by_type}");
    let by_function = error("get: func(); get-call: func();");
    assert!(by_function.contains("there is a function `get-call`"), "{by_function}");
    let pollable = error("record pollable { x: u8 } get: func(p: pollable);");
    assert!(pollable.contains("a type `pollable`"), "{pollable}");
    let view = error("get: func(); } interface i-deferred { f: func();");
    assert!(view.contains("has a `i-deferred` already"), "{view}");
}

#[test]
fn interfaces_that_are_not_plain_are_passed_over() {
    let made = generated(&[(
        "s.wit",
        "package a:b;\ninterface plain { f: func(); }\ninterface only-types { type x = u8; }\n\
         interface held { resource r; record box { r: own<r> } take: func(b: option<box>); }\n\
         interface flow { run: func() -> stream<u8>; }",
    )]);
    assert_eq!(made.unwrap().len(), 1);
    let error = generated(&[(
        "s.wit",
        "package a:b;\ninterface held { resource r { m: func(); } }\ninterface flow { run: func() -> stream<u8>; }",
    )])
    .unwrap_err();
    assert!(error.contains("`held` passes a resource in `[method]r.m`; `flow` passes a stream in `run`"), "{error}");
}

#[test]
fn drift_is_told_apart_and_writing_mends_it() {
    let dir = package(&[("s.wit", "package a:b;\ninterface i { f: func(); }"), ("old-deferred.wit", "not WIT")]);
    let wit = dir.path().join("pkg");
    let view = wit.join("i-deferred.wit");
    let leftover = Drift::Leftover(wit.join("old-deferred.wit"));
    assert_eq!(check(&wit).unwrap(), [Drift::Missing(view.clone()), leftover.clone()]);
    assert_eq!(write(&wit).unwrap(), std::slice::from_ref(&view));
    assert_eq!(check(&wit).unwrap(), [leftover]);
    assert_eq!(write(&wit).unwrap(), [] as [PathBuf; 0]);
    std::fs::write(wit.join("s.wit"), "package a:b;\ninterface i { f: func() -> u8; }").unwrap();
    std::fs::remove_file(wit.join("old-deferred.wit")).unwrap();
    assert_eq!(check(&wit).unwrap(), [Drift::Changed(view)]);
}

#[test]
fn a_directory_without_wit_or_with_broken_wit_says_so() {
    let dir = package(&[("s.wit", "package a:b;\ninterface i { f: fun(); }")]);
    let error = generate(&dir.path().join("pkg")).unwrap_err().to_string();
    assert!(error.contains("s.wit:2:"), "{error}");
    let error = generate(dir.path()).unwrap_err().to_string();
    assert!(error.contains("holds no .wit file"), "{error}");
    let error = generate(&dir.path().join("gone")).unwrap_err().to_string();
    assert!(error.contains("cannot read") && error.contains("gone"), "{error}");
}
