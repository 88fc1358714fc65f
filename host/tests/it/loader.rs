//! From files to plugins: what is refused and why, and what is kept of the work.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::{Client, Host, Process, Scratch, repository};

/// A component with these custom sections and nothing else: a header, then id 0, size, name and data of each.
pub fn component(sections: &[(&str, &str)]) -> Vec<u8> {
    fn number(mut value: usize, bytes: &mut Vec<u8>) {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for (name, data) in sections {
        let mut section = Vec::new();
        number(name.len(), &mut section);
        section.extend([name.as_bytes(), data.as_bytes()].concat());
        bytes.push(0);
        number(section.len(), &mut bytes);
        bytes.extend(section);
    }
    bytes
}

/// Exports `demo:thing/thing@1.0.0` with one function, `act`.
pub fn thing() -> Vec<u8> {
    let text = r#"
        (component
            (core module $code (func (export "act")))
            (core instance $code (instantiate $code))
            (func $act (canon lift (core func $code "act")))
            (instance $thing (export "act" (func $act)))
            (export "demo:thing/thing@1.0.0" (instance $thing)))
    "#;
    wat::parse_str(text).unwrap()
}

pub fn testdata(name: &str) -> Vec<u8> {
    fs::read(repository().join(format!("target/testdata/{name}.wasm"))).unwrap()
}

/// A host whose directory holds these files beside one good plugin, which must run.
async fn beside_a_good_one(files: &[(&str, &[u8])]) -> Host {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    for (name, bytes) in files {
        fs::write(scratch.plugins().join(name), bytes).unwrap();
    }
    let host = Host::start(scratch, &["--dev"]).await;
    greets(&host).await;
    host
}

pub async fn greets(client: &Client) {
    assert_eq!(client.get("/plugins/greeter/greetings/Ada").await.data(200)["text"], "1.0.0 greets Ada");
}

/// Each file that was refused, with its reason.
pub async fn rejected(client: &Client) -> Vec<(String, String)> {
    let answer = client.get("/api/v1/plugins").await;
    let files = answer.json["rejected"].as_array().unwrap_or_else(|| panic!("no list of rejected files: {answer:#?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    files.iter().map(|file| (text(&file["fileName"]), text(&file["reason"]))).collect()
}

/// Loads each file and compares the reason it is refused for.
async fn refuses(cases: &[(&str, &[u8], &str)]) {
    let files: Vec<_> = cases.iter().map(|(name, bytes, _)| (*name, *bytes)).collect();
    let host = beside_a_good_one(&files).await;
    let rejected = rejected(&host).await;
    for (name, _, expected) in cases {
        let reason = rejected.iter().find(|(file, _)| file == name).map(|(_, reason)| reason.as_str());
        assert!(reason.is_some_and(|reason| reason.contains(expected)), "{name}: {reason:?}, expected {expected:?}");
    }
    assert_eq!(rejected.len(), cases.len(), "{rejected:#?}");
}

#[tokio::test]
async fn what_is_no_component_is_refused_by_what_it_is() {
    let noise: Vec<u8> = (0..5000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    refuses(&[
        ("empty.wasm", b"", "the file is empty"),
        ("text.wasm", b"Dear host,\nplease run this.\n", "does not begin with the WebAssembly header"),
        ("wat.wasm", b"(component)", "it is WebAssembly text"),
        (
            "core.wasm",
            b"\0asm\x01\0\0\0",
            "a core WebAssembly module, not a component: build it for the target wasm32-wasip2",
        ),
        ("zip.wasm", b"PK\x03\x04\x14\0\0\0", "begins like a zip archive"),
        ("elf.wasm", b"\x7fELF\x02\x01\x01\0", "machine code; compiled components are not accepted"),
        ("noise.wasm", &noise, "does not begin with the WebAssembly header"),
        ("noise-after-header.wasm", &[b"\0asm\x0d\0\x01\0", &noise[..]].concat(), "is not a WebAssembly component"),
    ])
    .await;
}

#[tokio::test]
async fn a_truncated_component_is_refused_wherever_it_ends() {
    let whole = testdata("greeter-1-1");
    let cut: Vec<(String, &[u8])> =
        (1..24).map(|part| (format!("cut-{part:02}.wasm"), &whole[..whole.len() * part / 24])).collect();
    let mut files: Vec<(&str, &[u8])> = cut.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    files.push(("last-byte.wasm", &whole[..whole.len() - 1]));
    let host = beside_a_good_one(&files).await;
    let rejected = rejected(&host).await;
    assert_eq!(rejected.len(), files.len(), "{rejected:#?}");
    assert_eq!(host.get("/api/v1/plugins").await.total(), 1);
}

#[tokio::test]
async fn a_file_without_a_usable_manifest_is_refused_with_what_is_wrong() {
    let manifest = "tenon:manifest";
    let several = json!({
        "id": "My Plugin", "name": "Mine", "version": "1.0",
        "endpoints": [{ "method": "FETCH", "path": "no-slash" }],
        "colour": "green",
    });
    let minimal = r#"{"id":"demo","name":"Demo","version":"1.0.0"}"#;
    let host = beside_a_good_one(&[
        ("none.wasm", &component(&[])),
        ("several.wasm", &component(&[(manifest, &several.to_string())])),
        ("no-json.wasm", &component(&[(manifest, "id = demo")])),
        ("twice.wasm", &component(&[(manifest, minimal), (manifest, minimal)])),
    ])
    .await;
    let rejected = rejected(&host).await;
    let reason =
        |name: &str| rejected.iter().find(|(file, _)| file == name).map(|(_, reason)| reason.as_str()).unwrap();
    assert!(reason("none.wasm").contains("put it beside the file as none.plugin.json"), "{}", reason("none.wasm"));
    for path in ["$.id", "$.version", "$.endpoints[0].method", "$.endpoints[0].path", "$.colour"] {
        let told = reason("several.wasm").lines().any(|line| line.trim_start().starts_with(&format!("{path}:")));
        assert!(told, "{path} is not told: {}", reason("several.wasm"));
    }
    assert!(reason("no-json.wasm").contains("text that is not JSON"), "{}", reason("no-json.wasm"));
    assert!(reason("twice.wasm").contains("`tenon:manifest` occurs more than once"), "{}", reason("twice.wasm"));
}

#[tokio::test]
async fn a_manifest_that_does_not_fit_its_component_is_refused_with_each_place() {
    let manifest = json!({
        "id": "thing", "name": "Thing", "version": "1.0.0",
        "services": [{ "name": "demo:thing", "version": "1.0.0" }, { "name": "demo:other", "version": "1.0.0" }],
        "dependencies": [{ "service": "demo:greeter", "version": "^1.0.0", "reason": "Greetings." }],
        "endpoints": [
            { "method": "POST", "path": "/act", "function": "demo:thing/thing.act" },
            { "method": "POST", "path": "/leap", "function": "demo:thing/thing.leap" },
            { "method": "GET", "path": "/other", "function": "demo:other/other.act" },
            { "method": "POST", "path": "/act/{id}", "function": "demo:thing/thing.act" },
            { "method": "GET", "path": "/own" },
        ],
    });
    let host =
        beside_a_good_one(&[("thing.wasm", &thing()), ("thing.plugin.json", manifest.to_string().as_bytes())]).await;
    let rejected = rejected(&host).await;
    let [(file, reason)] = rejected.as_slice() else { panic!("expected one: {rejected:#?}") };
    assert_eq!(file, "thing.wasm");
    for expected in [
        "$.services[1]: `demo:other` is declared, but the component exports no interface of it",
        "$.dependencies[0]: `demo:greeter` is declared, but the component imports no interface of it",
        "$.endpoints[1].function: `demo:thing/thing` has no function `leap`; it has: act",
        "$.endpoints[2].function: the component does not export `demo:other/other`",
        "$.endpoints[3].path: the path has {id}, but `demo:thing/thing.act` has no parameter of that name",
        "$.endpoints[4]: there is no `function`",
    ] {
        assert!(reason.contains(expected), "expected {expected:?} in {reason}");
    }
    assert!(!reason.contains("$.services[0]") && !reason.contains("$.endpoints[0]"), "{reason}");
}

#[tokio::test]
async fn a_service_declared_in_another_version_than_it_is_exported_in_is_refused() {
    let manifest = json!({
        "id": "thing", "name": "Thing", "version": "1.0.0",
        "services": [{ "name": "demo:thing", "version": "1.1.0" }],
        "endpoints": [{ "method": "POST", "path": "/act", "function": "demo:thing/thing.act" }],
    });
    let host =
        beside_a_good_one(&[("thing.wasm", &thing()), ("thing.plugin.json", manifest.to_string().as_bytes())]).await;
    let rejected = rejected(&host).await;
    let [(_, reason)] = rejected.as_slice() else { panic!("expected one: {rejected:#?}") };
    let expected = "$.services[0].version: found 1.1.0, but the component exports `demo:thing` at 1.0.0";
    assert!(reason.contains(expected), "{reason}");
    assert!(!reason.contains("does not export `demo:thing/thing`;"), "it says the opposite of the truth: {reason}");
}

#[tokio::test]
async fn a_manifest_may_lie_beside_the_file() {
    let manifest = json!({
        "id": "thing", "name": "Thing", "version": "1.0.0",
        "endpoints": [{ "method": "POST", "path": "/act", "function": "demo:thing/thing.act" }],
    });
    let host = beside_a_good_one(&[("t.wasm", &thing()), ("t.plugin.json", manifest.to_string().as_bytes())]).await;
    assert_eq!(rejected(&host).await, []);
    assert_eq!(*host.post("/plugins/thing/act", json!({})).await.data(200), Value::Null);
}

#[tokio::test]
async fn what_the_host_cannot_run_is_refused_by_name() {
    let beside = r#"{"id":"wish","name":"Wish","version":"1.0.0"}"#.as_bytes();
    let of_host = wat::parse_str(r#"(component (import "tenon:host/wishes@1.0.0" (instance (export "f" (func)))))"#);
    let bare = wat::parse_str(r#"(component (import "wish" (func)))"#);
    let host = beside_a_good_one(&[
        ("async.wasm", &testdata("async-guest")),
        ("resource.wasm", &testdata("raw-resource")),
        ("no-version.wasm", &testdata("no-version")),
        ("of-host.wasm", &of_host.unwrap()),
        ("of-host.plugin.json", beside),
        ("bare.wasm", &bare.unwrap()),
        ("bare.plugin.json", beside),
    ])
    .await;
    let reasons = rejected(&host).await;
    for (name, expected) in [
        ("async.wasm", "the component uses asynchronous types (WASI 0.3), which this host does not run yet"),
        ("bare.wasm", "import `wish` is not an interface"),
        ("no-version.wasm", "export `demo:unversioned/clock` has no version"),
        ("of-host.wasm", "tenon:host/wishes@1.0.0"),
        ("resource.wasm", "`demo:counter/counter@1.0.0`: resource \"counter\" cannot be passed between plugins"),
    ] {
        let reason = reasons.iter().find(|(file, _)| file == name).map(|(_, reason)| reason.as_str());
        assert!(reason.is_some_and(|reason| reason.contains(expected)), "{name}: {reason:?}, expected {expected:?}");
    }
    assert_eq!(reasons.len(), 5, "{reasons:#?}");
}

#[tokio::test]
async fn sql_that_leaves_the_plugins_tables_is_refused_when_it_is_loaded() {
    let manifest = ("tenon:manifest", r#"{"id":"demo","name":"Demo","version":"1.0.0"}"#);
    let attach = component(&[manifest, ("tenon:migration:0001_x", "CREATE TABLE x (a INTEGER); ATTACH '/x' AS y")]);
    let system = component(&[manifest, ("tenon:migration:0001_x", "CREATE TABLE sqlite_x (a INTEGER)")]);
    let demo = component(&[manifest, ("tenon:demo", "DROP TABLE _tenon_migration")]);
    refuses(&[
        ("attach.wasm", &attach, "the embedded SQL cannot be used: "),
        ("demo.wasm", &demo, "the embedded SQL cannot be used: "),
        ("system.wasm", &system, "the embedded SQL cannot be used: "),
    ])
    .await;
}

#[tokio::test]
async fn a_file_over_the_limit_is_not_read() {
    let limit = testdata("greeter-1-0").len();
    let scratch = Scratch::with_plugins(&["greeter-1-0", "probe"]);
    let plugins = scratch.plugins();
    let found = fs::metadata(plugins.join("probe.wasm")).unwrap().len();
    // Its manifest counts for itself.
    fs::write(plugins.join("thing.wasm"), thing()).unwrap();
    fs::write(plugins.join("thing.plugin.json"), vec![b' '; limit + 1]).unwrap();
    let config = scratch.file("tenon.toml", &format!("loader.file_bytes = {limit}"));
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    greets(&host).await;
    let too_large = |found: u64| format!("the file has {found} bytes; at most {limit} are allowed (loader.file_bytes)");
    let beside = format!("thing.plugin.json beside it: {}", too_large(limit as u64 + 1));
    let expected = [("probe.wasm".to_owned(), too_large(found)), ("thing.wasm".to_owned(), beside)];
    assert_eq!(rejected(&host).await, expected);
}

#[tokio::test]
async fn what_is_not_named_as_a_plugin_file_is_passed_over() {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    let plugins = scratch.plugins();
    fs::create_dir(plugins.join("directory")).unwrap();
    fs::write(plugins.join(".half-copied.wasm"), b"\0as").unwrap();
    fs::write(plugins.join("notes.txt"), b"text").unwrap();
    let host = Host::start(scratch, &["--dev"]).await;
    greets(&host).await;
    assert_eq!(rejected(&host).await, []);
}

#[tokio::test]
async fn the_ready_line_counts_the_plugins_and_the_lines_below_name_the_refused() {
    let mut host = beside_a_good_one(&[("empty.wasm", b"")]).await;
    let printed = host.process().printed(|line| line.contains("not loaded")).await;
    assert_eq!(
        printed.last().map(String::as_str),
        Some("  not loaded: empty.wasm: this is not a WebAssembly component: the file is empty")
    );
}

/// A host without the help of the cache that the tests share, so that what it compiles and what it finds
/// compiled is its own. Its plugins lie in a directory that the cache does not know of.
struct Alone {
    scratch: Scratch,
    plugins: PathBuf,
}

/// Too little to compile anything in.
const NO_COMPILING: &str = "loader.compile_memory_bytes = 1000000";

impl Alone {
    fn new(plugins: &[&str]) -> Self {
        let scratch = Scratch::with_plugins(&[]);
        let plugins = scratch.plugins_directory("apart", plugins);
        Self { scratch, plugins }
    }

    async fn start(&self, config: &str) -> (Process, Client) {
        let config = self.scratch.file("tenon.toml", config);
        let mut serve = self.scratch.tenon(&["serve", "--dev", "--listen", "127.0.0.1:0", "--config"]);
        serve.arg(config).arg("--plugins").arg(&self.plugins).arg("--data").arg(self.scratch.data());
        let process = Process::start(&self.scratch, serve).await;
        let client = Client::new(process.address());
        (process, client)
    }

    /// The compiled file of this plugin file.
    async fn compiled(&self, client: &Client, plugin: &str) -> PathBuf {
        let answer = client.get(&format!("/api/v1/plugins/{plugin}")).await;
        let sha256 = answer.data(200)["versions"][0]["sha256"].as_str().unwrap().to_owned();
        let files = fs::read_dir(self.scratch.data().join("compiled")).unwrap();
        let mut files = files.map(|entry| entry.unwrap().path());
        files.find(|path| path.file_name().unwrap().to_string_lossy().starts_with(&sha256)).unwrap()
    }
}

/// What a file that was written anew does not keep. The time it was last used at is noted in it.
fn written(path: &Path) -> (u64, i64, i64) {
    let metadata = fs::metadata(path).unwrap();
    (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

#[tokio::test]
async fn a_second_start_compiles_nothing() {
    let alone = Alone::new(&["greeter-1-0"]);
    let (process, client) = alone.start("").await;
    let compiled = alone.compiled(&client, "greeter").await;
    let before = written(&compiled);
    drop(process);
    // It could not if it wanted to.
    let (_process, client) = alone.start(NO_COMPILING).await;
    greets(&client).await;
    assert_eq!(written(&compiled), before);
}

#[tokio::test]
async fn compiling_that_takes_more_than_it_may_is_stopped() {
    let alone = Alone::new(&["greeter-1-0"]);
    let (_process, client) = alone.start(NO_COMPILING).await;
    let rejected = rejected(&client).await;
    let [(file, reason)] = rejected.as_slice() else { panic!("expected one: {rejected:#?}") };
    assert_eq!(file, "greeter-1-0.wasm");
    assert!(reason.starts_with("compiling was stopped: it needed more than "), "{reason}");
    assert_eq!(client.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn compiled_code_that_was_altered_is_compiled_again() {
    let alone = Alone::new(&["greeter-1-0"]);
    let (process, client) = alone.start("").await;
    let compiled = alone.compiled(&client, "greeter").await;
    drop(process);
    let whole = fs::read(&compiled).unwrap();
    // In the tag, at the edge of the tag, in the middle of the code, and at its end.
    for place in [0, 32, whole.len() / 2, whole.len() - 1] {
        let mut altered = whole.clone();
        altered[place] ^= 1;
        fs::write(&compiled, &altered).unwrap();
        let (process, client) = alone.start("").await;
        greets(&client).await;
        drop(process);
        assert!(fs::read(&compiled).unwrap() != altered, "byte {place}: what was altered is still there");
    }
    for length in [0, 31, 32, whole.len() - 1] {
        fs::write(&compiled, &whole[..length]).unwrap();
        let (_process, client) = alone.start("").await;
        greets(&client).await;
    }
    // And where it cannot be compiled again, it is not run as it is.
    fs::write(&compiled, [&whole[..whole.len() - 1], &[!whole[whole.len() - 1]]].concat()).unwrap();
    let (_process, client) = alone.start(NO_COMPILING).await;
    assert_eq!(rejected(&client).await.len(), 1);
    client.get("/plugins/greeter/greetings/Ada").await.refusal(404, "plugin_not_found");
}

#[tokio::test]
async fn compiled_code_of_another_component_is_not_taken() {
    let alone = Alone::new(&["greeter-1-0", "typed-hello"]);
    let (process, client) = alone.start("").await;
    let greeter = alone.compiled(&client, "greeter").await;
    let hello = alone.compiled(&client, "typed-hello").await;
    drop(process);
    // Authentic, but under the other's name.
    fs::copy(&hello, &greeter).unwrap();
    let (process, client) = alone.start(NO_COMPILING).await;
    let rejected = rejected(&client).await;
    let [(file, reason)] = rejected.as_slice() else { panic!("expected one: {rejected:#?}") };
    assert!(file == "greeter-1-0.wasm" && reason.starts_with("compiling was stopped"), "{file}: {reason}");
    drop(process);
    let (_process, client) = alone.start("").await;
    greets(&client).await;
}
