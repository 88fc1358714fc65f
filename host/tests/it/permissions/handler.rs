//! Permissions of a plugin with a `wasi:http` handler of its own, which may read paths and methods as it likes.

use reqwest::Method;
use serde_json::json;

use super::{A, B, names, test_roles, users};
use crate::common::{Host, Scratch, ask};

/// Declared endpoints. The component itself knows nothing of permissions.
const ENDPOINTS: [(&str, &str, u8); 6] = [
    ("GET", "/", 0),
    ("GET", "/headers", A),
    ("POST", "/echo", B),
    ("GET", "/stream", A | B),
    ("GET", "/files/{name}", A),
    ("GET", "/files/list", B),
];

/// Requests and what they need: those of the endpoints, what a handler might take for one, and what none names.
const REQUESTS: [(&str, &str, u8); 22] = [
    ("GET", "/", 0),
    ("GET", "/headers", A),
    ("POST", "/echo", B),
    ("GET", "/stream", A | B),
    ("GET", "/files/x", A),
    ("GET", "/files/list", B),
    ("HEAD", "/headers", A),
    ("HEAD", "/stream", A | B),
    ("POST", "/headers", A),
    ("GET", "/echo", B),
    ("OPTIONS", "/stream", A | B),
    ("GET", "//headers", A),
    ("GET", "/headers/", A),
    ("GET", "/%68eaders", A),
    ("GET", "/HEADERS", A),
    ("GET", "/x%2F..%2Fheaders", A),
    ("GET", "/files/%ff", A),
    ("GET", "/files/%6cist", B),
    // It fits `/files/{name}` as it stands, and could be taken for `/headers`.
    ("GET", "/files/..%2F..%2Fheaders", A),
    ("GET", "/files/..%2F..%2Fstream", A | B),
    ("GET", "/elsewhere", 0),
    ("DELETE", "/files", 0),
];

#[tokio::test]
async fn no_way_of_writing_a_path_leads_around_its_permissions() {
    let scratch = Scratch::with_plugins(&[]);
    let endpoint =
        |(method, path, needs): (&str, &str, u8)| json!({"method": method, "path": path, "permissions": names(needs)});
    let manifest = json!({
        "id": "vault", "name": "Hello", "version": "1.0.0",
        "permissions": [{"resource": "doors", "action": "a"}, {"resource": "doors", "action": "b"}],
        "endpoints": ENDPOINTS.map(endpoint),
    });
    scratch.add_plugin_as("hello", "hello", &manifest);
    let config = scratch.file("tenon.toml", &test_roles());
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    for (roles, may) in users() {
        for (method, path, needs) in REQUESTS {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = ask(host.roles(&roles).request(method.clone(), &format!("/plugins/vault{path}"))).await;
            let what = format!("{method} {path} by [{roles}]");
            if needs & !may == 0 {
                assert_ne!(answer.status, 403, "{what}");
                assert!(answer.status < 500, "{what}: {answer:?}");
                continue;
            }
            if answer.json["error"]["code"] == "bad_path" {
                // The host takes it from nobody, whatever it needs.
                assert!(path.contains("..") || path.contains("%ff"), "{what}");
                continue;
            }
            assert_eq!(answer.status, 403, "{what}: {answer:?}");
            if method != Method::HEAD {
                let told = answer.message(403, "denied");
                assert!(names(needs & !may).iter().any(|name| told.contains(name)), "{what}: {told}");
            }
        }
    }
    let seen = host.roles("a").get("/plugins/vault/headers").await.json;
    assert_eq!((&seen["x-user-roles"], &seen["x-tenant-id"]), (&json!(null), &json!("demo")), "{seen:#}");
}
