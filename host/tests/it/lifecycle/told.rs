//! What operators are told of a version that failed for tenants.

use serde_json::{Value, json};

use super::{Version, add, events, host, note, seen};
use crate::common::{Host, eventually, output};

/// A command of the operator, about no tenant.
async fn operator(host: &Host, args: &[&str]) -> String {
    let mut command = host.scratch().tenon(args);
    command.arg("--data").arg(host.scratch().data());
    output(command).await.success()
}

#[tokio::test]
async fn a_version_in_error_is_told_wherever_plugins_are_counted_and_listed() {
    let host = host(&[Version::new("1.0.0")]).await;
    let tenants = ["acme", "beta"].map(|tenant| host.tenant(tenant));
    for tenant in &tenants {
        note(tenant, "mine").await.data(200);
    }
    add(&host, Version { words: &[("activate", "fail")], ..Version::new("1.1.0") }).await;
    for tenant in &tenants {
        events(tenant).await;
        eventually("it failed", async || (seen(tenant, "1.1.0").await["status"] == "error").then_some(())).await;
        let found = async |query: &str| tenant.get(&format!("/api/v1/plugins?status={query}")).await;
        assert_eq!(found("error").await.column("version"), ["1.1.0"]);
        assert_eq!(found("inactive").await.column("version"), ["1.1.0"], "as before, all that are not active");
        assert_eq!(found("uninstalling").await.total(), 0);
    }

    let status = operator(&host, &["status"]).await;
    let failed = "asked to fail its activate";
    let counted = "1 active, 0 inactive, 1 in error, 0 refused";
    for part in [counted, "health     1 in error, ", "  error    phases 1.1.0: for "] {
        assert!(status.contains(part), "expected {part}: {status}");
    }
    let line = status.lines().find(|line| line.contains("error    phases")).unwrap();
    assert!(line.contains(failed) && line.contains("acme") && line.contains("beta"), "{line}");
    let status: Value = serde_json::from_str(&operator(&host, &["status", "--json"]).await).unwrap();
    let [error] = status["plugins"]["error"].as_array().unwrap().as_slice() else { panic!("{status}") };
    let mut tenants_told: Vec<&str> = error["failedFor"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    tenants_told.sort_unstable();
    assert_eq!((&error["status"], tenants_told), (&json!("error"), vec!["acme", "beta"]));
    assert!(error["reason"].as_str().unwrap().contains(failed), "{error}");
    let counts = host.get("/health").await.data(200)["plugins"].clone();
    assert_eq!(counts, json!({"loaded": 2, "active": 1, "rejected": 0}));

    let explained = operator(&host, &["explain", "phases"]).await;
    assert!(explained.contains("phases 1.1.0 — error: for ") && explained.contains(failed), "{explained}");
    let links = tenants[0].get("/api/v1/plugins/phases/links").await;
    let versions = links.data(200)["versions"].as_array().unwrap().clone();
    let told: Vec<_> = versions.iter().map(|version| (&version["version"], &version["status"])).collect();
    assert!(told.contains(&(&json!("1.1.0"), &json!("error"))), "{versions:?}");
    assert!(links.data(200)["text"].as_str().unwrap().contains("phases 1.1.0 — error: "), "{links:?}");
    // In a list that goes to a program or a file nothing is cut.
    let listed = operator(&host, &["plugin", "list"]).await;
    assert!(listed.contains(failed) && !listed.contains('…'), "{listed}");
}
