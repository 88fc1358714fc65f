//! When a stream ends: with its credential, with the host, and with its client.

use reqwest::Method;
use serde_json::json;

use super::{Person, tell, title};
use crate::common::{Host, Listener, Scratch, eventually};
use crate::identity::{host, new_key, operator, tenant};

#[tokio::test]
async fn a_stream_ends_with_its_credential() {
    let host = host(&[], "stream.heartbeat_ms = 100\nlog.filter = \"error\"").await;
    tenant(&host, "acme").await;
    let operator = operator(&host).await;
    let (id, key) = new_key(&host, &["--tenant", "acme", "--role", "owner"]).await;
    let (_, other) = new_key(&host, &["--tenant", "acme", "--role", "owner"]).await;
    let open = async |key: &str| Listener::open(host.key(key).request(Method::GET, "/api/v1/stream")).await;
    let (mut revoked, mut stays) = (open(&key).await, open(&other).await);
    revoked.missed().await;
    stays.missed().await;
    operator.delete(&format!("/api/v1/keys/{id}")).await.data(200);
    assert!(revoked.end().await.contains("credential"));
    host.key(&key).get("/api/v1/stream").await.refusal(401, "invalid_token");
    // One that expires ends as well.
    let (id, key) = new_key(&host, &["--tenant", "acme", "--role", "owner"]).await;
    let mut expires = open(&key).await;
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(300);
    operator.put(&format!("/api/v1/keys/{id}/end"), json!({ "expiresAt": now.to_string() })).await.data(200);
    assert!(expires.end().await.contains("credential"));
    // Meanwhile the other goes on.
    let told = host.key(&other).post("/api/v1/events", json!({ "type": "order.paid", "data": {} })).await;
    let told = told.data(202)["id"].as_str().unwrap().to_owned();
    loop {
        let message = stays.message().await;
        if message.event == "order.paid" {
            assert_eq!(title(&message).1, told);
            break;
        }
    }
}

#[tokio::test]
async fn streams_do_not_hold_up_the_end_and_go_on_with_the_next_host() {
    let scratch = Scratch::with_plugins(&[]);
    let config = scratch.file("tenon.toml", "http.shutdown_grace_ms = 60000");
    let mut host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let person = |host: &Host, name| Person::new(host, name, "owner");
    let mut first = person(&host, "jo").listen("?topics=order.*").await;
    let mut second = Person::new(&host.http2(), "al", "owner").listen("?topics=order.*").await;
    let before = tell(&host, "order.paid", json!({})).await;
    for listener in [&mut first, &mut second] {
        assert_eq!(title(&listener.message().await).1, before);
    }
    let id = first.last_id().unwrap().to_owned();
    host.terminate();
    for listener in [&mut first, &mut second] {
        assert!(listener.end().await.contains("come back"));
    }
    // A stream that held it up would do so for a minute, which is longer than a test waits.
    host.ended().await;
    host.start_again().await;
    let after = tell(&host, "order.paid", json!({})).await;
    let request = person(&host, "jo").request(Method::GET, "/api/v1/stream?topics=order.*").header("Last-Event-ID", id);
    let missed = Listener::open(request).await.missed().await;
    assert_eq!(missed.iter().map(title).collect::<Vec<_>>(), [("order.paid", after.as_str())]);
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back() {
    let host = Host::with_config(&[], "stream.principal_streams = 2").await;
    for client in [(*host).clone(), host.http2()] {
        let person = Person::new(&client, "jo", "owner");
        for _ in 0..20 {
            let one = eventually("a place", async || {
                Listener::try_open(person.request(Method::GET, "/api/v1/stream")).await.ok()
            });
            drop(one.await);
        }
    }
}
