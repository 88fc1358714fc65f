//! Files dropped into the directory, replaced and removed while the host serves.

mod dependants;
mod load;
mod notice;
mod refused;

use std::fs;

use serde_json::{Value, json};

use crate::common::{Client, Host, eventually, output};
use crate::files::{put, with_section};

/// So long that a test which waits for a rescan fails.
const NEVER: &str = "loader.rescan_ms = 3600000";

/// A provider: `demo:thing/thing.act`, exported in this version, gives this number.
fn thing(version: &str, export: &str, answer: u32) -> Vec<u8> {
    let code = format!(r#"(func (export "act") (result i32) (i32.const {answer}))"#);
    thing_with(version, export, "u32", &code)
}

/// The same with code of its own and a result of another type.
fn thing_with(version: &str, export: &str, result: &str, code: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $code {code})
            (core instance $code (instantiate $code))
            (func $act (result {result}) (canon lift (core func $code "act")))
            (instance $thing (export "act" (func $act)))
            (export "demo:thing/thing@{export}" (instance $thing)))"#
    );
    let manifest = json!({
        "id": "thing", "name": "Thing", "version": version,
        "services": [{ "name": "demo:thing", "version": export }],
        "endpoints": [{ "method": "GET", "path": "/act", "function": "demo:thing/thing.act" }],
    });
    with_section(&wat::parse_str(text).unwrap(), "tenon:manifest", &manifest.to_string())
}

/// A dependant: its `ask` gives what `demo:thing/thing.act` gives, which it takes in this version.
fn asker(id: &str, version: &str, import: &str) -> Vec<u8> {
    asker_of("thing", (id, version), import)
}

fn asker_of(service: &str, (id, version): (&str, &str), import: &str) -> Vec<u8> {
    let function = if service == "thing" { "act" } else { "ask" };
    let text = format!(
        r#"(component
            (import "demo:{service}/{service}@{import}" (instance $it (export "{function}" (func (result u32)))))
            (core func $act (canon lower (func $it "{function}")))
            (core module $code
                (import "it" "act" (func $act (result i32)))
                (func (export "ask") (result i32) (call $act)))
            (core instance $code (instantiate $code (with "it" (instance (export "act" (func $act))))))
            (func $ask (result u32) (canon lift (core func $code "ask")))
            (instance $asker (export "ask" (func $ask)))
            (export "demo:{id}/{id}@1.0.0" (instance $asker)))"#
    );
    let manifest = json!({
        "id": id, "name": "Asker", "version": version,
        "services": [{ "name": format!("demo:{id}"), "version": "1.0.0" }],
        "dependencies": [{
            "service": format!("demo:{service}"), "version": format!("^{import}"), "reason": "It has the answer.",
        }],
        "endpoints": [{ "method": "GET", "path": "/ask", "function": format!("demo:{id}/{id}.ask") }],
    });
    with_section(&wat::parse_str(text).unwrap(), "tenon:manifest", &manifest.to_string())
}

/// A host with these files and settings.
async fn host_with(files: &[(&str, &[u8])], config: &str) -> Host {
    let scratch = crate::common::Scratch::with_plugins(&[]);
    for (name, bytes) in files {
        fs::write(scratch.plugins().join(name), bytes).unwrap();
    }
    let config = scratch.file("tenon.toml", config);
    Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await
}

fn replace(host: &Host, name: &str, bytes: &[u8]) {
    put(&host.scratch().plugins().join(name), bytes);
}

/// Waits until this path gives this number.
async fn answers(client: &Client, path: &str, number: u32) {
    eventually(&format!("{path} to answer {number}"), async || {
        let answer = client.get(path).await;
        (answer.status == 200 && answer.json["data"] == number).then_some(())
    })
    .await;
}

/// Waits until a file is refused and gives the reason.
async fn refused(client: &Client, name: &str) -> String {
    eventually(&format!("{name} to be refused"), async || {
        let files = crate::loader::rejected(client).await;
        files.into_iter().find(|(file, _)| file == name).map(|(_, reason)| reason)
    })
    .await
}

async fn explained(host: &Host, plugin: &str) -> String {
    output(host.scratch().tenon(&["explain", plugin, "--url", host.address()])).await.success()
}

/// The version of a plugin in the list, with what is said of it.
async fn listed(client: &Client, plugin: &str, version: &str) -> Value {
    let answer = client.get("/api/v1/plugins").await;
    let found = answer.rows().iter().find(|row| row["id"] == plugin && row["version"] == version).cloned();
    found.unwrap_or(Value::Null)
}
