//! Amounts are exact, and are never added across currencies.

use serde_json::json;

use super::{DEALS, SUMMARY, add, crm, path};

#[tokio::test]
async fn the_summary_of_the_demo_tenant_is_that_of_the_story() {
    let host = crm().await;
    assert_eq!(
        host.get(SUMMARY).await.data(200).to_string(),
        json!({
            "totalDeals": 4,
            "currency": "USD",
            "totalValue": 250000,
            "avgProbability": 57.5,
            "byStage": {
                "qualified": {"count": 1, "value": 50000},
                "proposal": {"count": 2, "value": 150000},
                "negotiation": {"count": 1, "value": 50000},
            },
            "byCurrency": {"USD": {"count": 4, "value": 250000, "weightedValue": 142500}},
        })
        .to_string()
    );
}

#[tokio::test]
async fn an_amount_comes_back_as_it_went_in() {
    let host = crm().await;
    for (given, kept) in [
        ("0", "0"),
        ("0.01", "0.01"),
        ("1234567.89", "1234567.89"),
        ("999999999999.99", "999999999999.99"),
        ("1.10", "1.1"),
        ("1e3", "1000"),
        ("2.5E-1", "0.25"),
        ("\"70368744177.66\"", "70368744177.66"),
    ] {
        let answer = host.post_text(DEALS, format!(r#"{{"title":"x","value":{given}}}"#)).await;
        let made = answer.data(201);
        assert_eq!(made["value"].to_string(), kept, "{given}");
        let read = host.get(&path(made["id"].as_str().unwrap())).await;
        assert_eq!(read.data(200)["value"].to_string(), kept, "{given}");
    }
}

#[tokio::test]
async fn an_amount_that_its_currency_cannot_hold_is_refused() {
    let host = crm().await;
    for (value, currency) in [
        ("0.001", "USD"),
        ("1.999", "EUR"),
        ("0.5", "JPY"),
        ("0.0001", "KWD"),
        ("-0.01", "USD"),
        ("1000000000000", "USD"),
        ("12345678901234.56", "USD"),
        ("9223372036854775808", "USD"),
        ("1e400", "USD"),
        ("0.0000000000000000001", "USD"),
    ] {
        let body = format!(r#"{{"title":"x","value":{value},"currency":"{currency}"}}"#);
        assert_eq!(host.post_text(DEALS, body).await.wrong_fields(), ["value"], "{value} {currency}");
    }
    for (value, currency) in [("7", "JPY"), ("0.005", "KWD"), ("5.00", "JPY")] {
        add(&host, value, currency).await;
    }
}

#[tokio::test]
async fn sums_are_exact_to_the_cent() {
    let host = crm().await;
    let sums = host.tenant("sums");
    for value in ["0.10", "0.20", "999999999999.99", "0.01"] {
        add(&sums, value, "USD").await;
    }
    let answer = sums.get(SUMMARY).await;
    let summary = answer.data(200);
    assert_eq!(summary["totalValue"].to_string(), "1000000000000.3");
    assert_eq!(summary["byStage"]["lead"]["value"].to_string(), "1000000000000.3");
    assert_eq!(summary["byCurrency"]["USD"]["weightedValue"].to_string(), "100000000000.03", "a tenth of it");

    let tenths = host.tenant("tenths");
    add(&tenths, "0.10", "USD").await;
    add(&tenths, "0.20", "USD").await;
    assert_eq!(tenths.get(SUMMARY).await.data(200)["totalValue"].to_string(), "0.3");
}

#[tokio::test]
async fn the_average_probability_is_rounded_to_two_places_half_to_even() {
    let host = crm().await;
    let average = async |tenant: &str, probabilities: &[u8]| {
        let tenant = host.tenant(tenant);
        for probability in probabilities {
            tenant.post(DEALS, json!({"title": "x", "value": 1, "probability": probability})).await.data(201);
        }
        tenant.get(SUMMARY).await.data(200)["avgProbability"].to_string()
    };
    assert_eq!(average("thirds", &[10, 10, 11]).await, "10.33");
    assert_eq!(average("two-thirds", &[10, 11, 11]).await, "10.67");
    assert_eq!(average("down", &[0, 0, 0, 0, 0, 0, 0, 1]).await, "0.12", "0.125 goes to the even 0.12");
    assert_eq!(average("up", &[0, 0, 0, 0, 0, 1, 1, 1]).await, "0.38", "0.375 goes to the even 0.38");
}

#[tokio::test]
async fn currencies_are_summed_each_for_itself() {
    let host = crm().await;
    let tenant = host.tenant("mixed");
    add(&tenant, "0.10", "EUR").await;
    add(&tenant, "0.20", "EUR").await;
    add(&tenant, "1000", "USD").await;
    add(&tenant, "5", "JPY").await;
    let won = json!({"title": "x", "value": 3, "currency": "USD", "stage": "won"});
    tenant.post(DEALS, won).await.data(201);
    assert_eq!(
        tenant.get(SUMMARY).await.data(200).to_string(),
        json!({
            "totalDeals": 5,
            "avgProbability": 28,
            "byStage": {"lead": {"count": 4}, "won": {"count": 1, "value": 3}},
            "byCurrency": {
                "EUR": {"count": 2, "value": 0.3, "weightedValue": 0.03},
                "JPY": {"count": 1, "value": 5, "weightedValue": 0.5},
                "USD": {"count": 2, "value": 1003, "weightedValue": 103},
            },
        })
        .to_string(),
        "no total across currencies"
    );
}

#[tokio::test]
async fn the_summary_of_one_currency_has_its_deals_alone() {
    let host = crm().await;
    add(&host, "0.10", "EUR").await;
    let answer = host.get(&format!("{SUMMARY}?currency=eur")).await;
    let euros = json!({
        "totalDeals": 1,
        "currency": "EUR",
        "totalValue": 0.1,
        "avgProbability": 10,
        "byStage": {"lead": {"count": 1, "value": 0.1}},
        "byCurrency": {"EUR": {"count": 1, "value": 0.1, "weightedValue": 0.01}},
    });
    assert_eq!(answer.data(200).to_string(), euros.to_string());
    let answer = host.get(&format!("{SUMMARY}?currency=GBP")).await;
    let none = json!({
        "totalDeals": 0, "currency": "GBP", "totalValue": 0, "avgProbability": 0, "byStage": {}, "byCurrency": {},
    });
    assert_eq!(answer.data(200).to_string(), none.to_string());
    for query in ["currency=XXX", "currency=", "currency=US%20D"] {
        assert_eq!(host.get(&format!("{SUMMARY}?{query}")).await.wrong_fields(), ["currency"], "{query}");
    }
    assert_eq!(host.get(&format!("{SUMMARY}?stage=won")).await.wrong_fields(), ["stage"]);
}
