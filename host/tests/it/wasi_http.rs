//! A standard `wasi:http` component as a plugin, and what a plugin may ask of the world outside.

use reqwest::Method;
use serde_json::json;

use crate::common::{Client, Host, ask};

#[tokio::test]
async fn a_component_that_knows_nothing_of_tenon_serves_below_its_id() {
    let host = Host::with_plugins(&["hello"]).await;
    for path in ["/plugins/hello/", "/plugins/hello"] {
        let answer = host.get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "Hello from a standard wasi:http component"), "{path}");
        assert_eq!(answer.header("content-type"), "text/plain");
    }
    let listed = host.get("/api/v1/plugins/hello").await.data(200)["versions"][0].clone();
    assert_eq!(json!([listed["id"], listed["version"], listed["status"]]), json!(["hello", "1.0.0", "active"]));
}

#[tokio::test]
async fn requests_over_http_2_reach_handlers_and_endpoints() {
    let host = Host::with_plugins(&["hello", "crm"]).await;
    let http2 = host.http2();
    let answer = http2.get("/plugins/hello/headers").await;
    assert_eq!((answer.status, answer.json["x-tenant-id"].as_str()), (200, Some("demo")), "{}", answer.text);
    assert_eq!(http2.get("/plugins/crm/contacts").await.total(), 4);
}

#[tokio::test]
async fn the_plugins_own_statuses_are_the_answer() {
    let host = Host::with_plugins(&["hello"]).await;
    let missing = host.get("/plugins/hello/nothing/here").await;
    assert_eq!((missing.status, missing.text.as_str()), (404, "there is nothing at /nothing/here"));
    let wrong = ask(host.request(Method::DELETE, "/plugins/hello/")).await;
    assert_eq!((wrong.status, wrong.text.as_str()), (405, "this path takes another method"));
    // The host's own 404 is another.
    host.get("/plugins/nobody/").await.refusal(404, "plugin_not_found");
}

#[tokio::test]
async fn identity_headers_are_the_hosts_and_the_others_the_clients() {
    let host = Host::with_plugins(&["hello"]).await;
    let request = host.request(Method::GET, "/plugins/hello/headers");
    let request = request.header("X-Caller-Plugin-ID", "crm").header("X-Workspace-ID", "north");
    let request = request.header("X-User-ID", "ada").header("X-Tenant-ID", "acme").header("X-Colour", "green");
    let answer = ask(request).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let seen = &answer.json;
    assert_eq!(
        json!([seen["x-tenant-id"], seen["x-user-id"], seen["x-workspace-id"], seen["x-colour"]]),
        json!(["acme", "ada", "north", "green"])
    );
    assert_eq!(seen["x-caller-plugin-id"], json!(null), "a client called itself a plugin");
    let correlation = seen["x-correlation-id"].as_str().unwrap_or_default();
    assert!(correlation.len() >= 16, "{seen:#}");
    assert_eq!(answer.header("x-correlation-id"), correlation);
}

#[tokio::test]
async fn without_identity_headers_the_plugin_sees_the_demo_tenant_and_nobody() {
    let host = Host::with_plugins(&["hello"]).await;
    let seen = host.get("/plugins/hello/headers").await.json;
    assert_eq!(json!([seen["x-tenant-id"], seen["x-user-id"]]), json!(["demo", null]));
    let named = host.request(Method::GET, "/plugins/hello/headers").header("X-Correlation-ID", "order-4711");
    assert_eq!(ask(named).await.json["x-correlation-id"], "order-4711");
    // An id that is none is not believed, and no way to smuggle a second tenant.
    let twice = host.tenant("acme").request(Method::GET, "/plugins/hello/headers").header("X-Tenant-ID", "globex");
    ask(twice).await.refusal(400, "bad_header");
    host.tenant("../acme").get("/plugins/hello/headers").await.refusal(400, "bad_header");
}

#[tokio::test]
async fn a_body_of_any_type_comes_back_byte_for_byte() {
    let host = Host::with_plugins(&["hello"]).await;
    let bytes: Vec<u8> = (0..300_000u32).map(|number| (number % 251) as u8).collect();
    let request = host.request(Method::POST, "/plugins/hello/echo").header("Content-Type", "application/x-bytes");
    let response = request.body(bytes.clone()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/x-bytes");
    assert!(response.bytes().await.unwrap() == bytes, "the echo differs");

    let empty = ask(host.request(Method::POST, "/plugins/hello/echo")).await;
    assert_eq!((empty.status, empty.text.as_str()), (200, ""));
}

#[tokio::test]
async fn a_body_over_the_limit_does_not_reach_the_plugin() {
    let host = Host::with_config(&["hello"], "http.body_bytes = 1000").await;
    let echo = |size: usize| ask(host.request(Method::POST, "/plugins/hello/echo").body("x".repeat(size)));
    echo(1001).await.refusal(413, "too_large");
    assert_eq!(echo(1000).await.text.len(), 1000);
}

#[tokio::test]
async fn an_answer_may_be_written_while_it_is_read() {
    let host = Host::with_plugins(&["hello"]).await;
    let answer = host.get("/plugins/hello/stream").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "one\ntwo\nthree\nfour\n"));
    // A length would mean that the host had gathered it before.
    assert_eq!(answer.header("content-length"), "");
}

#[tokio::test]
async fn an_answer_that_outlasts_the_deadline_breaks_off() {
    // Four chunks of 20 ms each: the head is there in time, the end is not.
    let host = Host::with_config(&["hello"], "limits.wall_deadline_ms = 50\nlimits.cpu_budget_ms = 50").await;
    let request = host.request(Method::GET, "/plugins/hello/stream");
    let response = request.send().await.unwrap();
    if response.status() == 200 {
        let body = response.text().await;
        assert!(body.is_err(), "it looks whole to the client: {body:?}");
    } else {
        // On a machine so busy that not even the head was there in time.
        assert_eq!(response.status(), 504);
    }
}

async fn fetch(client: &Client, url: &str) -> String {
    let answer = client.post("/plugins/probe/fetch", json!({ "url": url })).await;
    answer.message(400, "http").to_owned()
}

#[tokio::test]
async fn a_plugin_reaches_nothing_outside() {
    let host = Host::with_plugins(&["probe"]).await;
    // Its manifest asks for no host; `outbound.rs` has those that do.
    for (url, reason) in [
        ("http://example.com/", "HttpRequestDenied"),
        ("http://localhost/", "HttpRequestDenied"),
        ("https://192.0.2.1/", "HttpRequestUriInvalid"),
        (host.address(), "HttpRequestUriInvalid"),
    ] {
        let told = fetch(&host, url).await;
        assert!(told.contains(reason), "{url}: {told}");
    }
}
