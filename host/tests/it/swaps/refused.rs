//! What does not work does not take the place of what does.

use reqwest::Method;
use serde_json::json;

use super::{NEVER, answers, asker, host_with, listed, refused, replace, thing, thing_with};
use crate::common::ask;
use crate::files::with_section;
use crate::loader::rejected;

#[tokio::test]
async fn a_version_without_its_provider_waits_and_the_old_one_goes_on() {
    let host = host_with(&[("thing.wasm", &thing("1.0.0", "1.0.0", 1))], NEVER).await;
    replace(&host, "asker.wasm", &asker("asker", "1.0.0", "1.0.0"));
    answers(&host, "/plugins/asker/ask", 1).await;
    replace(&host, "asker.wasm", &asker("asker", "2.0.0", "2.0.0"));
    let reason = refused(&host, "asker.wasm").await;
    assert_eq!(
        reason,
        "asker 1.0.0 goes on, because asker 2.0.0 would not be active in its place: nothing provides demo:thing/thing \
         ^2.0.0, needed for: It has the answer."
    );
    answers(&host, "/plugins/asker/ask", 1).await;
    assert!(
        super::explained(&host, "asker").await.contains("asker 2.0.0 — refused\n  asker.wasm: asker 1.0.0 goes on")
    );
    // Nobody touches its file: its provider arrives.
    replace(&host, "thing-2.wasm", &thing("2.0.0", "2.0.0", 2));
    answers(&host, "/plugins/asker/ask", 2).await;
    assert_eq!(rejected(&host).await, []);
    assert!(listed(&host, "asker", "1.0.0").await.is_null());
}

#[tokio::test]
async fn a_version_that_does_not_start_is_refused_and_the_old_one_goes_on() {
    let host = host_with(&[("thing.wasm", &thing("1.0.0", "1.0.0", 1))], NEVER).await;
    let code = r#"(func $start unreachable) (start $start) (func (export "act") (result i32) (i32.const 2))"#;
    replace(&host, "thing.wasm", &thing_with("1.1.0", "1.0.0", "u32", code));
    let reason = refused(&host, "thing.wasm").await;
    let expected = "thing 1.0.0 goes on, because thing 1.1.0 does not start: plugin thing trapped: ";
    assert!(reason.starts_with(expected), "{reason}");
    answers(&host, "/plugins/thing/act", 1).await;
    replace(&host, "thing.wasm", &thing("1.2.0", "1.0.0", 3));
    answers(&host, "/plugins/thing/act", 3).await;
    assert_eq!(rejected(&host).await, []);
}

#[tokio::test]
async fn a_version_that_spins_as_it_starts_costs_its_budget_and_the_old_one_goes_on() {
    let config = format!("{NEVER}\nlimits.cpu_budget_ms = 200");
    let host = host_with(&[("thing.wasm", &thing("1.0.0", "1.0.0", 1))], &config).await;
    let code = r#"(func $start (loop (br 0))) (start $start) (func (export "act") (result i32) (i32.const 2))"#;
    replace(&host, "thing.wasm", &thing_with("1.1.0", "1.0.0", "u32", code));
    let reason = refused(&host, "thing.wasm").await;
    assert!(reason.ends_with("plugin thing used up the CPU budget of the request"), "{reason}");
    answers(&host, "/plugins/thing/act", 1).await;
}

#[tokio::test]
async fn what_a_rollout_kept_out_comes_in_when_that_is_ended() {
    let host = host_with(&[("thing.wasm", &thing("1.0.0", "1.0.0", 1))], NEVER).await;
    let path = "/api/v1/rollouts/thing";
    host.put(path, json!({ "version": "1.0.0", "percent": 100 })).await.data(200);
    replace(&host, "thing.wasm", &thing("1.1.0", "1.0.0", 2));
    let reason = refused(&host, "thing.wasm").await;
    assert!(reason.contains("no rollout gives it"), "{reason}");
    answers(&host, "/plugins/thing/act", 1).await;
    // Nobody touches its file.
    let etag = host.get(path).await.header("etag").to_owned();
    ask(host.request(Method::DELETE, path).header("If-Match", etag)).await.data(200);
    answers(&host, "/plugins/thing/act", 2).await;
    assert_eq!(rejected(&host).await, []);
}

#[tokio::test]
async fn what_lacks_a_grant_to_take_anothers_place_can_be_granted_it() {
    let (old, thing) = (knows_itself("0.9.0"), thing("1.0.0", "1.0.0", 1));
    let config = format!("{NEVER}\ngrants.automatic = \"never\"");
    let host = host_with(&[("thing.wasm", &thing), ("asker.wasm", &old)], &config).await;
    answers(&host, "/plugins/asker/ask", 7).await;
    replace(&host, "asker.wasm", &asker("asker", "1.0.0", "1.0.0"));
    let reason = refused(&host, "asker.wasm").await;
    assert!(reason.contains("is not granted demo:thing"), "{reason}");
    let asks = host.get("/api/v1/plugins/asker/grants").await;
    assert_eq!((&asks.rows()[0]["value"], &asks.rows()[0]["versions"]), (&json!("demo:thing"), &json!(["1.0.0"])));
    host.post("/api/v1/plugins/asker/grants", json!({ "all": true })).await.data(200);
    answers(&host, "/plugins/asker/ask", 1).await;
    assert_eq!(rejected(&host).await, []);
}

/// An earlier asker, which needs nobody.
fn knows_itself(version: &str) -> Vec<u8> {
    let text = r#"(component
        (core module $code (func (export "ask") (result i32) (i32.const 7)))
        (core instance $code (instantiate $code))
        (func $ask (result u32) (canon lift (core func $code "ask")))
        (instance $asker (export "ask" (func $ask)))
        (export "demo:asker/asker@1.0.0" (instance $asker)))"#;
    let manifest = json!({
        "id": "asker", "name": "Asker", "version": version,
        "services": [{ "name": "demo:asker", "version": "1.0.0" }],
        "endpoints": [{ "method": "GET", "path": "/ask", "function": "demo:asker/asker.ask" }],
    });
    with_section(&wat::parse_str(text).unwrap(), "tenon:manifest", &manifest.to_string())
}
