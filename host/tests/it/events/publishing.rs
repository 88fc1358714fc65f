//! What is published, and what is not.

use serde_json::json;

use super::{data, handled, host, publish};
use crate::common::{Host, Scratch, eventually};

#[tokio::test]
async fn an_event_reaches_who_hears_it_with_all_that_the_host_adds() {
    let host = host("").await;
    let request = host.request(reqwest::Method::POST, "/plugins/crier-a/publish").header("X-Correlation-ID", "corr-7");
    let body = json!({ "topic": "news.plain", "key": "k", "data": "{\"a\":[1.50,null]}" });
    let id = crate::common::ask(request.json(&body)).await.data(200).as_str().unwrap().to_owned();
    let heard = &handled(&host, 1).await[0];
    assert_eq!((&heard["id"], &heard["topic"], &heard["key"]), (&json!(id), &json!("news.plain"), &json!("k")));
    assert_eq!((&heard["source"], &heard["hops"]), (&json!("/plugins/crier-a"), &json!(1)));
    assert_eq!((&heard["attempt"], heard["data"].as_str()), (&json!(1), Some("{\"a\":[1.5,null]}")));

    let events = host.get("/api/v1/events?type=news.plain").await;
    let event = &events.rows()[0];
    let expected = json!({
        "specversion": "1.0", "id": id, "source": "/plugins/crier-a", "type": "news.plain", "partitionkey": "k",
        "datacontenttype": "application/json", "tenant": "demo", "correlationid": "corr-7", "hops": 1,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&event[name], value, "{name}");
    }
    assert_eq!(event["data"]["a"][1], json!(null));
    assert!(event["time"].as_str().unwrap().ends_with('Z') && event["sequence"].is_i64(), "{event}");
    host.tenant("other").get("/api/v1/events?type=news.plain").await.rows().is_empty().then_some(()).unwrap();
}

#[tokio::test]
async fn events_take_effect_with_their_transaction_or_not_at_all_and_keep_the_order_of_their_key() {
    let host = host("").await;
    let transact = async |text: &str, count: u32, commit: bool| {
        let data = format!("{{\"n\": {{n}}, \"of\": \"{text}\"}}");
        let body = json!({ "topic": "news.plain", "key": "k", "data": data, "count": count, "commit": commit });
        host.post("/plugins/crier-a/transact", body).await.data(200).clone()
    };
    transact("first", 30, true).await;
    transact("given up", 30, false).await;
    transact("second", 30, true).await;
    let heard = handled(&host, 60).await;
    let told: Vec<_> = heard.iter().map(data).map(|data| (data["of"].clone(), data["n"].as_u64().unwrap())).collect();
    let expected = ["first", "second"].into_iter().flat_map(|of| (0..30).map(move |n| (json!(of), n)));
    assert_eq!(told, expected.collect::<Vec<_>>());
    assert_eq!(host.get("/plugins/crier-a/notes").await.rows().len(), 2);
}

#[tokio::test]
async fn what_is_rolled_back_uses_nothing_of_the_quota() {
    let host = host("quotas = { enforced_in_dev = true, events_per_hour = 5 }").await;
    let transact = async |count: u32, commit: bool| {
        let body = json!({ "topic": "news.plain", "data": "{}", "count": count, "commit": commit });
        host.post("/plugins/crier-a/transact", body).await
    };
    let used = async || {
        let usage = host.get("/api/v1/usage").await;
        let own = usage.rows().iter().find(|row| row["plugin"] == "crier-a").unwrap()["quotas"].clone();
        own.as_array().unwrap().iter().find(|quota| quota["quota"] == "events").unwrap()["used"].clone()
    };
    for _ in 0..3 {
        transact(4, false).await.data(200);
    }
    assert_eq!(used().await, 0);
    transact(4, true).await.data(200);
    assert_eq!(used().await, 4);
    // The sixth of the hour takes those before it along.
    assert_ne!(transact(2, true).await.status, 200);
    assert_eq!(used().await, 4);
    transact(1, true).await.data(200);
    assert_ne!(transact(1, true).await.status, 200);
    assert_eq!((handled(&host, 5).await.len(), used().await), (5, json!(5)));
}

#[tokio::test]
async fn what_is_not_declared_or_too_large_is_refused_by_what_is_wrong_with_it() {
    let host = host("").await;
    let publish = async |body| host.post("/plugins/crier-a/publish", body).await;
    let undeclared = publish(json!({ "topic": "deal.won", "data": "{}" })).await;
    assert!(undeclared.message(403, "denied").contains("is not declared"), "{undeclared:?}");
    for topic in ["news.*", "tenant.created", "", "news.plain\n"] {
        publish(json!({ "topic": topic, "data": "{}" })).await.refusal(403, "denied");
    }
    let key = publish(json!({ "topic": "news.plain", "key": "k".repeat(257), "data": "{}" })).await;
    assert!(key.message(422, "invalid").contains("key"), "{key:?}");
    let giant = host.post("/plugins/crier-a/giant", json!({ "bytes": 65_536 })).await;
    assert!(giant.message(422, "invalid").contains("events.data_bytes"), "{giant:?}");
    host.post("/plugins/crier-a/giant", json!({ "bytes": 65_534 })).await.data(200);
    handled(&host, 1).await;
}

#[tokio::test]
async fn who_publishes_more_than_can_be_delivered_is_told() {
    let config = "events.pending = 5\nevents.backoff_first_ms = 600000\nevents.backoff_most_ms = 600000\n";
    let host = Host::with_config(&["crier"], &format!("log.filter = \"error\"\n{config}")).await;
    // They are tried once and wait for the next attempt.
    let refused = eventually("a refusal", async || {
        let body = json!({ "topic": "news.act", "data": "{\"do\": \"retry\"}" });
        let answer = host.post("/plugins/crier-a/publish", body).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert!(refused.text.contains("events.pending"), "{refused:?}");
    // Only this tenant.
    let other = host.tenant("other");
    publish(&other, "news.plain", None, json!({})).await;
    handled(&other, 1).await;
}

#[tokio::test]
async fn hooks_need_a_handler_and_topics_of_the_host_are_the_hosts() {
    let scratch = Scratch::with_plugins(&[]);
    let manifest = |more| {
        let mut manifest = json!({ "id": "vault", "name": "Vault", "version": "1.0.0" });
        manifest.as_object_mut().unwrap().extend(more);
        manifest
    };
    let hooks = json!({ "hooks": [{ "name": "deal.*" }] }).as_object().unwrap().clone();
    scratch.add_plugin_as("vault", "deaf", &manifest(hooks));
    let publishes = json!({ "publishes": [{ "name": "plugin.ready" }] }).as_object().unwrap().clone();
    scratch.add_plugin_as("vault", "liar", &manifest(publishes));
    let host = Host::start(scratch, &["--dev"]).await;
    let rejected = host.get("/api/v1/plugins").await.text;
    assert!(rejected.contains("does not export `tenon:plugin/event-handler@1.0.0`"), "{rejected}");
    assert!(rejected.contains("$.publishes[0].name"), "{rejected}");
}
