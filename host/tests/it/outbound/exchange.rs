//! What is exchanged with a host outside that may be asked.

use reqwest::Method;
use serde_json::json;

use super::server::Outside;
use super::world::{World, assert_error, manifest};
use crate::common::ask;

const SERVER: &[u8] = include_bytes!("tls/server.pem");

/// A world with one server with TLS, and its address for plugins.
async fn secure() -> (World, Outside, String) {
    let server = Outside::with_tls("127.0.0.1:0", SERVER).await;
    let world = World::start(manifest(&[server.port()]), &[server.address.to_string()], "").await;
    let url = format!("https://api.outbound.test:{}", server.port());
    (world, server, url)
}

#[tokio::test]
async fn a_host_that_proves_who_it_is_is_asked_and_heard() {
    let (world, server, url) = secure().await;
    let outcome = world.ask(&format!("{url}/path?and=query")).await;
    assert_eq!((&outcome["status"], &outcome["text"]), (&json!(200), &json!("well behaved")));
    assert!(outcome["headers"].to_string().contains("x-colour: green"), "{outcome}");
    let head = server.requests().remove(0);
    assert!(head.starts_with("GET /path?and=query HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: api.outbound.test:{}\r\n", server.port())), "{head}");

    let body = "x".repeat(300_000);
    let sent = world.call("ask", json!({ "url": format!("{url}/echo"), "body": body })).await;
    assert_eq!((&sent.data(200)["status"], &sent.data(200)["length"]), (&json!(200), &json!(body.len())));
    assert_eq!(world.ask(&format!("{url}/missing")).await["status"], 404);
    let head = world.raw("HEAD", &format!("{url}/"), &[], 0).await;
    assert_eq!((&head["status"], &head["length"]), (&json!(200), &json!(0)));
}

#[tokio::test]
async fn whose_request_it_is_stays_in_the_host() {
    let server = Outside::start().await;
    let mut manifest = manifest(&[server.port()]);
    let traced = json!({
        "host": "traced.outbound.test", "ports": [server.port()], "traceContext": true, "description": "Traced."
    });
    manifest["outbound"].as_array_mut().unwrap().push(traced);
    let world = World::start(manifest, &[server.address.to_string()], "").await;
    let url = |host: &str| format!("http://{host}.outbound.test:{}/", server.port());
    let body =
        |host: &str, headers: &[&str]| json!({ "method": "GET", "url": url(host), "headers": headers, "bodyBytes": 0 });
    let raw = async |body| {
        let request = world.host.request(Method::POST, "/plugins/fetcher/raw").json(&body);
        let request = request.header("X-Tenant-ID", "acme").header("X-User-ID", "ada");
        let request = request.header("X-Correlation-ID", "018f6f3e-6c1c-7cc5-a6fb-6d8c0f1e2a3b");
        ask(request).await.data(200).clone()
    };
    // What a plugin says is the plugin's word; of the trace context it has none.
    let own = ["x-tenant-id: of-the-plugin", "traceparent: 00-1-2-00", "x-correlation-id: a", "tracestate: b=c"];
    assert_eq!(raw(body("plain", &own)).await["status"], 200);
    assert_eq!(raw(body("traced", &own)).await["status"], 200);
    let [plain, traced] = &server.requests()[..] else { panic!("two requests") };
    for head in [plain, traced] {
        let told = ["acme", "ada", "demo", "x-user", "x-correlation-id", "tracestate"];
        assert!(told.iter().all(|told| !head.contains(told)), "{head}");
        assert!(head.contains("x-tenant-id: of-the-plugin\r\n"), "{head}");
    }
    assert!(!plain.contains("traceparent"), "{plain}");
    assert!(traced.contains("traceparent: 00-018f6f3e6c1c7cc5a6fb6d8c0f1e2a3b-"), "{traced}");
}

#[tokio::test]
async fn what_belongs_to_the_connection_is_the_hosts() {
    let (world, server, url) = secure().await;
    for (header, told) in [
        ("connection: keep-alive", "Forbidden"),
        ("host: 127.0.0.1", "Forbidden"),
        ("transfer-encoding: chunked", "Forbidden"),
        ("upgrade: websocket", "Forbidden"),
        ("proxy-authorization: Basic eA==", "Forbidden"),
        ("te: trailers", "HttpProtocolError"),
        ("trailer: x", "HttpProtocolError"),
        ("expect: 100-continue", "HttpProtocolError"),
        ("x-a: b\r\nx-evil: 1", "InvalidSyntax"),
        ("x-a\r\nx-evil: 1", "InvalidSyntax"),
    ] {
        assert_error(&world.raw("GET", &url, &[header], 0).await, told);
    }
    for method in ["CONNECT", "TRACE"] {
        assert_error(&world.raw(method, &url, &[], 0).await, "HttpRequestMethodInvalid");
    }
    for method in ["G E T", "GET\r\n", ""] {
        assert_error(&world.raw(method, &url, &[], 0).await, "refused as it was set");
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

/// Packed bodies are unpacked for whoever does not say what it takes.
#[tokio::test]
async fn gzip_is_unpacked_unless_the_plugin_asks_for_it() {
    let (world, server, url) = secure().await;
    let url = format!("{url}/gzip");
    let outcome = world.ask(&url).await;
    assert_eq!(outcome["text"], "small when packed");
    let headers = outcome["headers"].to_string();
    assert!(!headers.contains("content-encoding") && !headers.contains("content-length"), "{headers}");
    let raw = world.raw("GET", &url, &["accept-encoding: gzip"], 0).await;
    assert!(raw["text"] != "small when packed" && raw["headers"].to_string().contains("content-encoding: gzip"));
    assert!(server.requests()[0].contains("accept-encoding: gzip"));
    assert_error(&world.raw("GET", &url.replace("gzip", "no-gzip"), &[], 0).await, "HttpResponseContentCoding");
}

#[tokio::test]
async fn what_breaks_off_is_no_answer() {
    let (world, _server, url) = secure().await;
    assert_error(&world.raw("GET", &format!("{url}/short"), &[], 0).await, "HttpResponseIncomplete");
    assert_error(&world.raw("GET", &format!("{url}/garbage"), &[], 0).await, "HttpProtocolError");
    let refused = world.ask("http://nobody.outbound.test:1/").await;
    assert_error(&refused, "Denied");
}

/// Two tenants at one host at once: each hears what it said, and the log has each one's failures under its own name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_one_tenants_exchange_reaches_another() {
    // Two of them together are less than a plugin may make at once.
    const EACH: usize = 25;
    let (world, server, url) = secure().await;
    let exchange = async |tenant: &'static str| {
        let client = world.host.tenant(tenant);
        for turn in 0..EACH {
            let said = format!("{tenant}-canary-{turn}");
            let body = json!({ "url": format!("{url}/echo"), "body": said });
            let heard = client.post("/plugins/fetcher/ask", body).await.data(200).clone();
            assert_eq!((&heard["status"], &heard["text"]), (&json!(200), &json!(said)), "{heard}");
            let refused = json!({ "url": format!("https://{said}.elsewhere.test/") });
            let refused = client.post("/plugins/fetcher/ask", refused).await;
            assert_error(refused.data(200), "Denied");
        }
    };
    tokio::join!(exchange("tenant-a"), exchange("tenant-b"), exchange("tenant-a"), exchange("tenant-b"));
    assert_eq!((server.connections(), server.requests().len()), (4 * EACH, 4 * EACH), "a connection for each request");
    let log = world.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("elsewhere.test")).collect();
    assert!(!lines.is_empty());
    for line in lines {
        let own =
            ["tenant-a", "tenant-b"].into_iter().find(|tenant| line.contains(&format!("tenant={tenant}"))).unwrap();
        assert!(line.contains(&format!("{own}-canary")) && line.matches("-canary").count() == 1, "{line}");
    }
}
