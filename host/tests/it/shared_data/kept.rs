//! Answers that are kept and were made from shared data: they fall with the namespace, and with nothing else of its owner.

use serde_json::{Value, json};

use super::{NEWS, OPEN, SHUT, call, get, host, refusal, set};
use crate::common::{Client, eventually, output};

/// What the reader is answered under a key, and whether that was kept.
async fn look(client: &Client, path: &str) -> (String, Value) {
    let answer = client.get(&format!("/plugins/sharer-b/{path}")).await;
    (answer.header("x-cache").to_owned(), answer.data(200).clone())
}

#[tokio::test]
async fn a_kept_answer_falls_when_its_namespace_changes_and_with_nothing_else() {
    let host = host("").await;
    let (one, keys) = (format!("look/{OPEN}/k"), format!("keys/{OPEN}"));
    let told = async |path: &str| look(&host, path).await.0;
    // Nothing is there yet, and its owner has no database: that is an answer too.
    assert_eq!(look(&host, &one).await, ("miss".to_owned(), Value::Null));
    assert_eq!(told(&one).await, "hit");
    assert_eq!((told(&keys).await, told(&keys).await), ("miss".to_owned(), "hit".to_owned()));

    set(&host, OPEN, "k", "one").await;
    let (cached, seen) = look(&host, &one).await;
    assert_eq!((cached.as_str(), &seen["value"]), ("miss", &json!("one")));
    assert_eq!(look(&host, &keys).await, ("miss".to_owned(), json!(["k"])));
    assert_eq!((told(&one).await, told(&keys).await), ("hit".to_owned(), "hit".to_owned()));

    // The owner's other namespaces, its keys and values, another tenant's: nothing of the kind.
    set(&host, NEWS, "k", "x").await;
    set(&host, SHUT, "k", "x").await;
    set(&host.tenant("acme"), OPEN, "k", "x").await;
    assert_eq!((told(&one).await, told(&keys).await), ("hit".to_owned(), "hit".to_owned()));

    let transact = json!({ "namespace": OPEN, "key": "k", "value": "two", "gone": "none", "commit": true });
    call(&host, "a", "transact", transact).await.data(200);
    let (cached, seen) = look(&host, &one).await;
    assert_eq!((cached.as_str(), &seen["value"]), ("miss", &json!("two")));
    let version = seen["version"].as_u64().unwrap();
    let swap = json!({ "namespace": OPEN, "key": "k", "expected": version, "value": "three" });
    call(&host, "a", "swap", swap).await.data(200);
    let (cached, seen) = look(&host, &one).await;
    assert_eq!((cached.as_str(), &seen["value"]), ("miss", &json!("three")));
    call(&host, "a", "remove", json!({ "namespace": OPEN, "key": "k" })).await.data(200);
    assert_eq!(look(&host, &one).await, ("miss".to_owned(), Value::Null));
    assert_eq!(look(&host, &keys).await, ("miss".to_owned(), json!([])));
}

#[tokio::test]
async fn a_kept_answer_outlives_nothing_that_it_was_made_from() {
    let host = host("").await;
    let (one, keys) = (format!("look/{OPEN}/k"), format!("keys/{OPEN}"));
    let body = json!({ "namespace": OPEN, "key": "k", "value": "x", "ttlMs": 2_000 });
    call(&host, "a", "set", body).await.data(200);
    look(&host, &one).await;
    look(&host, &keys).await;
    eventually("it expires", async || (*get(&host, "b", OPEN, "k").await.data(200) == Value::Null).then_some(())).await;
    // The rule would keep it for ten minutes.
    assert_eq!((look(&host, &one).await.1, look(&host, &keys).await.1), (Value::Null, json!([])));
}

#[tokio::test]
async fn what_a_reader_may_no_longer_read_it_is_not_given_from_what_was_kept() {
    let host = host("grants.automatic = \"never\"").await;
    let tenon = async |args: &[&str]| {
        let args = [args, &["--url", host.address()]].concat();
        output(host.scratch().tenon(&args)).await.success().to_owned()
    };
    tenon(&["grant", "sharer-b", "--namespace", OPEN]).await;
    set(&host, OPEN, "k", "one").await;
    let path = format!("look/{OPEN}/k");
    look(&host, &path).await;
    assert_eq!(look(&host, &path).await.0, "hit");
    tenon(&["revoke", "sharer-b", "--namespace", OPEN]).await;
    let told = host.get(&format!("/plugins/sharer-b/{path}")).await;
    assert!(refusal(&told).starts_with("denied: sharer-b is not granted sharer-a.open"), "{told:?}");
}
