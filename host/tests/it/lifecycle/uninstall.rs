//! The end of a plugin, and what comes after it.

use reqwest::Method;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::{Version, add, config, events, has, host, host_with, logged, note, seen};
use crate::common::{Host, ask, eventually};

#[tokio::test]
async fn a_plugin_is_told_before_its_last_version_goes_and_not_before_the_others() {
    let host =
        host(&[Version { words: &[("uninstall", "fail")], ..Version::new("1.0.0") }, Version::new("1.1.0")]).await;
    let told = || std::fs::read_to_string(host.scratch().log()).unwrap().matches("phases: on-uninstall").count();
    let remove = async |version: &str, query: &str| {
        let path = format!("/api/v1/plugins/phases/versions/{version}{query}");
        ask(host.request(Method::DELETE, &path)).await
    };
    remove("1.1.0", "").await.data(200);
    assert_eq!(told(), 0, "there is another version of it");
    let refused = remove("1.0.0", "").await;
    let message = refused.refusal(409, "uninstall_failed")["message"].to_string();
    assert!(message.contains("phases was asked to fail its uninstall") && message.contains("force"), "{message}");
    host.get("/plugins/phases/info").await.data(200);
    // It concerns no tenant, so an operator has to ask.
    let mut errors = host.scratch().tenon(&["plugin", "errors", "phases", "--json", "--data"]);
    let errors = errors.arg(host.scratch().data()).output().unwrap();
    let errors: Value = serde_json::from_slice(&errors.stdout).unwrap();
    assert_eq!(errors[0]["hook"], "on-uninstall", "{errors:?}");
    remove("1.0.0", "?force=true").await.data(200);
    assert_eq!(told(), 2);
    host.get("/plugins/phases/info").await.refusal(404, "plugin_not_found");
}

#[tokio::test]
async fn a_version_does_not_go_whose_data_the_next_one_cannot_read() {
    const MORE: &str = "ALTER TABLE event ADD COLUMN colour TEXT";
    let host = host(&[Version::new("1.0.0"), Version { migration: Some(MORE), ..Version::new("1.1.0") }]).await;
    let acme = host.tenant("acme");
    note(&acme, "mine").await.data(200);
    let remove = async |query: &str| {
        let path = format!("/api/v1/plugins/phases/versions/1.1.0{query}");
        ask(host.request(Method::DELETE, &path)).await
    };
    let refused = remove("").await;
    let broken = &refused.refusal(409, "required")["details"]["broken"][0];
    assert_eq!((&broken["plugin"], &broken["tenants"]), (&json!("phases"), &json!(["acme"])), "{broken}");
    assert!(broken["reason"].as_str().unwrap().contains("data is at version"), "{broken}");
    assert_eq!(has(&events(&acme).await, "mine"), 1);
    // Whoever insists is told whom it concerns.
    let removed = remove("?force=true").await;
    assert_eq!(removed.data(200)["broken"][0]["tenants"], json!(["acme"]), "{removed:?}");
}

/// How many rows the host has written down of who is installed and runs.
fn written_down(host: &Host) -> [i64; 2] {
    let file = host.scratch().data().join("control.db");
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    ["installation", "activation"].map(|table| {
        let count = format!("SELECT count(*) FROM {table}");
        database.query_row(&count, [], |row| row.get(0)).unwrap()
    })
}

#[tokio::test]
async fn a_plugin_that_leaves_comes_to_nobody_and_one_that_comes_after_it_is_installed_anew() {
    // Its on-uninstall waits as long as it may, while new plugins are looked for all the time.
    let leaving = Version { words: &[("uninstall", "wait")], ..Version::new("1.0.0") };
    let host = host_with(&[leaving], &config(&[("lifecycle.flush_ms", 10)])).await;
    let (acme, late) = (host.tenant("acme"), host.tenant("late"));
    note(&acme, "mine").await.data(200);
    late.get("/api/v1/plugins/phases/decision").await.data(200);
    assert_eq!((written_down(&host), logged(&host, "phases: on-install for")), ([1, 1], 1));
    let path = "/api/v1/plugins/phases/versions/1.0.0?force=true";
    let removing = tokio::spawn(ask(host.request(Method::DELETE, path)));
    eventually("it is shown", async || (seen(&host, "1.0.0").await["status"] == "uninstalling").then_some(())).await;
    // Who has it keeps it until it is gone; nobody else gets it.
    let refused = late.get("/plugins/phases/events").await;
    assert!(refused.message(503, "uninstalling").contains("phases is being uninstalled"));
    late.post("/api/v1/plugins/phases/activate", json!(null)).await.refusal(409, "uninstalling");
    let pinned = late.put("/api/v1/plugins/phases/decision", json!({ "enabled": true, "pin": "=1.0.0" })).await;
    pinned.refusal(409, "uninstalling");
    let rolled = host.put("/api/v1/rollouts/phases", json!({ "version": "1.0.0", "percent": 100 })).await;
    assert_eq!(rolled.wrong_fields(), ["version"]);
    assert_eq!(has(&events(&acme).await, "mine"), 1);
    assert!(!removing.is_finished(), "all of this was asked while its on-uninstall ran");

    removing.await.unwrap().data(200);
    host.get("/plugins/phases/info").await.refusal(404, "plugin_not_found");
    assert_eq!((written_down(&host), logged(&host, "phases: on-install for")), ([0, 0], 1), "nothing is left of it");

    add(&host, Version::new("1.0.0")).await;
    let events = events(&acme).await;
    assert_eq!((has(&events, "mine"), has(&events, "on-activate 1.0.0")), (1, 2), "data stays: {events:?}");
    assert_eq!((written_down(&host), logged(&host, "phases: on-install for")), ([1, 1], 2));
}
