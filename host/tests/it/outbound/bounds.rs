//! What one request can take: time and bytes.

use serde_json::json;

use super::server::Outside;
use super::world::{World, assert_error, manifest};
use crate::common::{Host, eventually};

/// A world with one server that does not behave, and its address for plugins.
async fn misbehaving(config: &str) -> (World, Outside, String) {
    let server = Outside::start().await;
    let world = World::start(manifest(&[server.port()]), &[server.address.to_string()], config).await;
    let url = format!("http://bad.outbound.test:{}", server.port());
    (world, server, url)
}

async fn all_closed(server: &Outside) {
    eventually("every connection is closed", async || (server.open() == 0).then_some(())).await;
}

/// A second for each request: a server that drips ends there, whatever it still drips.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_takes_its_time_is_given_up() {
    let (world, server, url) = misbehaving("outbound.timeout_ms = 1000\n").await;
    let slow = ["/hang", "/drip-head", "/drip-body"].map(|path| format!("{url}{path}"));
    let outcomes = slow.each_ref().map(|url| world.ask(url));
    for outcome in futures::future::join_all(outcomes).await {
        assert_error(&outcome, "Timeout");
    }
    // A plugin that has less time than that says so itself.
    let hang = json!({ "url": format!("{url}/hang"), "timeoutMs": 50 });
    assert_error(world.call("ask", hang).await.data(200), "Timeout");
    all_closed(&server).await;
    let log = world.log();
    assert!(log.contains("it took longer than it may") && log.contains("plugin=fetcher 1.0.0"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_end_ends_at_the_limit() {
    let (world, server, url) = misbehaving("outbound.response_bytes = 2097152\n").await;
    assert_error(&world.raw("GET", &format!("{url}/endless"), &[], 0).await, "HttpResponseBodySize(Some(2097152))");
    assert_error(&world.raw("GET", &format!("{url}/big-head"), &[], 0).await, "HttpResponseHeaderSectionSize");
    // Who says beforehand that it is too large is not even begun with.
    let huge = world.raw("GET", &format!("{url}/huge"), &[], 0).await;
    assert_eq!(huge["error"], "ErrorCode::HttpResponseBodySize(Some(2097152))", "{huge}");
    all_closed(&server).await;
    assert!(server.written() < 64 << 20, "{} bytes were taken", server.written());
}

/// A megabyte of nothing packed into a thousand bytes, again and again: ten thousand of them would be 10 GB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_gigabytes_of_nothing_end_at_the_limit() {
    let (world, server, url) = misbehaving("").await;
    let outcome = world.raw("GET", &format!("{url}/bomb"), &[], 0).await;
    assert_error(&outcome, "HttpResponseBodySize(Some(8388608))");
    let error = outcome["error"].as_str().unwrap();
    let read: usize = error.strip_prefix("after ").and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    assert!(read <= 8 << 20, "{error}");
    all_closed(&server).await;
    // Whoever asks for it packed gets it packed, up to the same limit.
    let packed = world.raw("GET", &format!("{url}/bomb"), &["accept-encoding: gzip"], 0).await;
    assert_error(&packed, "HttpResponseBodySize");
    all_closed(&server).await;
}

#[tokio::test]
async fn a_request_is_no_larger_than_it_may_be() {
    let (world, server, url) = misbehaving("outbound.request_bytes = 100000\n").await;
    let sent = world.raw("POST", &format!("{url}/hang"), &[], 100_001).await;
    assert_error(&sent, "HttpRequestBodySize");
    let said = world.raw("POST", &format!("{url}/hang"), &["content-length: 100001"], 100_001).await;
    assert_error(&said, "HttpRequestBodySize");
    let fits = world.raw("POST", &format!("{url}/echo"), &["content-length: 100000"], 100_000).await;
    assert_eq!((&fits["status"], &fits["length"]), (&json!(200), &json!(100_000)));
    all_closed(&server).await;
}

/// What wasmtime's own code has to say of such requests is nobody's share of the log.
#[tokio::test]
async fn requests_that_are_not_whole_do_not_fill_the_log() {
    let host = Host::with_plugins(&["hostile-outbound"]).await;
    let begun = host.post("/plugins/hostile-outbound/broken", json!({ "times": 100 })).await;
    assert_eq!(*begun.data(200), json!(0));
    let log = std::fs::read_to_string(host.scratch().log()).unwrap();
    assert!(!log.contains("http request error"), "{log}");
}
