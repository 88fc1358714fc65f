//! Headers that say who asks, where from, and how: what a plugin hears of them, and what it can say.

use serde_json::json;

use super::wire::{Raw, Wire, address, header};
use super::with_mirror;
use crate::common::{Host, ask};

async fn seen(host: &Host, lines: &str) -> Raw {
    let mut wire = Wire::connect(address(host)).await;
    let head = format!("GET /plugins/mirror/ HTTP/1.1\r\nHost: {}\r\n{lines}\r\n", address(host));
    wire.exchange("", head.into_bytes()).await.unwrap()
}

/// The names and values that reached the plugin, without the host's own two.
fn reached(answer: &Raw) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let lines = text.lines().filter(|line| line.contains(": "));
    lines.filter(|line| !line.starts_with("x-correlation-id: ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn no_identity_but_the_hosts_reaches_a_plugin() {
    let host = with_mirror(&[], "").await;
    for line in [
        "X-Caller-Plugin-ID: crm",
        "x-caller-plugin-id: crm",
        "X_Caller_Plugin_ID: crm",
        "X-Caller_Plugin-Id: crm",
        "X_Tenant_ID: acme",
        "X-Tenant_ID: acme",
        "x_tenant-id: acme",
        "X-Tenant: acme",
        "X-Tenant-Name: acme",
        "X_User_ID: root",
        "X-User: root",
        "X-Remote-User: root",
        "Remote-User: root",
        "Remote_User: root",
        "X_Workspace_ID: north",
        "X_Correlation_ID: forged",
        "X-Roles: owner",
        "X-Role: owner",
        "X-Permissions: all",
        "X-Tenon-Internal: 1",
        "Forwarded: for=10.0.0.1;host=example.com;proto=https",
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-Host: example.com",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /plugins/crm",
        "X-Forwarded-User: root",
        "X_Forwarded_For: 10.0.0.1",
        "X-Real-IP: 10.0.0.1",
        "X-Client-IP: 10.0.0.1",
        "True-Client-IP: 10.0.0.1",
        "CF-Connecting-IP: 10.0.0.1",
        "Via: 1.1 proxy",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-HTTP-Method-Override: DELETE",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eDp5",
        "Proxy-Authenticate: Basic",
        "TE: trailers",
        "Trailer: X-Tenant-ID",
        "Connection: keep-alive\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        "Connection: X-Mine, x-tenant-id\r\nX-Mine: 1",
        "Connection: x-mine\r\nConnection: X-Other\r\nX-MINE: 1\r\nX-Other: 2",
    ] {
        let answer = seen(&host, &format!("{line}\r\n")).await;
        assert_eq!(reached(&answer), ["x-tenant-id: demo"], "{line}");
        assert_ne!(header(&answer.head, "x-correlation-id"), Some("forged"), "{line}");
    }
    // What is none of these is the client's own.
    let kept = seen(&host, "X-Colour: green\r\nX-Forwarder: a\r\nCookie: b\r\n").await;
    let mut kept = reached(&kept);
    kept.sort();
    assert_eq!(kept, ["cookie: b", "x-colour: green", "x-forwarder: a", "x-tenant-id: demo"]);
    // What the host took for a credential the plugin never sees.
    let made = host.post("/api/v1/keys", json!({"role": "member"})).await;
    let (id, key) = (&made.data(201)["id"], &made.data(201)["key"]);
    let answer = seen(&host, &format!("Authorization: Bearer {}\r\n", key.as_str().unwrap())).await;
    let user = format!("x-user-id: key:{}", id.as_str().unwrap());
    let mut reached = reached(&answer);
    reached.sort();
    assert_eq!(reached, ["x-tenant-id: demo".to_owned(), user]);
}

#[tokio::test]
async fn the_context_of_a_call_is_none_of_the_clients_words() {
    let host = Host::with_plugins(&["probe"]).await;
    let claims = [
        ("X-Caller-Plugin-ID", "crm"),
        ("X_Caller_Plugin_ID", "crm"),
        ("X_Tenant_ID", "acme"),
        ("X_User_ID", "root"),
        ("X_User_Roles", "root"),
        ("X-Roles", "root"),
        ("X-Remote-User", "root"),
        ("Forwarded", "for=10.0.0.1;by=crm"),
        ("X-Forwarded-User", "root"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X_Correlation_ID", "forged"),
        ("X-Depth", "7"),
    ];
    for client in [host.tenant("demo"), host.http2().tenant("demo")] {
        let request = client.request(reqwest::Method::GET, "/plugins/probe/context");
        let answer = ask(claims.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await;
        let context = answer.data(200);
        let seen = ["tenant", "user", "workspace", "callingPlugin", "roles", "depth"].map(|name| context[name].clone());
        assert_eq!(json!(seen), json!(["demo", null, null, null, ["operator", "owner"], 0]));
        assert_ne!(context["correlationId"], "forged");
    }
}

#[tokio::test]
async fn what_dev_mode_believes_is_one_valid_id() {
    let host = with_mirror(&[], "").await;
    for (lines, expected) in [
        ("X-Tenant-ID: acme\r\n", "x-tenant-id: acme"),
        ("x-tenant-id: \t acme \t \r\n", "x-tenant-id: acme"),
        ("X-TENANT-ID:acme\r\n", "x-tenant-id: acme"),
        ("X-Tenant-ID: acme\r\nX_Tenant_ID: globex\r\n", "x-tenant-id: acme"),
    ] {
        assert_eq!(reached(&seen(&host, lines).await), [expected], "{lines}");
    }
    for lines in [
        "X-Tenant-ID: acme\r\nX-Tenant-ID: globex\r\n",
        "X-Tenant-ID: acme\r\nx-tenant-id: acme\r\n",
        "X-Tenant-ID: acme, globex\r\n",
        "X-Tenant-ID: ../acme\r\n",
        "X-Tenant-ID: Acme\r\n",
        "X-Tenant-ID: acme%00\r\n",
        "X-Tenant-ID: \"acme\"\r\n",
        "X-Tenant-ID: \r\n",
        "X-User-ID: a\r\nX-User-ID: b\r\n",
        "X-User-ID: \r\n",
        "X-Workspace-ID: a\r\nX-Workspace-ID: b\r\n",
    ] {
        let refused = seen(&host, lines).await;
        assert!(refused.status == 400 && refused.text().contains("bad_header"), "{lines}: {}", refused.text());
    }
    // Without dev mode, nobody is believed.
    let scratch = super::mirror_scratch(&[]);
    let closed = Host::start(scratch, &[]).await;
    let refused = seen(&closed, "X-Tenant-ID: demo\r\nX-User-ID: root\r\n").await;
    assert!(refused.status == 401 && refused.text().contains("unauthenticated"), "{}", refused.text());
}

async fn told(host: &Host, lines: &str) -> (Raw, Option<Raw>) {
    let mut wire = Wire::connect(address(host)).await;
    let head = format!("POST /plugins/mirror/answer HTTP/1.1\r\nHost: {}\r\nContent-Length: ", address(host));
    wire.send(format!("{head}{}\r\n\r\n{lines}", lines.len())).await;
    let first = wire.answer().await.unwrap();
    wire.send(format!("GET /health/live HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", address(host))).await;
    let second = wire.answer().await;
    assert!(wire.answer().await.is_none(), "{lines:?} made one answer too many");
    (first, second)
}

#[tokio::test]
async fn a_plugin_speaks_for_itself_alone() {
    let host = with_mirror(&[], "").await;
    for line in [
        "connection: close, x-colour",
        "connection: upgrade",
        "upgrade: h2c",
        "keep-alive: timeout=1000",
        "proxy-connection: close",
        "proxy-authenticate: Basic",
        "te: trailers",
        "trailer: x-tenant-id",
        "transfer-encoding: chunked",
        "transfer-encoding: identity",
        "transfer_encoding: identity",
        "x-tenant-id: acme",
        "x_tenant_id: acme",
        "x-user-id: root",
        "x-caller-plugin-id: crm",
        "x-correlation-id: forged",
        "via: 1.1 tenon",
        "x-split: 1\\r\\nset-cookie: session=forged",
        "x-split: 1\\r\\n\\r\\nHTTP/1.1 200 OK",
        "x-split: 1\\nset-cookie: session=forged",
        "x-split: 1\\rset-cookie: session=forged",
        "x-split: 1\\0",
        "x split: 1",
        "x-split\\r\\nset-cookie: session=forged",
    ] {
        let (answer, next) = told(&host, &format!("{line}\nx-kept: 1\n")).await;
        assert_eq!((answer.status, header(&answer.head, "x-kept")), (200, Some("1")), "{line}: {}", answer.head);
        // The host's own framing is chunked here, and nothing else may be left of it.
        let head = answer.head.replace("transfer-encoding: chunked\r\n", "").replace("x-correlation-id: 0", "");
        let name = line.split_once(": ").map_or(line, |(name, _)| name);
        assert!(!head.contains(&format!("\r\n{name}: ")), "{line}: {}", answer.head);
        assert!(!head.contains("set-cookie") && !head.contains("forged"), "{line}: {}", answer.head);
        assert_eq!(next.map(|next| next.status), Some(200), "{line}: the connection goes on");
    }
    for status in [100, 101, 103, 199] {
        let (answer, next) = told(&host, &format!("status: {status}\n")).await;
        assert!(answer.status == 502 && answer.text().contains("bad_answer"), "{status}: {}", answer.text());
        assert_eq!(next.map(|next| next.status), Some(200), "{status}");
    }
}

#[tokio::test]
async fn a_plugin_that_lies_about_its_length_harms_its_own_answer_alone() {
    let host = with_mirror(&[], "").await;
    // Of a text that is longer, only as much is sent; one that is shorter breaks off.
    let (answer, next) = told(&host, "content-length: 3\nx split: 1\n").await;
    assert_eq!((answer.body.len(), next.map(|next| next.status)), (3, Some(200)));
    let mut wire = Wire::connect(address(&host)).await;
    let lines = "content-length: 30\n";
    let head = format!("POST /plugins/mirror/answer HTTP/1.1\r\nHost: {}\r\nContent-Length: ", address(&host));
    wire.send(format!("{head}{}\r\n\r\n{lines}", lines.len())).await;
    wire.send(format!("GET /health/live HTTP/1.1\r\nHost: {}\r\n\r\n", address(&host))).await;
    assert!(wire.answers().await.is_empty(), "half an answer and then another would be read as one");
}
