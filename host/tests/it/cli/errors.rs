//! What commands say when the host refuses, or does not answer.

use std::io::Read;
use std::net::TcpListener;

use reqwest::Method;
use serde_json::json;

use crate::common::{Host, Scratch, ask, output};

#[tokio::test]
async fn a_wrong_field_is_told_once_and_by_its_name() {
    let host = Host::with_plugins(&[]).await;
    let told = output(host.scratch().tenon(&["tenant", "create", "Not One", "--url", host.address()])).await.failure();
    assert!(told.starts_with("tenon: id: "), "a sentence of its own: {told}");
    assert_eq!((told.matches("is not a tenant id").count(), told.trim_end().lines().count()), (1, 1), "{told}");

    let keys = |body| ask(host.request(Method::POST, "/api/v1/keys").json(&body));
    for (body, message) in [
        (json!({}), "role is required"),
        (json!({"role": "member", "rolle": 1}), "rolle is unknown, expected"),
        (json!({"role": "member", "name": 5}), "name is integer `5`, expected a string"),
        (json!([]), "body is an array, expected an object"),
    ] {
        let answer = keys(body).await;
        let told = answer.message(422, "invalid");
        assert!(told.starts_with(message) && !told.contains("line 1"), "expected {message}: {told}");
    }
    let told = host.get("/api/v1/keys?limit=many").await;
    assert_eq!(told.wrong_fields(), ["limit"], "{told:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_not_taken_for_no_host() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // Reads something and hangs up, for as long as the test runs.
    std::thread::spawn(move || listener.incoming().flatten().for_each(|mut stream| _ = stream.read(&mut [0; 64])));
    let scratch = Scratch::with_plugins(&[]);
    let told = output(scratch.tenon(&["tenant", "create", "acme", "--url", &address])).await.failure();
    assert!(told.contains("broke off before it had answered") && told.contains("`tenon audit` tells"), "{told}");
    assert!(!told.contains("no host answers"), "{told}");
    let told = output(scratch.tenon(&["tenant", "list", "--url", &address])).await.failure();
    assert!(told.contains("broke off") && !told.contains("tenon audit"), "what only reads changes nothing: {told}");
}
