//! The CRM writes `crm.events/last-deal-update`, and what Analytics has kept falls.

use serde_json::{Value, json};

use crate::common::{Host, output};

#[tokio::test]
async fn a_changed_deal_drops_the_report_that_was_kept() {
    let host = Host::with_plugins(&["crm", "analytics"]).await;
    let report = async || {
        let answer = host.get("/plugins/analytics/reports/report-2").await;
        (answer.header("x-cache").to_owned(), answer.data(200).clone())
    };
    let (told, before) = report().await;
    assert_eq!((told.as_str(), &before["data"]["totalValue"]), ("miss", &json!(250_000)));
    assert_eq!(before["metadata"]["dealsChangedAt"], Value::Null);
    let (told, kept) = report().await;
    assert_eq!((told.as_str(), &kept), ("hit", &before));
    let deal = host.put("/plugins/crm/deals/deal-1", json!({ "value": 60_000 })).await.data(200).clone();
    let (told, after) = report().await;
    assert_eq!((told.as_str(), &after["data"]["totalValue"]), ("miss", &json!(260_000)));
    assert_eq!(after["metadata"]["dealsChangedAt"], deal["updatedAt"]);
    assert_eq!(report().await, ("hit".to_owned(), after));
    // Operators see that there is something, and not what.
    let listed = host.get("/api/v1/plugins/crm/shared-data").await;
    let entry = &listed.rows()[0];
    assert_eq!((&entry["namespace"], &entry["key"]), (&json!("crm.events"), &json!("last-deal-update")));
    assert!(entry["expiresAt"].is_string() && entry["bytes"].is_i64() && !listed.text.contains("deal-1"), "{listed:?}");
    assert_eq!(host.tenant("acme").get("/api/v1/plugins/crm/shared-data").await.rows().len(), 0);
    host.get("/api/v1/plugins/crm/shared-data?cursor=x").await.refusal(422, "invalid");
    // Who misspells a plugin is told, whoever shares nothing is not.
    assert!(host.get("/api/v1/plugins/analytics/shared-data").await.rows().is_empty());
    let misspelt = host.get("/api/v1/plugins/crn/shared-data").await;
    let told = misspelt.message(404, "plugin_not_found");
    assert!(told.contains("no plugin `crn`") && told.contains("did you mean `crm`?"), "{told}");
    let args = ["shared-data", "crn", "--url", host.address(), "--tenant", "demo"];
    let told = output(host.scratch().tenon(&args)).await.failure().to_owned();
    assert!(told.contains("no plugin `crn`"), "{told}");
    let args = ["shared-data", "crm", "--url", host.address(), "--tenant", "demo"];
    let told = output(host.scratch().tenon(&args)).await.success().to_owned();
    assert!(told.contains("crm.events") && told.contains("last-deal-update"), "{told}");
    // Run by hand it is always made anew.
    let run = host.post("/plugins/analytics/reports/report-2/run", json!({})).await;
    assert_eq!((run.header("x-cache"), &run.data(200)["data"]["totalValue"]), ("", &json!(260_000)));
    host.get("/plugins/analytics/reports/report-9").await.refusal(404, "not_found");
}
