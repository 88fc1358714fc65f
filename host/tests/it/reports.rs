//! `/plugins/analytics/reports`: what Analytics makes of what the CRM knows.

use serde_json::{Value, json};

use crate::common::{Client, Host};

const REPORTS: &str = "/plugins/analytics/reports";
const CONTACTS: &str = "/plugins/crm/contacts";
const DEALS: &str = "/plugins/crm/deals";

async fn both() -> Host {
    Host::with_plugins(&["crm", "analytics"]).await
}

async fn run(client: &Client, id: &str) -> Value {
    let report = client.post(&format!("{REPORTS}/{id}/run"), json!({})).await.data(200).clone();
    assert!(report.get("error").is_none(), "{id} is incomplete: {report:#}");
    report
}

/// The figures of a report, as they are written.
async fn figures(client: &Client, id: &str) -> String {
    run(client, id).await["data"].to_string()
}

#[tokio::test]
async fn there_are_four_reports() {
    let host = both().await;
    let answer = host.get(REPORTS).await;
    assert_eq!(answer.total(), 4);
    assert_eq!(answer.column("id"), ["report-1", "report-2", "report-3", "report-4"]);
    let types = ["contacts_summary", "deals_pipeline", "sales_forecast", "customer_lifetime_value"];
    assert_eq!(answer.column("type"), types);
    for column in ["name", "description"] {
        assert!(answer.column(column).iter().all(|text| !text.is_empty()), "{answer:#?}");
    }
}

#[tokio::test]
async fn a_report_says_what_it_is_when_it_was_made_and_from_what() {
    let host = both().await;
    let listed = host.get(REPORTS).await;
    for (row, (source, records)) in listed.rows().iter().zip([
        (json!(["crm:contacts"]), 4),
        (json!(["crm:deals"]), 4),
        (json!(["crm:deals"]), 4),
        (json!(["crm:deals", "crm:contacts"]), 8),
    ]) {
        let report = run(&host, row["id"].as_str().unwrap()).await;
        let members: Vec<&String> = report.as_object().unwrap().keys().collect();
        assert_eq!(members, ["reportId", "reportName", "type", "generatedAt", "data", "metadata"]);
        assert_eq!((&report["reportId"], &report["reportName"]), (&row["id"], &row["name"]));
        assert_eq!(report["type"], row["type"]);
        let made: jiff::Timestamp = report["generatedAt"].as_str().unwrap().parse().unwrap();
        assert!((0..60).contains(&jiff::Timestamp::now().duration_since(made).as_secs()), "{report:#}");
        let metadata = json!({"dataSource": source, "recordsAnalyzed": records, "timePeriod": "all"});
        assert_eq!(report["metadata"], metadata);
    }
}

#[tokio::test]
async fn report_1_counts_contacts_by_company_and_tag() {
    let expected = json!({
        "totalContacts": 4,
        "byCompany": {"Acme Corp": 2, "Northwind Logistics": 1, "TechCo": 1},
        "byTag": {"enterprise": 3, "smb": 1, "technical": 1, "vip": 1},
        "topCompanies": [
            {"company": "Acme Corp", "count": 2},
            {"company": "Northwind Logistics", "count": 1},
            {"company": "TechCo", "count": 1},
        ],
    });
    let host = both().await;
    assert_eq!(figures(&host, "report-1").await, expected.to_string());
}

#[tokio::test]
async fn report_1_names_the_five_companies_with_the_most_contacts_and_counts_beyond_a_page() {
    let host = both().await;
    let tenant = host.tenant("many");
    for number in 0..203 {
        let company = format!("Company {}", ["A", "B", "C", "D", "E", "F", "F"][number % 7]);
        let body = json!({
            "firstName": "A", "lastName": "B", "email": format!("{number}@example.com"), "company": company,
        });
        tenant.post(CONTACTS, body).await.data(201);
    }
    let report = run(&tenant, "report-1").await;
    assert_eq!((&report["data"]["totalContacts"], &report["metadata"]["recordsAnalyzed"]), (&json!(203), &json!(203)));
    assert_eq!(report["data"]["byCompany"]["Company F"], 58);
    let top: Vec<&str> =
        report["data"]["topCompanies"].as_array().unwrap().iter().map(|row| row["company"].as_str().unwrap()).collect();
    assert_eq!(top, ["Company F", "Company A", "Company B", "Company C", "Company D"]);
}

#[tokio::test]
async fn report_2_shows_the_pipeline_stage_by_stage() {
    let deal = |id: &str, title: &str, value: u32, stage: &str, probability: u8| {
        json!({
            "id": id, "title": title, "value": value, "currency": "USD", "stage": stage, "probability": probability,
        })
    };
    let expected = json!({
        "totalDeals": 4,
        "currency": "USD",
        "totalValue": 250000,
        "avgDealValue": 62500,
        "avgProbability": 57.5,
        "byStage": {
            "qualified": {"count": 1, "value": 50000, "avgValue": 50000},
            "proposal": {"count": 2, "value": 150000, "avgValue": 75000},
            "negotiation": {"count": 1, "value": 50000, "avgValue": 50000},
        },
        "byCurrency": {"USD": 250000},
        "topDeals": [
            deal("deal-2", "TechCo Platform", 100_000, "proposal", 55),
            deal("deal-1", "Acme Enterprise", 50_000, "qualified", 40),
            deal("deal-3", "Acme Training", 50_000, "proposal", 60),
            deal("deal-4", "Northwind Rollout", 50_000, "negotiation", 75),
        ],
    });
    let host = both().await;
    assert_eq!(figures(&host, "report-2").await, expected.to_string());
}

#[tokio::test]
async fn report_2_names_the_ten_most_valuable_deals_and_mixes_no_currencies() {
    let host = both().await;
    for value in 1..=8 {
        host.post(DEALS, json!({"title": "x", "value": value, "stage": "won"})).await.data(201);
    }
    let report = run(&host, "report-2").await;
    let top = report["data"]["topDeals"].as_array().unwrap();
    let values: Vec<String> = top.iter().map(|deal| deal["value"].to_string()).collect();
    assert_eq!(values, ["100000", "50000", "50000", "50000", "8", "7", "6", "5", "4", "3"]);
    assert_eq!(report["metadata"]["recordsAnalyzed"], 12, "also those that are not named");

    host.post(DEALS, json!({"title": "x", "value": 0.5, "currency": "EUR", "stage": "won"})).await.data(201);
    let report = run(&host, "report-2").await;
    let data = &report["data"];
    for member in ["currency", "totalValue", "avgDealValue"] {
        assert!(data.get(member).is_none(), "{member} would mix currencies: {data:#}");
    }
    assert_eq!(data["byStage"]["won"].to_string(), r#"{"count":9}"#);
    assert_eq!(data["byStage"]["proposal"].to_string(), r#"{"count":2,"value":150000,"avgValue":75000}"#);
    assert_eq!(data["byCurrency"].to_string(), r#"{"EUR":0.5,"USD":250036}"#);
}

#[tokio::test]
async fn report_3_forecasts_the_revenue_of_open_deals() {
    let host = both().await;
    let all = json!({"expectedRevenue": 250000, "weightedRevenue": 142500, "confidenceLevel": "medium"});
    let expected = json!({
        "openDeals": 4,
        "currency": "USD",
        "expectedRevenue": 250000,
        "weightedRevenue": 142500,
        "confidenceLevel": "medium",
        "byCurrency": {"USD": all},
    });
    assert_eq!(figures(&host, "report-3").await, expected.to_string());
    for stage in ["won", "lost"] {
        host.post(DEALS, json!({"title": "x", "value": 1000, "stage": stage})).await.data(201);
    }
    assert_eq!(figures(&host, "report-3").await, expected.to_string(), "what is decided is no forecast");
}

#[tokio::test]
async fn report_3_is_confident_above_seven_tenths() {
    let host = both().await;
    for (tenant, probability, confidence) in [("at", 70, "medium"), ("above", 71, "high")] {
        let tenant = host.tenant(tenant);
        tenant.post(DEALS, json!({"title": "x", "value": 0.1, "probability": probability})).await.data(201);
        let report = run(&tenant, "report-3").await;
        assert_eq!(report["data"]["confidenceLevel"], confidence, "{report:#}");
        assert_eq!(report["data"]["weightedRevenue"].to_string(), format!("0.0{probability}").trim_end_matches('0'));
    }
}

#[tokio::test]
async fn report_4_adds_up_what_each_contact_has_brought() {
    let host = both().await;
    let contact = |id: &str, name: &str, company: &str, won: Value, deals: u32| {
        json!({
            "contactId": id, "contactName": name, "company": company, "lifetimeValue": won, "dealCount": deals,
        })
    };
    let expected = json!({
        "contacts": [
            contact("contact-1", "John Doe", "Acme Corp", json!({}), 1),
            contact("contact-2", "Jane Smith", "TechCo", json!({}), 1),
            contact("contact-3", "Maria Keller", "Acme Corp", json!({}), 1),
            contact("contact-4", "Ravi Patel", "Northwind Logistics", json!({}), 1),
        ],
        "avgLifetimeValue": {},
    });
    assert_eq!(figures(&host, "report-4").await, expected.to_string(), "nothing is won yet");

    host.put(&format!("{DEALS}/deal-4"), json!({"stage": "won"})).await.data(200);
    for (value, currency) in [(0.5, "EUR"), (0.25, "USD")] {
        let body = json!({
            "title": "x", "value": value, "currency": currency, "stage": "won", "contactId": "contact-2",
        });
        host.post(DEALS, body).await.data(201);
    }
    let expected = json!({
        "contacts": [
            contact("contact-2", "Jane Smith", "TechCo", json!({"EUR": 0.5, "USD": 0.25}), 3),
            contact("contact-4", "Ravi Patel", "Northwind Logistics", json!({"USD": 50000}), 1),
            contact("contact-1", "John Doe", "Acme Corp", json!({}), 1),
            contact("contact-3", "Maria Keller", "Acme Corp", json!({}), 1),
        ],
        "avgLifetimeValue": {"EUR": 0.12, "USD": 12500.06},
    });
    assert_eq!(figures(&host, "report-4").await, expected.to_string());
}

#[tokio::test]
async fn a_tenant_without_contacts_and_deals_gets_reports_of_nothing() {
    let host = both().await;
    let empty = host.tenant("empty");
    for (id, expected) in [
        ("report-1", json!({"totalContacts": 0, "byCompany": {}, "byTag": {}, "topCompanies": []})),
        (
            "report-2",
            json!({
                "totalDeals": 0, "totalValue": 0, "avgDealValue": 0, "avgProbability": 0, "byStage": {},
                "byCurrency": {}, "topDeals": [],
            }),
        ),
        (
            "report-3",
            json!({
                "openDeals": 0, "expectedRevenue": 0, "weightedRevenue": 0, "confidenceLevel": "medium",
                "byCurrency": {},
            }),
        ),
        ("report-4", json!({"contacts": [], "avgLifetimeValue": {}})),
    ] {
        let report = run(&empty, id).await;
        assert_eq!(report["data"].to_string(), expected.to_string());
        assert_eq!(report["metadata"]["recordsAnalyzed"], 0);
    }
}

#[tokio::test]
async fn a_report_that_does_not_exist_is_not_found() {
    let host = both().await;
    for id in ["report-5", "report-0", "1", "REPORT-1"] {
        let answer = host.post(&format!("{REPORTS}/{id}/run"), json!({})).await;
        assert!(answer.message(404, "not_found").contains(id), "{answer:#?}");
    }
    let answer = host.get(&format!("{REPORTS}/report-1/run")).await;
    answer.refusal(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST");
}
