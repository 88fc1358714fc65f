//! A service that is small enough to be written as text, in as many versions as there are ways to change it, and
//! plugins that use one function of it.

use serde_json::json;

use crate::files::with_section;

const LEDGER: &str = r#"
    (component
        (core module $code
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "get") (param $id i32) (result i32)
                (i32.store (i32.const 516) (local.get $id))
                (i32.const 512))
            (func (export "add") (param i32 i32 i32) (result i32) (i32.const 512))
            (func (export "count") (result i32) (i32.const 3)))
        (core instance $code (instantiate $code))
        (alias core export $code "memory" (core memory $memory))
        (alias core export $code "realloc" (core func $realloc))
        (type $stage' (enum "lead" "won"))
        (export $stage "stage" (type $stage'))
        (type $entry' (record (field "id" u32) (field "stage" $stage)))
        (export $entry "entry" (type $entry'))
        (type $error' (variant (case "not-found") (case "denied" string) (case "unavailable" string)))
        (export $error "error" (type $error'))
        (type $rights' (flags "read" "write"))
        (export $rights "rights" (type $rights'))
        (func $get (param "id" u32) (result (result $entry (error $error)))
            (canon lift (core func $code "get") (memory $memory) (realloc $realloc)))
        (func $add (param "entry" $entry) (param "rights" $rights) (result (result u32 (error $error)))
            (canon lift (core func $code "add") (memory $memory) (realloc $realloc)))
        (func $count (result u32) (canon lift (core func $code "count")))
        (instance $ledger
            (export "stage" (type $stage))
            (export "entry" (type $entry))
            (export "error" (type $error))
            (export "rights" (type $rights))
            (export "get" (func $get))
            (export "add" (func $add))
            (export "count" (func $count)))
        (export "demo:ledger/ledger@VERSION" (instance $ledger)))
"#;

/// A way to break the ledger: what is replaced in its text by what, the change as the host names it, and whether
/// whoever calls only `get`, or only `count`, is broken by it.
pub struct Break {
    pub edits: &'static [(&'static str, &'static str)],
    pub kind: &'static str,
    pub told: &'static str,
    pub breaks_reader: bool,
    pub breaks_counter: bool,
}

const fn of_get(edits: &'static [(&'static str, &'static str)], kind: &'static str, told: &'static str) -> Break {
    Break { edits, kind, told, breaks_reader: true, breaks_counter: false }
}

pub const BREAKS: &[Break] = &[
    of_get(
        &[(r#"(case "unavailable" string)"#, r#"(case "unavailable" string) (case "gone")"#)],
        "case-added",
        "demo:ledger/ledger.get: result.err: case \"gone\" added: a consumer built before cannot receive it",
    ),
    of_get(&[(r#"(case "not-found") "#, "")], "case-removed", "result.err: case \"not-found\" removed"),
    of_get(
        &[
            (r#"(field "stage" $stage)"#, r#"(field "stage" $stage) (field "memo" u32)"#),
            (
                "(param i32 i32 i32) (result i32) (i32.const 512)",
                "(param i32 i32 i32 i32) (result i32) (i32.const 512)",
            ),
        ],
        "field-added",
        "demo:ledger/ledger.get: result.ok: field \"memo\" added: a consumer built before has no place for it",
    ),
    of_get(
        &[
            (r#"(func $get (param "id" u32)"#, r#"(func $get (param "id" u64)"#),
            ("(param $id i32)", "(param $id i64)"),
            ("(local.get $id)", "(i32.const 0)"),
        ],
        "type-changed",
        "demo:ledger/ledger.get: id: u32 became u64: a consumer built before still sends the old type",
    ),
    of_get(
        &[(r#"(func $get (param "id" u32)"#, r#"(func $get (param "number" u32)"#)],
        "parameter-renamed",
        "demo:ledger/ledger.get: parameter \"id\" renamed to \"number\"",
    ),
    of_get(
        &[
            (r#"(func $get (param "id" u32)"#, r#"(func $get (param "id" u32) (param "deep" bool)"#),
            ("(param $id i32)", "(param $id i32) (param i32)"),
        ],
        "parameter-added",
        "demo:ledger/ledger.get: parameter \"deep\" added: a consumer built before does not pass it",
    ),
    of_get(
        &[(r#"(export "get" (func $get))"#, "")],
        "function-removed",
        "demo:ledger/ledger.get: function removed: a consumer built before finds nothing to call",
    ),
    Break {
        edits: &[(r#"(flags "read" "write")"#, r#"(flags "read" "write" "own")"#)],
        kind: "flag-added",
        told: "demo:ledger/ledger.add: rights: flag \"own\" added",
        breaks_reader: false,
        breaks_counter: false,
    },
    Break {
        edits: &[("(func $count (result u32)", "(func $count (result s32)")],
        kind: "type-changed",
        told: "demo:ledger/ledger.count: result: u32 became s32",
        breaks_reader: false,
        breaks_counter: true,
    },
];

/// With one function more.
pub const MORE: &[(&str, &str)] =
    &[(r#"(export "get" (func $get))"#, r#"(export "get" (func $get)) (export "total" (func $count))"#)];

/// The plugin `ledger` at this version, with its WIT package at that one, altered in these places.
pub fn ledger(version: &str, package: &str, edits: &[(&str, &str)]) -> Vec<u8> {
    let mut text = LEDGER.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from} is not in the text");
        text = text.replace(from, to);
    }
    let manifest = json!({
        "id": "ledger", "name": "Ledger", "version": version,
        "services": [{ "name": "demo:ledger", "version": package }],
        "endpoints": [{ "method": "GET", "path": "/count", "function": "demo:ledger/ledger.count" }],
    });
    let bytes = wat::parse_str(text.replace("VERSION", package)).unwrap_or_else(|error| panic!("{error}"));
    with_section(&bytes, "tenon:manifest", &manifest.to_string())
}

/// A plugin that calls `get` of the ledger 1.0.0 with 7 and gives the id it got.
pub fn reader() -> Vec<u8> {
    let import = r#"
        (type $stage' (enum "lead" "won"))
        (export "stage" (type $stage (eq $stage')))
        (type $entry' (record (field "id" u32) (field "stage" $stage)))
        (export "entry" (type $entry (eq $entry')))
        (type $error' (variant (case "not-found") (case "denied" string) (case "unavailable" string)))
        (export "error" (type $error (eq $error')))
        (export "get" (func (param "id" u32) (result (result $entry (error $error)))))"#;
    let code = r#"(import "ledger" "call" (func $get (param i32 i32)))
        (import "memory" "memory" (memory 1))
        (func (export "ask") (result i32)
            (call $get (i32.const 7) (i32.const 512))
            (i32.load (i32.const 516)))"#;
    user("reader", "get", import, code)
}

/// A plugin that calls `count` of the ledger 1.0.0.
pub fn counter() -> Vec<u8> {
    let code = r#"(import "ledger" "call" (func $count (result i32)))
        (func (export "ask") (result i32) (call $count))"#;
    user("counter", "count", r#"(export "count" (func (result u32)))"#, code)
}

fn user(id: &str, function: &str, import: &str, code: &str) -> Vec<u8> {
    let text = format!(
        r#"
        (component
            (import "demo:ledger/ledger@1.0.0" (instance $ledger {import}))
            (core module $memory
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
            (core instance $memory (instantiate $memory))
            (alias export $ledger "{function}" (func $call))
            (alias core export $memory "memory" (core memory $shared))
            (alias core export $memory "realloc" (core func $realloc))
            (core func $lowered (canon lower (func $call) (memory $shared) (realloc $realloc)))
            (core module $code {code})
            (core instance $code (instantiate $code
                (with "ledger" (instance (export "call" (func $lowered))))
                (with "memory" (instance $memory))))
            (func $ask (result u32) (canon lift (core func $code "ask")))
            (instance $user (export "ask" (func $ask)))
            (export "demo:{id}/user@1.0.0" (instance $user)))"#
    );
    let manifest = json!({
        "id": id, "name": id, "version": "1.0.0",
        "services": [{ "name": format!("demo:{id}"), "version": "1.0.0" }],
        "dependencies": [{ "service": "demo:ledger", "version": "^1.0.0", "reason": "It asks the ledger." }],
        "endpoints": [{ "method": "GET", "path": "/ask", "function": format!("demo:{id}/user.ask") }],
    });
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    with_section(&bytes, "tenon:manifest", &manifest.to_string())
}
