//! report-2: HTTP to Analytics, two calls to CRM, rows from SQLite, against plain functions over the same file.

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::host::{Host, product};
use crate::load::{self, Target};
use crate::native;

pub async fn compare() -> anyhow::Result<()> {
    println!(
        "report-2, a fresh store and instance for each of three calls, against plain functions in an axum handler"
    );
    let host = Host::start(&[product("crm")?, product("analytics")?]).await?;
    // The first request makes the demo tenant's database, which the other side reads too.
    let report = format!("http://{}/plugins/analytics/reports/report-2/run", host.address);
    reqwest::Client::builder().no_proxy().build()?.post(report).send().await?.error_for_status()?;
    let file = host.data.join("tenants/demo/crm.sqlite");
    let handler = post(move || {
        let data = native::pipeline(&file).map_err(|error| error.to_string());
        async move { data.map(|data| Json(envelope(json!(data)))) }
    });
    let native = native::serve(Router::new().route("/reports/report-2/run", handler)).await?;
    let ours = Target {
        name: "tenon",
        address: host.address,
        method: "POST",
        path: "/plugins/analytics/reports/report-2/run",
    };
    let theirs = Target { name: "plain functions", address: native, method: "POST", path: "/reports/report-2/run" };
    load::compare(&ours, &theirs, 16).await?;
    load::compare(&ours, &theirs, 1).await
}

fn envelope(data: Value) -> Value {
    json!({
        "success": true,
        "data": {
            "reportId": "report-2",
            "reportName": "Sales Pipeline Analysis",
            "type": "deals_pipeline",
            "generatedAt": jiff::Timestamp::now().to_string(),
            "data": data,
            "metadata": { "dataSource": ["crm:deals"], "recordsAnalyzed": data["totalDeals"], "timePeriod": "all" }
        }
    })
}
