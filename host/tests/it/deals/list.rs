//! Listing deals, and reading one.

use super::{DEALS, acme_enterprise, add, crm, path};
use crate::common::Host;

async fn found(host: &Host, query: &str) -> String {
    host.get(&format!("{DEALS}?{query}")).await.column("id").join(" ")
}

#[tokio::test]
async fn the_demo_tenant_has_the_four_deals_of_the_story() {
    let host = crm().await;
    let answer = host.get(DEALS).await;
    assert_eq!(answer.total(), 4);
    assert_eq!(answer.rows()[0], acme_enterprise());
    let told: Vec<String> = answer
        .rows()
        .iter()
        .map(|deal| {
            format!("{} {} {} {} {}", deal["id"], deal["value"], deal["currency"], deal["stage"], deal["probability"])
        })
        .collect();
    assert_eq!(
        told,
        [
            r#""deal-1" 50000 "USD" "qualified" 40"#,
            r#""deal-2" 100000 "USD" "proposal" 55"#,
            r#""deal-3" 50000 "USD" "proposal" 60"#,
            r#""deal-4" 50000 "USD" "negotiation" 75"#,
        ]
    );
    assert_eq!(answer.column("title")[..2], ["Acme Enterprise", "TechCo Platform"]);
}

#[tokio::test]
async fn deals_are_found_by_stage_contact_currency_and_text() {
    let host = crm().await;
    add(&host, "7", "EUR").await;
    assert_eq!(found(&host, "stage=proposal").await, "deal-2 deal-3");
    assert_eq!(found(&host, "stage=qualified&stage=negotiation").await, "deal-1 deal-4");
    assert_eq!(found(&host, "stage=qualified,lead").await, "deal-1 deal-5");
    assert_eq!(found(&host, "stage=won").await, "");
    assert_eq!(found(&host, "contactId=contact-2").await, "deal-2");
    assert_eq!(found(&host, "contactId=contact-99").await, "");
    assert_eq!(found(&host, "currency=eur").await, "deal-5");
    assert_eq!(found(&host, "search=ACME").await, "deal-1 deal-3");
    assert_eq!(found(&host, "search=warehouses").await, "deal-4", "the description is searched too");
    assert_eq!(found(&host, "search=a&stage=proposal&contactId=contact-3&currency=USD").await, "deal-3");
}

#[tokio::test]
async fn the_most_valuable_come_first_within_each_currency_when_sorted_by_value() {
    let host = crm().await;
    add(&host, "9", "EUR").await;
    add(&host, "10", "EUR").await;
    assert_eq!(found(&host, "sort=value").await, "deal-6 deal-5 deal-2 deal-1 deal-3 deal-4");
    assert_eq!(found(&host, "sort=created").await, "deal-1 deal-2 deal-3 deal-4 deal-5 deal-6");
    assert_eq!(found(&host, "sort=value&currency=USD&take=2").await, "deal-2 deal-1");
    assert_eq!(found(&host, "sort=value&skip=1&take=2").await, "deal-5 deal-2");
}

#[tokio::test]
async fn a_query_that_cannot_be_is_refused_by_name() {
    let host = crm().await;
    for (query, wrong) in [
        ("take=0", vec!["take"]),
        ("take=201", vec!["take"]),
        ("stage=proposal,sold", vec!["stage[1]"]),
        ("sort=title", vec!["sort"]),
        ("currency=XXX", vec!["currency"]),
        ("contact_id=contact-1", vec!["contact_id"]),
        ("skip=-1&sort=x&limit=1", vec!["skip", "sort", "limit"]),
    ] {
        assert_eq!(host.get(&format!("{DEALS}?{query}")).await.wrong_fields(), wrong, "{query}");
    }
}

#[tokio::test]
async fn one_deal_is_read_by_its_id() {
    let host = crm().await;
    assert_eq!(*host.get(&path("deal-1")).await.data(200), acme_enterprise());
    for id in ["deal-5", "deal-01", "contact-1", "pipeline"] {
        let answer = host.get(&path(id)).await;
        assert!(answer.message(404, "not_found").contains(id), "{answer:#?}");
    }
}
