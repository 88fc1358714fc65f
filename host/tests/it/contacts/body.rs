//! What a request to an endpoint may look like, on the example of contacts.

use reqwest::Method;
use serde_json::json;

use super::{CONTACTS, crm, john_doe, path};
use crate::common::{Host, Scratch, ask};

const ADA: &str = r#"{"firstName":"Ada","lastName":"Lovelace","email":"ada@example.com"}"#;

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_the_place() {
    let host = crm().await;
    for body in ["{", "{\"firstName\":}", "firstName=Ada", "{} {}", "\u{0}"] {
        let answer = host.post_text(CONTACTS, body).await;
        let message = answer.message(400, "bad_json");
        assert!(message.contains("line 1 column"), "{body}: {message}");
    }
    let too_deep = "[".repeat(10_000);
    host.post_text(CONTACTS, too_deep).await.refusal(400, "bad_json");
    let invalid = host.request(Method::POST, CONTACTS).body(vec![b'"', 0xff, b'"']);
    ask(invalid).await.refusal(400, "bad_json");
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let host = crm().await;
    for body in ["[]", "null", "7", "\"Ada\"", "true"] {
        assert_eq!(host.post_text(CONTACTS, body).await.wrong_fields(), ["body"], "{body}");
    }
    assert_eq!(host.post_text(CONTACTS, "").await.wrong_fields(), ["firstName", "lastName", "email"]);
}

#[tokio::test]
async fn only_a_body_that_says_it_is_json_is_read() {
    let host = crm().await;
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "json"] {
        let request = host.request(Method::POST, CONTACTS).header("Content-Type", kind).body(ADA);
        let answer = ask(request).await;
        let message = answer.message(415, "unsupported_media_type");
        assert!(message.contains("application/json"), "it says what to send: {message}");
    }
    let request = host.request(Method::POST, CONTACTS).header("Content-Type", "Application/JSON; charset=utf-8");
    ask(request.body(ADA)).await.data(201);
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_refused_with_those_it_takes() {
    let host = crm().await;
    for (method, path, allowed) in [
        (Method::DELETE, CONTACTS.to_owned(), "GET, HEAD, POST"),
        (Method::PATCH, path("contact-1"), "GET, HEAD, PUT, DELETE"),
        (Method::POST, path("contact-1"), "GET, HEAD, PUT, DELETE"),
        (Method::POST, "/plugins/crm/deals/pipeline/summary".to_owned(), "GET, HEAD"),
        (Method::OPTIONS, CONTACTS.to_owned(), "GET, HEAD, POST"),
    ] {
        let answer = ask(host.request(method, &path)).await;
        answer.refusal(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allowed, "{path}");
    }
}

#[tokio::test]
async fn head_answers_as_get_does_without_the_body() {
    let host = crm().await;
    let get = ask(host.request(Method::GET, CONTACTS)).await;
    let head = ask(host.request(Method::HEAD, CONTACTS)).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), get.text.len().to_string());
    assert_eq!(head.text, "");
}

#[tokio::test]
async fn a_query_that_is_not_read_is_refused() {
    let host = crm().await;
    let answer = ask(host.request(Method::POST, &format!("{CONTACTS}?dryRun=true")).json(&serde_json::json!({}))).await;
    assert!(answer.wrong_fields().contains(&"dryRun"), "{}", answer.text);
}

#[tokio::test]
async fn a_path_that_no_endpoint_has_is_not_found() {
    let host = crm().await;
    for path in [
        "/plugins/crm",
        "/plugins/crm/",
        "/plugins/crm/contact",
        "/plugins/crm/contacts/",
        "/plugins/crm/contacts/contact-1/x",
    ] {
        let answer = host.get(path).await;
        let message = answer.message(404, "endpoint_not_found");
        assert!(message.contains("/plugins/crm/info"), "it says where to look: {message}");
    }
}

#[tokio::test]
async fn a_body_one_byte_over_the_limit_is_refused() {
    let scratch = Scratch::with_plugins(&["crm"]);
    let config = scratch.file("tenon.toml", "[http]\nbody_bytes = 1000\n");
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let padded = |bytes: usize| format!("{ADA}{}", " ".repeat(bytes - ADA.len()));
    let answer = host.post_text(CONTACTS, padded(1001)).await;
    assert!(answer.message(413, "too_large").contains("1000 bytes"), "{answer:#?}");
    host.post_text(CONTACTS, padded(1000)).await.data(201);
}

#[tokio::test]
async fn a_path_parameter_is_decoded_once() {
    let host = crm().await;
    assert_eq!(*host.get(&path("%63ontact%2D1")).await.data(200), john_doe());
    host.get(&path("%2563ontact-1")).await.refusal(404, "not_found");
    host.get(&path("contact-1%2F")).await.refusal(404, "not_found");
    host.put(&path("contact-1%00"), json!({})).await.refusal(400, "bad_path");
}

#[tokio::test]
async fn an_answer_is_an_envelope_and_nothing_else() {
    let host = crm().await;
    for (path, text) in [
        ("?search=nobody", r#"{"success":true,"data":[],"total":0}"#),
        (
            "/contact-9",
            r#"{"success":false,"error":{"code":"not_found","message":"there is no contact \"contact-9\""}}"#,
        ),
        (
            "?take=0",
            r#"{"success":false,"error":{"code":"invalid","message":"take must be 1 to 200, not 0","fields":[{"field":"take","message":"must be 1 to 200, not 0"}]}}"#,
        ),
    ] {
        let answer = host.get(&format!("{CONTACTS}{path}")).await;
        assert_eq!(answer.text, text);
        assert_eq!(answer.header("content-type"), "application/json");
    }
}
