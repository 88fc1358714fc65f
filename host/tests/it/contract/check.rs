//! `tenon check`, as authors and their pipelines run it.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::ledger::{BREAKS, MORE, counter, ledger, reader};
use crate::common::{Host, Output, Scratch, output};
use crate::files::with_section;

/// A directory with files and nothing else.
struct Desk {
    scratch: Scratch,
}

impl Desk {
    fn new() -> Self {
        Self { scratch: Scratch::with_plugins(&[]) }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.scratch.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    async fn check(&self, args: &[&str]) -> Output {
        output(self.scratch.tenon(&[&["check"], args].concat())).await
    }

    /// What it says of two files in JSON, and whether it succeeded.
    async fn compare(&self, old: &[u8], new: &[u8]) -> (bool, Value) {
        self.put("old.wasm", old);
        self.put("new.wasm", new);
        let said = self.check(&["new.wasm", "--against", "old.wasm", "--json"]).await;
        assert!(said.stderr.is_empty(), "{said:#?}");
        let report: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:#?}"));
        let success = said.status == Some(0);
        assert_eq!(report["ok"], success, "{report:#}");
        (success, report)
    }
}

/// The report of a check that found something.
#[track_caller]
fn found(said: &Output) -> &str {
    assert!(said.status == Some(1) && said.stderr.is_empty(), "expected a finding: {said:#?}");
    &said.stdout
}

#[tokio::test]
async fn a_good_file_is_said_to_be_good_and_nothing_is_left_behind() {
    let desk = Desk::new();
    desk.put("ledger.wasm", &ledger("1.0.0", "1.0.0", &[]));
    let before = std::fs::read_dir(desk.scratch.path("")).unwrap().count();
    let said = desk.check(&["ledger.wasm"]).await.success();
    assert_eq!(said, "ledger.wasm: ledger 1.0.0: the host would load it\n  exports demo:ledger/ledger@1.0.0\n");
    assert_eq!(std::fs::read_dir(desk.scratch.path("")).unwrap().count(), before, "a data directory is left");
    // A manifest may lie beside it, as it does in the plugins directory.
    let component = wat::parse_str("(component)").unwrap();
    desk.put("plain.wasm", &component);
    desk.put("plain.plugin.json", br#"{"id":"plain","name":"Plain","version":"1.0.0"}"#);
    assert!(desk.check(&["plain.wasm"]).await.success().contains("plain 1.0.0: the host would load it"));
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let desk = Desk::new();
    let component = wat::parse_str(r#"(component (import "other" (func)))"#).unwrap();
    let manifest = json!({ "id": "No", "name": "X", "version": "one" }).to_string();
    desk.put("bad.wasm", &with_section(&component, "tenon:manifest", &manifest));
    let said = desk.check(&["bad.wasm"]).await;
    for part in ["bad.wasm: the host would refuse it", "$.id", "$.version", "import `other` is not an interface"] {
        assert!(found(&said).contains(part), "expected {part:?}: {said:#?}");
    }
    desk.put("core.wasm", b"\0asm\x01\0\0\0");
    let said = desk.check(&["core.wasm", "--json"]).await;
    let report: Value = serde_json::from_str(found(&said)).unwrap();
    assert_eq!(json!([report["ok"], report["id"], report["against"]]), json!([false, null, null]));
    assert!(report["problems"][0].as_str().unwrap().contains("wasm32-wasip2"), "{report:#}");

    // What is asked wrongly is an error, not a finding.
    let told = desk.check(&["absent.wasm"]).await.failure();
    assert!(told.contains("there is no file absent.wasm"), "{told}");
    desk.put("ledger.wasm", &ledger("1.0.0", "1.0.0", &[]));
    desk.put("reader.wasm", &reader());
    let told = desk.check(&["ledger.wasm", "--against", "reader.wasm"]).await.failure();
    assert!(told.contains("reader.wasm is a version of `reader`, not of `ledger`"), "{told}");
    let told = desk.check(&["ledger.wasm", "--against", "core.wasm"]).await.failure();
    assert!(told.contains("nothing can be compared with core.wasm: this is a core WebAssembly module"), "{told}");
}

#[tokio::test]
async fn the_version_that_a_change_needs_is_suggested() {
    let desk = Desk::new();
    let old = ledger("1.0.0", "1.0.0", &[]);
    // Plugin and package of the new file, its changes, what each of the two needs, and whether they have it.
    type Edits = &'static [(&'static str, &'static str)];
    let cases: &[(&str, &str, Edits, [&str; 2], bool)] = &[
        ("1.0.1", "1.0.0", &[], ["1.0.1", "1.0.0"], true),
        ("1.0.0", "1.0.0", MORE, ["1.1.0", "1.1.0"], false),
        ("1.1.0", "1.1.0", MORE, ["1.1.0", "1.1.0"], true),
        ("1.1.0", "1.1.0", BREAKS[0].edits, ["2.0.0", "2.0.0"], false),
        ("2.0.0", "1.1.0", BREAKS[6].edits, ["2.0.0", "2.0.0"], false),
        ("1.1.0", "2.0.0", BREAKS[2].edits, ["2.0.0", "2.0.0"], false),
        ("2.0.0", "2.0.0", BREAKS[2].edits, ["2.0.0", "2.0.0"], true),
    ];
    for (version, package, edits, needs, enough) in cases {
        let (success, report) = desk.compare(&old, &ledger(version, package, edits)).await;
        let against = &report["against"];
        let service = against["packages"].get(0).map_or(json!("1.0.0"), |package| package["needs"].clone());
        assert_eq!(json!([against["plugin"]["needs"], service]), json!(needs), "{version} {package}: {report:#}");
        assert_eq!(success, *enough, "{version} {package}: {report:#}");
    }
    // A file compared with itself needs nothing.
    let (success, report) = desk.compare(&old, &old).await;
    assert!(success && report["against"]["packages"] == json!([]), "{report:#}");
    // Before 1.0 the minor number is the track.
    let (success, report) = desk.compare(&ledger("0.3.0", "0.3.0", &[]), &ledger("0.3.1", "0.3.1", MORE)).await;
    assert!(success, "{report:#}");
    let breaks = ledger("0.3.9", "0.3.9", BREAKS[0].edits);
    let (success, report) = desk.compare(&ledger("0.3.0", "0.3.0", &[]), &breaks).await;
    assert!(!success && report["against"]["plugin"]["needs"] == "0.4.0", "{report:#}");
}

#[tokio::test]
async fn each_change_is_named_for_people_and_for_programs() {
    let desk = Desk::new();
    desk.put("old.wasm", &ledger("1.0.0", "1.0.0", &[]));
    desk.put("new.wasm", &ledger("1.1.0", "1.1.0", BREAKS[0].edits));
    let said = desk.check(&["new.wasm", "--against", "old.wasm"]).await;
    let told = found(&said);
    for part in [
        "Compared with ledger 1.0.0 (old.wasm):\n",
        "compatible  demo:ledger: version 1.0.0 became 1.1.0",
        "breaks      demo:ledger/ledger.get: result.err: case \"gone\" added: a consumer built before cannot receive it",
        "version of the WIT package demo:ledger: 1.1.0 is too low, make it 2.0.0: something breaks since 1.0.0",
        "version of the plugin: 1.1.0 is too low, make it 2.0.0",
    ] {
        assert!(told.contains(part), "expected {part:?}:\n{told}");
    }
    let (_, report) = desk.compare(&ledger("1.0.0", "1.0.0", &[]), &ledger("1.1.0", "1.1.0", BREAKS[3].edits)).await;
    let changes = report["against"]["packages"][0]["changes"].as_array().unwrap().clone();
    let change = changes.iter().find(|change| change["kind"] == BREAKS[3].kind).unwrap();
    let told = ["interface", "function", "path", "from", "to", "compatible"].map(|name| &change[name]);
    assert_eq!(json!(told), json!(["demo:ledger/ledger", "get", "id", "u32", "u64", false]));
}

#[tokio::test]
async fn a_running_host_tells_whom_it_would_break() {
    let scratch = Scratch::with_plugins(&[]);
    for (name, bytes) in [("ledger", ledger("1.0.0", "1.0.0", &[])), ("reader", reader()), ("counter", counter())] {
        std::fs::write(scratch.plugins().join(format!("{name}.wasm")), bytes).unwrap();
    }
    let host = Host::start(scratch, &["--dev"]).await;
    let desk = Desk::new();
    let check = async |bytes: &[u8]| {
        desk.put("new.wasm", bytes);
        desk.check(&["new.wasm", "--url", host.address()]).await
    };
    let said = check(&ledger("1.1.0", "1.1.0", BREAKS[0].edits)).await;
    let told = found(&said);
    let refused = format!("{} would refuse it: it breaks what ledger 1.0.0 offers", host.address());
    for part in [refused.as_str(), "would break reader 1.0.0", BREAKS[0].told] {
        assert!(told.contains(part), "expected {part:?}:\n{told}");
    }
    assert!(!told.contains("would break counter"), "{told}");
    // A break that says so is let in beside the old one; who would be without it, were that to go, is told.
    let told = check(&ledger("2.0.0", "2.0.0", BREAKS[0].edits)).await.success();
    for plugin in ["reader", "counter"] {
        let expected = format!("in its place it would break {plugin} 1.0.0: demo:ledger/ledger: the service is gone");
        assert!(told.contains(&expected), "{told}");
    }
    let told = check(&ledger("1.1.0", "1.1.0", MORE)).await.success();
    assert!(!told.contains("break"), "{told}");
    let told = check(&ledger("1.0.0", "1.0.0", &[])).await.success();
    assert!(told.contains("1.0.0 is right: nothing has changed since 1.0.0"), "{told}");
    // What is not loaded there breaks nobody.
    let told = check(&crate::loader::testdata("greeter-1-0")).await.success();
    assert!(told.contains("No version of it is loaded at"), "{told}");
}
