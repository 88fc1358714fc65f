//! What only circumstances prevented is done when they are over, without a word from anybody.

use std::time::Duration;

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Version, add, config, errors, events, has, host_with, logged, note, seen};
use crate::common::{Host, ask, eventually};

/// The last entry of an operation, as an operator reads it.
fn audited(host: &Host, operation: &str) -> Value {
    let data = host.scratch().data();
    let args = ["audit", "--operation", operation, "--json", "--data", data.to_str().unwrap()];
    let output = host.scratch().tenon(&args).output().unwrap();
    let entries: Value = serde_json::from_slice(&output.stdout).unwrap();
    entries[0].clone()
}

#[tokio::test]
async fn a_tenant_whose_data_somebody_held_too_long_is_moved_when_it_is_free() {
    const MORE: &str = "ALTER TABLE event ADD COLUMN colour TEXT";
    let settings = [("lifecycle.deadline_ms", 500), ("lifecycle.deadline_attempts", 1_000)];
    let host = host_with(&[Version::new("1.0.0")], &config(&settings)).await;
    let client = host.tenant("acme");
    note(&client, "mine").await.data(200);
    let held = Connection::open(host.scratch().data().join("tenants/acme/phases.sqlite")).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    add(&host, Version { migration: Some(MORE), ..Version::new("1.1.0") }).await;
    // What is to come may be told before it has come, so the data are asked.
    let has_come = async || has(&events(&client).await, "on-activate 1.1.0");
    assert_eq!(has_come().await, 0);
    assert_eq!(errors(&client).await[0]["hook"], "migrations");
    assert_ne!(seen(&client, "1.1.0").await["status"], "error", "nothing is wrong with it");
    held.execute_batch("ROLLBACK").unwrap();
    eventually("the tenant is moved", async || (has_come().await == 1).then_some(())).await;
    let events = events(&client).await;
    assert_eq!((has(&events, "mine"), has(&events, "on-activate 1.1.0")), (1, 1), "{events:?}");
}

#[tokio::test]
async fn deadlines_are_the_plugins_fault_in_the_end_and_tried_again_all_the_same() {
    let settings = [
        ("lifecycle.deadline_ms", 200),
        ("lifecycle.deadline_attempts", 3),
        ("lifecycle.retry_ms", 50),
        ("lifecycle.rare_retry_ms", 300),
    ];
    let host = host_with(&[Version::new("1.0.0")], &config(&settings)).await;
    let client = host.tenant("acme");
    note(&client, "mine").await.data(200);
    add(&host, Version { words: &[("activate", "wait")], ..Version::new("1.1.0") }).await;
    let failed = eventually("it is the plugin's fault", async || {
        assert_eq!(has(&events(&client).await, "mine"), 1, "the tenant has its data all the while");
        let seen = seen(&client, "1.1.0").await;
        (seen["status"] == "error").then_some(seen)
    })
    .await;
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.contains("did not answer within") && reason.contains("deadlines, so it is tried every"), "{reason}");
    let attempts = errors(&client).await.len();
    assert!(attempts >= 3, "{attempts}");
    eventually("it is tried again", async || {
        events(&client).await;
        (errors(&client).await.len() > attempts).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_plugin_that_could_not_be_installed_in_time_is_tried_again_by_the_host_itself() {
    let settings = [
        ("lifecycle.deadline_ms", 200),
        ("lifecycle.deadline_attempts", 2),
        ("lifecycle.retry_ms", 50),
        ("lifecycle.rare_retry_ms", 300),
    ];
    let waiting = Version { words: &[("install", "wait")], ..Version::new("1.0.0") };
    let host = host_with(&[waiting], &config(&settings)).await;
    // Nobody asks for it.
    let tried = |times: usize| {
        let host = &host;
        async move {
            let tried = async || (logged(host, "phases: on-install for") > times).then_some(());
            eventually("it is tried", tried).await;
        }
    };
    tried(3).await;
    let failed = eventually("it is the plugin's fault", async || {
        let seen = seen(&host, "1.0.0").await;
        (seen["status"] == "error").then_some(seen)
    })
    .await;
    assert!(failed["reason"].as_str().unwrap().contains("on-install: plugin phases did not answer"), "{failed}");
    let refused = host.tenant("acme").get("/plugins/phases/events").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    tried(logged(&host, "phases: on-install for")).await;
    // With a file that can be installed every tenant has it.
    Version::new("1.0.0").put(host.scratch());
    eventually("it answers", async || {
        (host.tenant("acme").get("/plugins/phases/events").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_rollout_to_many_tenants_is_answered_in_the_time_of_one_request() {
    const TENANTS: usize = 36;
    let settings =
        [("lifecycle.deadline_ms", 4_000), ("limits.cpu_budget_ms", 500), ("limits.wall_deadline_ms", 1_000)];
    let host = host_with(&[Version::new("1.0.0")], &config(&settings)).await;
    let rolled = host.put("/api/v1/rollouts/phases", json!({ "version": "1.0.0", "percent": 100 })).await;
    rolled.data(200);
    add(&host, Version { words: &[("activate", "wait")], ..Version::new("1.1.0") }).await;
    let tenants: Vec<String> = (10..10 + TENANTS).map(|number| format!("t{number}")).collect();
    for tenant in &tenants {
        host.tenant(tenant).get("/api/v1/plugins/phases/decision").await.data(200);
    }
    // One after the other, they would take longer than the client waits.
    let wanted = json!({ "version": "1.1.0", "tenants": tenants });
    let request = host.request(Method::PUT, "/api/v1/rollouts/phases").header("If-Match", "\"1\"").json(&wanted);
    let answer = ask(request).await;
    let rollout = answer.data(200);
    assert_eq!((&rollout["notReached"], &rollout["outcomes"]), (&json!(tenants), &Value::Null), "{rollout}");
    assert_eq!(audited(&host, "rollouts.put")["outcome"], "done");
}

#[tokio::test]
async fn what_was_decided_is_audited_although_the_version_is_not_there_yet() {
    let settings = [("lifecycle.deadline_ms", 4_000), ("limits.cpu_budget_ms", 500), ("limits.wall_deadline_ms", 500)];
    let waiting = Version { words: &[("activate", "wait")], ..Version::new("1.0.0") };
    let host = host_with(&[waiting], &config(&settings)).await;
    let client = host.tenant("acme");
    let path = "/api/v1/plugins/phases/decision";
    client.put(path, json!({ "enabled": true, "pin": "=1.0.0" })).await.refusal(503, "activating");
    assert_eq!(client.get(path).await.data(200)["pin"], "=1.0.0");
    let entry = client.get("/api/v1/audit?limit=1").await.rows()[0].clone();
    assert_eq!((&entry["outcome"], &entry["after"]["pin"]), (&json!("activating"), &json!("=1.0.0")), "{entry}");
}

#[tokio::test]
async fn a_change_is_made_to_its_end_when_its_client_has_gone() {
    let waiting = Version { words: &[("deactivate", "wait")], ..Version::new("1.0.0") };
    let host = host_with(&[waiting], &config(&[("lifecycle.deadline_ms", 1_500)])).await;
    let client = host.tenant("acme");
    note(&client, "mine").await.data(200);
    let path = "/api/v1/plugins/phases/deactivate?force=true";
    let gone = client.request(Method::POST, path).timeout(Duration::from_millis(300)).send().await;
    assert!(gone.is_err_and(|error| error.is_timeout()), "the plugin waits longer than the client");
    let entry =
        eventually("the entry", async || client.get("/api/v1/audit?limit=1").await.rows().first().cloned()).await;
    assert_eq!((&entry["operation"], &entry["outcome"]), (&json!("plugins.deactivate"), &json!("done")), "{entry}");
    let decision = client.get("/api/v1/plugins/phases/decision").await;
    assert_eq!(decision.data(200)["enabled"], json!(false));
}
