//! Components that declare too much: what no call may have is refused when the file is loaded, and what is dear to
//! set up is counted as the call's own. And components of straight code, in which only the host can look at the time.

use std::fs;

use serde_json::{Value, json};

use crate::common::{Host, Scratch};

/// A component of these core definitions, with a function `run` that does nothing. Its service is called as it is.
fn component(id: &str, definitions: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            {definitions}
            (core module $code (func (export "run")))
            (core instance $code (instantiate $code))
            (func $run (canon lift (core func $code "run")))
            (instance $start (export "run" (func $run)))
            (export "hostile:{id}/start@1.0.0" (instance $start)))"#
    );
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn add(scratch: &Scratch, id: &str, definitions: &str) {
    add_file(scratch, id, &component(id, definitions), json!([]));
}

fn add_file(scratch: &Scratch, id: &str, component: &[u8], dependencies: Value) {
    let manifest = json!({
        "id": id, "name": id, "version": "1.0.0", "description": "Declares too much.",
        "services": [{ "name": format!("hostile:{id}"), "version": "1.0.0" }],
        "dependencies": dependencies,
        "endpoints": [{ "method": "POST", "path": "/run", "function": format!("hostile:{id}/start.run") }],
    });
    fs::write(scratch.plugins().join(format!("{id}.wasm")), component).unwrap();
    fs::write(scratch.plugins().join(format!("{id}.plugin.json")), manifest.to_string()).unwrap();
}

fn instances(module: &str, count: usize) -> String {
    let one = r#"(core instance (instantiate $m))"#;
    format!("(core module $m {module}) {}", one.repeat(count))
}

/// Without a loop or a function of its own there is nowhere for wasmtime to look at the time but in the host.
#[tokio::test]
async fn host_calls_one_after_the_other_end_at_the_budget_too() {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    let calls = "call $now drop\n".repeat(60_000);
    let text = format!(
        r#"(component
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
            (core func $now (canon lower (func $clock "now")))
            (core module $code (import "clock" "now" (func $now (result i64))) (func (export "run") {calls}))
            (core instance $clock (export "now" (func $now)))
            (core instance $code (instantiate $code (with "clock" (instance $clock))))
            (func $run (canon lift (core func $code "run")))
            (instance $start (export "run" (func $run)))
            (export "hostile:straight/start@1.0.0" (instance $start)))"#
    );
    add_file(&scratch, "straight", &wat::parse_str(text).unwrap_or_else(|error| panic!("{error}")), json!([]));
    let config = scratch.file("tenon.toml", "limits.cpu_budget_ms = 5");
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    for _ in 0..5 {
        host.post("/plugins/straight/run", json!({})).await.refusal(503, "cpu_budget");
        assert_eq!(host.get("/plugins/greeter/greetings/Ada").await.status, 200);
    }
}

/// As above, with calls of another plugin that are started and dropped: each begins with work for the host, and after a
/// tick of it the caller could go on without ever letting go of its thread.
#[tokio::test]
async fn deferred_calls_one_after_the_other_end_at_the_budget_too() {
    let scratch = Scratch::with_plugins(&["greeter-1-0", "probe"]);
    // Each counts as three calls of the host, and all of them as fewer than limits.host_calls.
    let calls = "i64.const 1 call $start call $drop\n".repeat(30_000);
    let text = format!(
        r#"(component
            (import "demo:probe/probe-deferred@1.0.0" (instance $probe
                (export "sleep-call" (type $call (sub resource)))
                (export "[static]sleep-call.start" (func (param "milliseconds" u64) (result (own $call))))))
            (alias export $probe "sleep-call" (type $call))
            (core func $start (canon lower (func $probe "[static]sleep-call.start")))
            (core func $drop (canon resource.drop $call))
            (core module $code
                (import "call" "start" (func $start (param i64) (result i32)))
                (import "call" "drop" (func $drop (param i32)))
                (func (export "run") {calls}))
            (core instance $call (export "start" (func $start)) (export "drop" (func $drop)))
            (core instance $code (instantiate $code (with "call" (instance $call))))
            (func $run (canon lift (core func $code "run")))
            (instance $start (export "run" (func $run)))
            (export "hostile:starts/start@1.0.0" (instance $start)))"#
    );
    let probe = json!([{ "service": "demo:probe", "version": "^1.0.0", "required": true, "reason": "To be called." }]);
    add_file(&scratch, "starts", &wat::parse_str(text).unwrap_or_else(|error| panic!("{error}")), probe);
    let config = scratch.file("tenon.toml", "limits.cpu_budget_ms = 50");
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    for _ in 0..5 {
        host.post("/plugins/starts/run", json!({})).await.refusal(503, "cpu_budget");
        assert_eq!(host.get("/plugins/greeter/greetings/Ada").await.status, 200);
    }
}

#[tokio::test]
async fn a_component_that_declares_more_than_any_call_may_have_is_not_loaded() {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    let cases = [
        ("memory", instances("(memory 1025)", 1), "67174400 which exceeds the limit"),
        ("memories", instances("(memory 1)", 2), "contains 2 Wasm linear memories"),
        ("memories-in-one", instances("(memory 1) (memory 1)", 1), "memories count of 2"),
        ("memory64", instances("(memory i64 1)", 1), "memory64 must be enabled"),
        ("table", instances("(table 20001 funcref)", 1), "table index 0 has a minimum element size of 20001"),
        ("tables", instances("(table 1 funcref)", 17), "contains 17 tables"),
        ("instances", instances("(func)", 33), "contains 34 core module instances"),
    ];
    for (id, definitions, _) in &cases {
        add(&scratch, id, definitions);
    }
    let host = Host::start(scratch, &["--dev"]).await;
    let listed = host.get("/api/v1/plugins").await.json["rejected"].clone();
    for (id, _, expected) in &cases {
        let of_this = |file: &&Value| file["fileName"] == format!("{id}.wasm");
        let rejected = listed.as_array().and_then(|files| files.iter().find(of_this));
        let reason = rejected.and_then(|file| file["reason"].as_str()).unwrap_or("it was loaded");
        assert!(reason.contains(expected), "{id}: {reason}");
    }
    assert_eq!(host.get("/plugins/greeter/greetings/Ada").await.status, 200);
}

/// Nothing can stop the host while it copies a segment, but the time is the call's: its first instruction is its last.
#[tokio::test]
async fn data_that_is_dear_to_set_up_is_paid_for_by_the_call() {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    // 30 instances, each of which copies 16 MiB into the one memory.
    let data = "a".repeat(16 << 20);
    let definitions = format!(
        r#"(core module $memory (memory (export "memory") 1000))
           (core instance $memory (instantiate $memory))
           (core module $data (import "m" "memory" (memory 1)) (data (i32.const 0) "{data}"))
           {}"#,
        r#"(core instance (instantiate $data (with "m" (instance $memory))))"#.repeat(30)
    );
    add(&scratch, "data", &definitions);
    add(&scratch, "outside", &instances(r#"(memory 1) (data (i32.const 65530) "beyond the end")"#, 1));
    let config = scratch.file("tenon.toml", "limits.cpu_budget_ms = 10");
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    for _ in 0..5 {
        host.post("/plugins/data/run", json!({})).await.refusal(503, "cpu_budget");
        let outside = host.post("/plugins/outside/run", json!({})).await;
        assert!(outside.message(502, "plugin_trapped").contains("out of bounds"), "{outside:?}");
        assert_eq!(host.get("/plugins/greeter/greetings/Ada").await.status, 200);
    }
}
