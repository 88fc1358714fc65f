//! Each change of a namespace that others may read is an event, to those who may read it.

use serde_json::{Value, json};

use super::{NEWS, OPEN, SHUT, call, hearing, host, set, sharers, start};
use crate::common::{Client, eventually};

/// What a sharer has heard, once there is so much: namespace, key, version and whether it was deleted, by version.
async fn heard(client: &Client, plugin: &str, count: usize) -> Vec<Value> {
    let mut heard = eventually(&format!("{count} events at sharer-{plugin}"), async || {
        let rows = client.get(&format!("/plugins/sharer-{plugin}/heard")).await.rows().to_vec();
        (rows.len() >= count).then_some(rows)
    })
    .await;
    for event in &mut heard {
        *event = serde_json::from_str(event.as_str().unwrap()).unwrap();
    }
    heard.sort_by_key(|event| (event["namespace"].to_string(), event["version"].as_u64()));
    heard
}

#[tokio::test]
async fn whoever_may_read_a_namespace_hears_of_its_changes() {
    let host = start(sharers(hearing), "log.filter = \"error\"").await;
    let shut = set(&host, SHUT, "k", "x").await;
    let first = set(&host, OPEN, "k", "x").await;
    let transact = json!({ "namespace": OPEN, "key": "given-up", "value": "x", "gone": "k", "commit": false });
    call(&host, "a", "transact", transact).await.data(200);
    let expiring = json!({ "namespace": OPEN, "key": "k", "value": "y", "ttlMs": 60_000 });
    let second = call(&host, "a", "set", expiring).await.data(200).as_u64().unwrap();
    call(&host, "a", "remove", json!({ "namespace": OPEN, "key": "k" })).await.data(200);
    call(&host, "a", "remove", json!({ "namespace": OPEN, "key": "k" })).await.data(200);
    let news = set(&host, NEWS, "all", "x").await;

    let of = |namespace: &str, key: &str, version: u64, deleted: bool| json!({ "namespace": namespace, "key": key, "version": version, "deleted": deleted });
    let mut told = heard(&host, "b", 4).await;
    let expires_at = told[2].as_object_mut().unwrap().remove("expiresAt").unwrap();
    let expires_at: jiff::Timestamp = expires_at.as_str().unwrap().parse().unwrap();
    let left = expires_at.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((0..=60).contains(&left), "{left}");
    let expected = [
        of(NEWS, "all", news, false),
        of(OPEN, "k", first, false),
        of(OPEN, "k", second, false),
        of(OPEN, "k", second + 1, true),
    ];
    assert_eq!(told, expected);
    assert_eq!(shut, 1, "a namespace counts for itself");

    // The other reader is named in one namespace alone, and the owner hears of its own.
    assert_eq!(heard(&host, "c", 1).await, [of(NEWS, "all", news, false)]);
    assert_eq!(heard(&host, "a", 4).await.len(), 4);
    let events = host.get("/api/v1/events?type=shared-data.changed").await;
    assert_eq!(events.rows().len(), 4);
    let newest = &events.rows()[0];
    assert_eq!(
        (&newest["source"], &newest["subject"], &newest["partitionkey"]),
        (&json!("/plugins/sharer-a"), &json!(NEWS), &json!("sharer-a.news/all"))
    );
    // One more, behind which nothing can be under way.
    set(&host, NEWS, "all", "y").await;
    assert_eq!(heard(&host, "c", 2).await.len(), 2);
    assert_eq!(heard(&host, "b", 5).await.len(), 5);
}

#[tokio::test]
async fn nobody_else_tells_of_shared_data_and_who_tells_too_much_is_stopped() {
    let host = host("quotas = { enforced_in_dev = true, events_per_hour = 3 }\nlog.filter = \"error\"").await;
    let forged = json!({ "type": "shared-data.changed", "subject": OPEN, "data": {} });
    let told = host.post("/api/v1/events", forged).await;
    assert!((400..500).contains(&told.status), "{told:?}");
    for number in 0..3 {
        set(&host, NEWS, &format!("{number}"), "x").await;
    }
    let more = call(&host, "a", "set", json!({ "namespace": NEWS, "key": "3", "value": "x" })).await;
    assert!(super::refusal(&more).starts_with("quota: "), "{more:?}");
    // Nothing of the change was made, what changes nothing costs nothing, and what nobody hears of is no event.
    assert_eq!(*super::get(&host, "c", NEWS, "3").await.data(200), Value::Null);
    assert_eq!(*call(&host, "a", "remove", json!({ "namespace": NEWS, "key": "3" })).await.data(200), false);
    set(&host, SHUT, "k", "x").await;
}
