//! What other systems tell.

use reqwest::Method;
use serde_json::{Value, json};

use super::{data, handled, host};
use crate::common::{Answer, Client, ask};

async fn send(client: &Client, key: Option<&str>, body: &Value) -> Answer {
    let request = client.request(Method::POST, "/api/v1/events").json(body);
    let request = match key {
        Some(key) => request.header("Idempotency-Key", key),
        None => request,
    };
    ask(request).await
}

#[tokio::test]
async fn an_event_of_another_system_is_taken_once_for_each_key() {
    let host = host("").await;
    let body = json!({ "type": "news.external", "key": "k", "subject": "order-1", "data": { "n": 1 } });
    let first = send(&host, Some("a"), &body).await;
    let id = first.data(202)["id"].clone();
    let again = send(&host, Some("a"), &body).await;
    assert_eq!(again.data(202)["id"], id, "the same answer");
    let other = json!({ "type": "news.external", "key": "k", "subject": "order-1", "data": { "n": 2 } });
    send(&host, Some("a"), &other).await.refusal(409, "idempotency_key_reused");
    send(&host, Some("b"), &other).await.data(202);
    send(&host.tenant("other"), Some("a"), &other).await.data(202);
    let heard = handled(&host, 2).await;
    assert_eq!(heard.iter().map(|event| data(event)["n"].clone()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((&heard[0]["source"], &heard[0]["id"]), (&json!("/external/dev"), &id));
    assert_eq!(handled(&host.tenant("other"), 1).await.len(), 1);
}

#[tokio::test]
async fn who_may_not_publish_does_not_and_what_is_wrong_is_named() {
    let host = host("").await;
    let body = |topic: &str| json!({ "type": topic, "data": {} });
    for role in ["member", "admin"] {
        send(&host.roles(role), None, &body("news.external")).await.refusal(403, "denied");
    }
    send(&host.roles("owner"), None, &body("news.external")).await.data(202);
    for topic in ["tenant.created", "plugin.installed", "user.login", "api.request", "config.changed"] {
        let answer = send(&host, None, &body(topic)).await;
        assert_eq!(answer.wrong_fields(), ["type"], "{topic}");
    }
    for (wrong, field) in [
        (body("news"), "type"),
        (body("news.*"), "type"),
        (json!({ "type": "news.external", "data": "x".repeat(70_000) }), "data"),
        (json!({ "type": "news.external", "data": {}, "key": "" }), "key"),
        (json!({ "type": "news.external", "data": {}, "source": "/host" }), "source"),
    ] {
        let answer = send(&host, None, &wrong).await;
        let named = answer.refusal(422, "invalid").to_string();
        assert!(named.contains(field), "{field}: {named}");
    }
    send(&host, Some(&"k".repeat(300)), &body("news.external")).await.refusal(422, "invalid");
    assert_eq!(handled(&host, 1).await.len(), 1);
}
