//! Adding deals.

use serde_json::json;

use super::{DEALS, SUMMARY, add, crm, path};

#[tokio::test]
async fn a_deal_is_created_with_all_it_was_given() {
    let host = crm().await;
    let body = json!({
        "title": "Big one", "description": "All of it", "value": 12.5, "currency": "eur", "stage": "negotiation",
        "probability": 0, "contactId": "contact-2", "expectedCloseDate": "2028-02-29",
    });
    let answer = host.post(DEALS, body).await;
    let made = answer.data(201).clone();
    let time = made["createdAt"].clone();
    let expected = json!({
        "id": "deal-5", "title": "Big one", "description": "All of it", "value": 12.5, "currency": "EUR",
        "stage": "negotiation", "probability": 0, "contactId": "contact-2", "expectedCloseDate": "2028-02-29",
        "createdAt": time, "updatedAt": time,
    });
    assert_eq!(made, expected);
    assert_eq!(*host.get(&path("deal-5")).await.data(200), made);
}

#[tokio::test]
async fn a_deal_begins_as_a_lead_in_dollars() {
    let host = crm().await;
    let answer = host.post(DEALS, json!({"title": "New", "value": 1})).await;
    let made = answer.data(201);
    let members: Vec<&String> = made.as_object().unwrap().keys().collect();
    let expected = ["id", "title", "value", "currency", "stage", "probability", "createdAt", "updatedAt"];
    assert_eq!(members, expected);
    assert_eq!((&made["currency"], &made["stage"], &made["probability"]), (&json!("USD"), &json!("lead"), &json!(10)));
}

#[tokio::test]
async fn a_stage_brings_its_usual_probability() {
    let host = crm().await;
    for (stage, probability) in
        [("lead", 10), ("qualified", 25), ("proposal", 50), ("negotiation", 75), ("won", 100), ("lost", 0)]
    {
        let answer = host.post(DEALS, json!({"title": "New", "value": 1, "stage": stage})).await;
        assert_eq!(answer.data(201)["probability"], probability, "{stage}");
    }
}

#[tokio::test]
async fn every_wrong_field_of_a_deal_is_named() {
    let host = crm().await;
    assert_eq!(host.post(DEALS, json!({})).await.wrong_fields(), ["title", "value"]);
    let deal = |member: &str, value: serde_json::Value| {
        let mut deal = json!({"title": "New", "value": 1});
        deal[member] = value;
        deal
    };
    for (member, value) in [
        ("title", json!(" ")),
        ("title", json!("x".repeat(201))),
        ("value", json!(null)),
        ("value", json!("a lot")),
        ("value", json!(-1)),
        ("currency", json!("XXX")),
        ("currency", json!("")),
        ("stage", json!("sold")),
        ("stage", json!("Won")),
        ("probability", json!(101)),
        ("probability", json!(256)),
        ("probability", json!(-1)),
        ("probability", json!(0.5)),
        ("contactId", json!("contact-5")),
        ("contactId", json!("deal-1")),
        ("expectedCloseDate", json!("2027-02-29")),
        ("expectedCloseDate", json!("2027-13-01")),
        ("expectedCloseDate", json!("tomorrow")),
        ("expectedCloseDate", json!("2027-03-01T00:00:00Z")),
        ("createdAt", json!("2027-03-01T00:00:00Z")),
    ] {
        let answer = host.post(DEALS, deal(member, value.clone())).await;
        assert_eq!(answer.wrong_fields(), [member], "{member}: {value}");
    }
    let many = json!({
        "title": "", "value": 0.001, "currency": "USD", "probability": 101, "contactId": "x", "expectedCloseDate": "x",
    });
    let wrong = ["title", "value", "probability", "expectedCloseDate", "contactId"];
    assert_eq!(host.post(DEALS, many).await.wrong_fields(), wrong);
    assert_eq!(host.get(DEALS).await.total(), 4, "nothing was stored");
    assert_eq!(add(&host, "1", "USD").await["id"], "deal-5", "the refused ones took no numbers");
}

#[tokio::test]
async fn a_new_deal_is_in_the_summary_at_once() {
    let host = crm().await;
    assert_eq!(host.get(SUMMARY).await.data(200)["totalDeals"], 4);
    add(&host, "1.25", "USD").await;
    let answer = host.get(SUMMARY).await;
    let summary = answer.data(200);
    assert_eq!((&summary["totalDeals"], summary["totalValue"].to_string().as_str()), (&json!(5), "250001.25"));
    assert_eq!(summary["byStage"]["lead"].to_string(), r#"{"count":1,"value":1.25}"#);
}
