//! What runs goes on until the new version has been activated, however long that takes.

use serde_json::{Value, json};

use super::{Version, add, config, events, has, host_with, note, seen};
use crate::common::{Client, Host, eventually};

/// A version that is activated for so long that a test has time to look.
const SLOW: &[(&str, u64)] = &[("lifecycle.deadline_ms", 120_000), ("lifecycle.handover_ms", 20)];

async fn version(client: &Client) -> Value {
    client.get("/plugins/phases/info").await.data(200)["version"].clone()
}

/// What an operator is told, who asks over the host's socket and is of no tenant.
fn operator(host: &Host, args: &[&str]) -> String {
    let output = host.scratch().tenon(args).arg("--data").arg(host.scratch().data()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What is told of 1.1.0 on its way to the tenant.
async fn on_its_way(client: &Client, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(what, async || {
        let seen = seen(client, "1.1.0").await;
        is_so(&seen["activating"][0]).then_some(seen)
    })
    .await
}

#[tokio::test]
async fn the_version_before_answers_while_the_new_one_is_activated_and_everybody_is_told() {
    let host = host_with(&[Version::new("1.0.0")], &config(SLOW)).await;
    let (client, other) = (host.tenant("acme"), host.tenant("other"));
    note(&client, "mine").await.data(200);
    add(&host, Version { words: &[("activate", "wait")], ..Version::new("1.1.0") }).await;
    // It begins with the first request, which does not wait for it.
    assert_eq!(has(&events(&client).await, "mine"), 1);
    let told = on_its_way(&client, "it is being activated", |move_| move_["step"] == "on-activate").await;
    assert_eq!((&told["status"], &told["serving"]), (&json!("activating"), &json!(false)), "{told}");
    assert!(
        told["since"].is_string() && told["reason"].as_str().unwrap().contains("on-activate runs for acme"),
        "{told}"
    );
    assert_eq!(told["activating"][0]["versionBeforeAnswers"], true, "{told}");
    for _ in 0..10 {
        note(&client, "more").await.data(200);
        assert_eq!(version(&client).await, "1.0.0");
    }
    assert_eq!(seen(&client, "1.1.0").await["status"], "activating", "all that took place meanwhile");
    // Who names no tenant hears for whom; another tenant hears nothing.
    let all: Value = serde_json::from_str(&operator(&host, &["plugin", "list", "--json"])).unwrap();
    let all = all["plugins"].as_array().unwrap().iter().find(|plugin| plugin["version"] == "1.1.0").unwrap().clone();
    assert_eq!(all["activating"][0]["tenant"], "acme", "{all}");
    assert!(seen(&other, "1.1.0").await["activating"].is_null());
    let explained = operator(&host, &["explain", "phases", "--tenant", "acme"]);
    assert!(explained.contains("phases 1.1.0 — inactive: it is being activated for the tenant"), "{explained}");
    assert!(explained.contains("phases 1.1.0: activating since 20"), "{explained}");
    let status = operator(&host, &["status"]);
    assert!(status.contains("activating phases 1.1.0 for acme: on-activate"), "{status}");
    let listed = operator(&host, &["plugin", "list"]);
    assert!(listed.contains("On their way to tenants:") && listed.contains("acme"), "{listed}");

    // One that mends it comes in its place, by itself.
    std::fs::remove_file(host.scratch().plugins().join("phases-1.1.0.wasm")).unwrap();
    add(&host, Version::new("1.2.0")).await;
    eventually("the next version answers", async || (version(&client).await == "1.2.0").then_some(())).await;
    let events = events(&client).await;
    assert_eq!((has(&events, "mine"), has(&events, "more")), (1, 10), "{events:?}");
    assert_eq!(has(&events, "on-activate 1.2.0"), 1, "{events:?}");
}

#[tokio::test]
async fn the_version_before_answers_no_more_once_it_cannot_work_with_the_data() {
    const MORE: &str = "ALTER TABLE event ADD COLUMN colour TEXT";
    let host = host_with(&[Version::new("1.0.0")], &config(SLOW)).await;
    let client = host.tenant("acme");
    note(&client, "mine").await.data(200);
    let next = Version { words: &[("activate", "wait")], migration: Some(MORE), ..Version::new("1.1.0") };
    add(&host, next).await;
    let asked = tokio::spawn({
        let client = host.tenant("acme");
        async move { client.get("/plugins/phases/events").await }
    });
    let told = on_its_way(&client, "its data has been migrated", |move_| move_["step"] == "on-activate").await;
    assert_eq!(told["activating"][0]["versionBeforeAnswers"], false, "{told}");
    assert!(told["reason"].as_str().unwrap().contains("requests wait for it"), "{told}");
    assert!(!asked.is_finished(), "it waits");
    asked.abort();
}
