//! A plugin does what it was granted of what it asks for, and nothing else.

use reqwest::Method;
use rusqlite::Connection;
use serde_json::json;

use crate::common::{Host, ask, eventually};

const PLUGINS: [&str; 2] = ["crm", "analytics"];

/// A host where nothing is granted by itself.
async fn host() -> Host {
    Host::with_config(&PLUGINS, "grants.automatic = \"never\"\n").await
}

fn tenon(host: &Host, args: &[&str]) -> Result<String, String> {
    let output = host.scratch().tenon(args).args(["--url", host.address()]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test]
async fn a_plugin_waits_for_what_it_asks_for_and_says_so() {
    let host = host().await;
    let refusal = host.get("/plugins/analytics/reports").await;
    let message = refusal.refusal(503, "plugin_inactive")["message"].to_string();
    assert!(message.contains("it is not granted crm:"), "{message}");
    let explained = tenon(&host, &["explain", "analytics"]).unwrap();
    assert!(explained.contains("passed over: crm 1.0.0 — analytics is not granted crm:deals"), "{explained}");
    host.get("/plugins/crm/contacts").await.data(200);
    let log = std::fs::read_to_string(host.scratch().log()).unwrap();
    assert!(log.contains("tenon grant analytics --service crm:contacts"), "{log}");
}

#[tokio::test]
async fn what_is_granted_is_what_works() {
    let host = host().await;
    let shown = tenon(&host, &["grant", "analytics"]).unwrap();
    assert!(shown.contains("crm:deals") && !shown.contains("yes"), "{shown}");

    tenon(&host, &["grant", "analytics", "--service", "crm:deals", "--service", "crm:contacts"]).unwrap();
    let report = host.post("/plugins/analytics/reports/report-2/run", json!(null)).await;
    assert!(
        report.data(200)["error"].to_string().contains("not granted"),
        "may call, and do nothing there: {report:?}"
    );

    let shown = tenon(&host, &["grant", "analytics", "--all"]).unwrap();
    assert!(!shown.contains(" no "), "{shown}");
    let report = host.post("/plugins/analytics/reports/report-2/run", json!(null)).await;
    assert_eq!((&report.data(200)["error"], &report.data(200)["data"]["totalDeals"]), (&json!(null), &json!(4)));

    tenon(&host, &["revoke", "analytics", "--service", "crm:deals"]).unwrap();
    host.get("/plugins/analytics/reports").await.refusal(503, "plugin_inactive");
    let again = tenon(&host, &["revoke", "analytics", "--service", "crm:deals"]).unwrap_err();
    assert!(again.contains("analytics was never granted `crm:deals`"), "{again}");
}

#[tokio::test]
async fn grants_outlive_the_host_and_are_for_operators_to_give() {
    let mut host = host().await;
    let path = "/api/v1/plugins/analytics/grants";
    let grant = json!({"grants": [{"kind": "service", "value": "crm:deals"}]});
    for role in ["owner", "admin", "member"] {
        host.roles(role).post(path, grant.clone()).await.refusal(403, "denied");
    }
    host.post(path, json!({"all": true})).await.data(200);
    host.restart().await;
    host.get("/plugins/analytics/reports").await.data(200);
    let taken = ask(host.request(Method::DELETE, &format!("{path}/permission/plugin.crm.deals.read"))).await;
    taken.data(200);

    for (body, field) in [
        (
            json!({"grants": [{"kind": "service", "value": "crm:deals"}, {"kind": "service", "value": "bank:all"}]}),
            "grants[1]",
        ),
        (json!({"grants": []}), "grants"),
        (json!({"all": true, "grants": [{"kind": "service", "value": "crm:deals"}]}), "grants"),
        (json!({"grants": [{"kind": "everything", "value": "x"}]}), "grants[0].kind"),
    ] {
        let answer = host.post(path, body.clone()).await;
        assert_eq!(answer.refusal(422, "invalid")["fields"][0]["field"], field, "{body}");
    }
}

#[tokio::test]
async fn what_was_taken_back_and_could_not_be_read_counts_as_soon_as_it_can() {
    const REPORTS: &str = "/plugins/analytics/reports";
    let settings = "grants.automatic = \"never\"\nlifecycle.decisions_refresh_ms = 50\n";
    let host = Host::with_config(&PLUGINS, settings).await;
    tenon(&host, &["grant", "analytics", "--all"]).unwrap();
    host.get(REPORTS).await.data(200);
    let control = Connection::open(host.scratch().data().join("control.db")).unwrap();
    // The revision of what is decided can be read, and not all that is decided.
    control.execute_batch("ALTER TABLE rollout RENAME TO rollout_away").unwrap();
    let path = "/api/v1/plugins/analytics/grants/service/crm:deals";
    let revoked = ask(host.request(Method::DELETE, path)).await;
    assert!(revoked.status >= 500, "it is written down and does not count yet: {revoked:?}");
    host.get(REPORTS).await.data(200);
    control.execute_batch("ALTER TABLE rollout_away RENAME TO rollout").unwrap();
    eventually("it counts", async || (host.get(REPORTS).await.status == 503).then_some(())).await;
    host.get(REPORTS).await.refusal(503, "plugin_inactive");
}
