//! Changing and removing deals.

use serde_json::json;

use super::{DEALS, SUMMARY, acme_enterprise, crm, path};

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let host = crm().await;
    let answer = host.put(&path("deal-1"), json!({"stage": "won", "probability": 100, "value": 50000.01})).await;
    let changed = answer.data(200).clone();
    let mut expected = acme_enterprise();
    expected["stage"] = json!("won");
    expected["probability"] = json!(100);
    expected["value"] = json!(50000.01);
    expected["updatedAt"] = changed["updatedAt"].clone();
    assert_eq!(changed, expected);
    assert!(changed["updatedAt"].as_str() > changed["createdAt"].as_str(), "{changed}");
    assert_eq!(*host.get(&path("deal-1")).await.data(200), changed);
    assert_eq!(host.get(&format!("{DEALS}?stage=won")).await.column("id"), ["deal-1"]);
}

#[tokio::test]
async fn a_new_stage_alone_leaves_the_probability() {
    let host = crm().await;
    let answer = host.put(&path("deal-1"), json!({"stage": "negotiation"})).await;
    assert_eq!(answer.data(200)["probability"], 40);
}

#[tokio::test]
async fn an_empty_text_clears_what_is_optional() {
    let host = crm().await;
    let answer = host.put(&path("deal-1"), json!({"description": "", "contactId": "", "expectedCloseDate": ""})).await;
    let changed = answer.data(200);
    for member in ["description", "contactId", "expectedCloseDate"] {
        assert!(changed.get(member).is_none(), "{member}: {changed}");
    }
    assert_eq!(host.put(&path("deal-1"), json!({"title": ""})).await.wrong_fields(), ["title"]);
}

#[tokio::test]
async fn an_update_keeps_the_rules_of_a_new_deal() {
    let host = crm().await;
    let body = json!({
        "title": " ", "value": 1.001, "probability": 101, "contactId": "contact-9", "expectedCloseDate": "2027-02-29",
    });
    let wrong = ["title", "value", "probability", "expectedCloseDate", "contactId"];
    assert_eq!(host.put(&path("deal-1"), body).await.wrong_fields(), wrong);
    assert_eq!(host.put(&path("deal-1"), json!({"id": "deal-9"})).await.wrong_fields(), ["id"]);
    assert_eq!(*host.get(&path("deal-1")).await.data(200), acme_enterprise(), "nothing changed");
}

#[tokio::test]
async fn a_currency_that_is_divided_otherwise_needs_a_value_beside_it() {
    let host = crm().await;
    assert_eq!(host.put(&path("deal-1"), json!({"currency": "JPY"})).await.wrong_fields(), ["value"]);
    let answer = host.put(&path("deal-1"), json!({"currency": "JPY", "value": 7_000_000})).await;
    assert_eq!(answer.data(200)["value"].to_string(), "7000000");
    let answer = host.put(&path("deal-2"), json!({"currency": "EUR"})).await;
    assert_eq!(answer.data(200)["value"].to_string(), "100000", "cents stay cents");
}

#[tokio::test]
async fn a_deal_that_is_not_there_is_not_changed() {
    let host = crm().await;
    for id in ["deal-5", "deal-01", "contact-1"] {
        host.put(&path(id), json!({"title": "x"})).await.refusal(404, "not_found");
    }
    assert_eq!(host.get(DEALS).await.total(), 4);
}

#[tokio::test]
async fn a_removed_deal_is_gone_from_lists_and_figures_and_lets_its_contact_go() {
    let host = crm().await;
    let before = host.get(SUMMARY).await.data(200).clone();
    host.delete("/plugins/crm/contacts/contact-1").await.refusal(409, "conflict");
    assert!(host.delete(&path("deal-1")).await.data(200).is_null());
    host.get(&path("deal-1")).await.refusal(404, "not_found");
    host.delete(&path("deal-1")).await.refusal(404, "not_found");
    assert_eq!(host.get(DEALS).await.column("id"), ["deal-2", "deal-3", "deal-4"]);
    let after = host.get(SUMMARY).await.data(200).clone();
    assert_eq!((&before["totalDeals"], &after["totalDeals"]), (&json!(4), &json!(3)));
    assert_eq!(after["totalValue"], 200_000);
    host.delete("/plugins/crm/contacts/contact-1").await.data(200);
    let next = json!({ "title": "Next", "value": 1 });
    assert_eq!(host.post(DEALS, next).await.data(201)["id"], "deal-5", "an id is not given again");
}

#[tokio::test]
async fn what_is_no_deal_is_not_removed() {
    let host = crm().await;
    for id in ["deal-5", "deal-01", "contact-1", "x"] {
        host.delete(&path(id)).await.refusal(404, "not_found");
    }
    assert_eq!(host.get(DEALS).await.total(), 4);
}
