//! `tenon status`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Host, Scratch, ask, output};

#[tokio::test]
async fn one_screen_says_what_runs_and_what_waits() {
    let scratch = Scratch::with_plugins(&["crm", "analytics"]);
    std::fs::write(scratch.plugins().join("bad.wasm"), "no plugin").unwrap();
    let config = scratch.file("tenon.toml", "grants.automatic = \"never\"\n");
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let rollout = json!({"version": "1.0.0", "percent": 100});
    ask(host.request(Method::PUT, "/api/v1/rollouts/crm").json(&rollout)).await.data(200);

    // Over its own socket, which is looked for in the data directory.
    let data = host.scratch().data();
    let said = output(host.scratch().tenon(&["status", "--data", data.to_str().unwrap()])).await.success();
    let version = format!("tenon {} at {}", env!("CARGO_PKG_VERSION"), data.join("run/tenon.sock").display());
    for part in [
        version.as_str(),
        "up for ",
        "1 active, 1 inactive, 1 refused",
        "inactive analytics 1.0.0: it is not granted",
        "refused  bad.wasm: ",
        "rollouts   1\n  every tenant gets crm 1.0.0",
        "tenon grant analytics",
    ] {
        assert!(said.contains(part), "expected {part}: {said}");
    }

    let json = output(host.scratch().tenon(&["status", "--json", "--url", host.address()])).await.success();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["counts"], json!({"loaded": 2, "active": 1, "rejected": 1}));
    assert_eq!(
        (&json["grantsWaiting"][0]["plugin"], &json["rollouts"][0]["plugin"]),
        (&json!("analytics"), &json!("crm"))
    );
    assert!(json["startedAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{json}");
}

#[tokio::test]
async fn without_a_host_it_fails() {
    let scratch = Scratch::with_plugins(&[]);
    let said = output(scratch.tenon(&["status", "--url", "http://127.0.0.1:1"])).await;
    assert_eq!(said.status, Some(1), "{said:#?}");
    assert!(said.failure().contains("no host answers at http://127.0.0.1:1"));
}
