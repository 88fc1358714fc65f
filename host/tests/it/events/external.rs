//! What other systems tell.

use futures::future::join_all;
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

#[tokio::test]
async fn other_systems_of_a_tenant_send_as_many_in_an_hour_as_it_may() {
    let host = host("quotas = { enforced_in_dev = true, events_per_hour = 7 }").await;
    let body = json!({ "type": "news.external", "data": {} });
    let sent = join_all((0..12).map(|_| send(&host, None, &body))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = sent.iter().partition(|answer| answer.status == 202);
    assert_eq!((taken.len(), refused.len()), (7, 5));
    let told = refused[0].message(429, "quota");
    assert!(told.starts_with("events of other systems: the quota of 7 events an hour is used up until "), "{told}");
    assert!(refused[0].header("retry-after").parse::<u64>().is_ok_and(|wait| (1..=3_600).contains(&wait)));
    assert_eq!(handled(&host, 7).await.len(), 7);

    // Of the tenant's plugins and of other tenants nothing was taken.
    let usage = host.get("/api/v1/usage").await;
    let of = |plugin: &str| usage.rows().iter().find(|row| row["plugin"] == plugin).unwrap()["quotas"].clone();
    let resets_at = of("external")[0]["resetsAt"].clone();
    assert!(resets_at.is_string());
    let events = json!({ "quota": "events", "unit": "events", "used": 7, "limit": 7, "resetsAt": resets_at });
    assert_eq!(of("external"), json!([events]));
    assert_eq!((&of("crier-a")[2]["quota"], &of("crier-a")[2]["used"]), (&json!("events"), &json!(0)));
    send(&host.tenant("other"), None, &body).await.data(202);
    host.put("/api/v1/tenants/demo/quotas/events?plugin=external", json!({ "amount": 8 })).await.data(200);
    send(&host, None, &body).await.data(202);
    send(&host, None, &body).await.refusal(429, "quota");
}

#[tokio::test]
async fn what_was_taken_is_answered_again_when_no_more_may_be_sent() {
    let host = host("quotas = { enforced_in_dev = true, events_per_hour = 1 }").await;
    let body = json!({ "type": "news.external", "data": 1 });
    let id = send(&host, Some("a"), &body).await.data(202)["id"].clone();
    for _ in 0..3 {
        assert_eq!(send(&host, Some("a"), &body).await.data(202)["id"], id, "the same answer, and free");
    }
    let other = json!({ "type": "news.external", "data": 2 });
    send(&host, Some("a"), &other).await.refusal(409, "idempotency_key_reused");
    send(&host, Some("b"), &body).await.refusal(429, "quota");
    send(&host.tenant("other"), Some("a"), &body).await.data(202);
    assert_eq!(handled(&host, 1).await.len(), 1);
}

#[tokio::test]
async fn events_are_listed_by_patterns_of_topics() {
    let host = host("").await;
    send(&host, None, &json!({ "type": "news.external", "data": 1 })).await.data(202);
    let count = async |topic: &str| host.get(&format!("/api/v1/events?type={topic}")).await.rows().len();
    for (topic, expected) in [("news.external", 1), ("news.*", 1), ("*.external", 1), ("news.*.*", 0), ("news.no", 0)] {
        assert_eq!(count(topic).await, expected, "{topic}");
    }
    for wrong in ["News", "news", "news.**", "news."] {
        for path in ["/api/v1/events", "/api/v1/events/dead"] {
            let answer = host.get(&format!("{path}?type={wrong}")).await;
            answer.refusal(422, "invalid");
            assert_eq!(answer.wrong_fields(), ["type"], "{path} {wrong}");
        }
    }
}
