//! Who a request is from, and that tenants share nothing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Client, Host, ask};

const CONTACTS: &str = "/plugins/crm/contacts";
const DEALS: &str = "/plugins/crm/deals";

async fn crm() -> Host {
    Host::with_plugins(&["crm"]).await
}

async fn add(client: &Client, name: &str) -> Value {
    let body = json!({"firstName": name, "lastName": "Same", "email": "same@example.com", "tags": [name]});
    client.post(CONTACTS, body).await.data(201).clone()
}

#[tokio::test]
async fn a_tenant_seen_for_the_first_time_is_empty_and_counts_from_one() {
    let host = crm().await;
    let acme = host.tenant("acme");
    for list in [CONTACTS, DEALS] {
        let answer = acme.get(list).await;
        assert_eq!((answer.rows().len(), answer.total()), (0, 0), "{list}");
    }
    assert_eq!(add(&acme, "ada").await["id"], "contact-1");
    let made = acme.post(DEALS, json!({"title": "x", "value": 1, "contactId": "contact-1"})).await;
    assert_eq!(made.data(201)["id"], "deal-1");
}

#[tokio::test]
async fn whoever_names_no_tenant_is_the_demo_tenant() {
    let host = crm().await;
    let named = host.tenant("demo").get(CONTACTS).await;
    assert_eq!(named.json, host.get(CONTACTS).await.json);
    assert_eq!(named.total(), 4);
}

#[tokio::test]
async fn two_tenants_share_neither_rows_nor_ids_nor_emails_nor_tags() {
    let host = crm().await;
    let (one, other) = (host.tenant("one"), host.tenant("other"));
    add(&one, "ada").await;
    add(&other, "bob").await;
    for (mine, own, foreign) in [(&one, "ada", "bob"), (&other, "bob", "ada")] {
        assert_eq!(mine.get(CONTACTS).await.column("firstName"), [own]);
        assert_eq!(mine.get(&format!("{CONTACTS}/contact-1")).await.data(200)["firstName"], own);
        for query in [format!("search={foreign}"), format!("tags={foreign}"), "search=doe".to_owned()] {
            assert_eq!(mine.get(&format!("{CONTACTS}?{query}")).await.total(), 0, "{query}");
        }
        mine.get(&format!("{CONTACTS}/contact-2")).await.refusal(404, "not_found");
        mine.get(&format!("{DEALS}/deal-1")).await.refusal(404, "not_found");
    }
    assert_eq!(host.get(&format!("{CONTACTS}?search=same")).await.total(), 0, "nor with the demo tenant");
}

#[tokio::test]
async fn what_one_tenant_changes_or_removes_stays_as_it_is_for_the_other() {
    let host = crm().await;
    let (one, other) = (host.tenant("one"), host.tenant("other"));
    for tenant in [&one, &other] {
        add(tenant, "ada").await;
        tenant.post(DEALS, json!({"title": "x", "value": 1})).await.data(201);
    }
    let before = (other.get(CONTACTS).await.json, other.get(DEALS).await.json);
    one.put(&format!("{DEALS}/deal-1"), json!({"value": 2})).await.data(200);
    one.put(&format!("{CONTACTS}/contact-1"), json!({"firstName": "Eve"})).await.data(200);
    one.delete(&format!("{CONTACTS}/contact-1")).await.data(200);
    assert_eq!((other.get(CONTACTS).await.json, other.get(DEALS).await.json), before);
    let wrong = json!({"title": "x", "value": 1, "contactId": "contact-1"});
    assert_eq!(one.post(DEALS, wrong).await.wrong_fields(), ["contactId"], "the other's contact is none of its own");
}

#[tokio::test]
async fn tenants_whose_ids_differ_by_little_are_still_two() {
    let host = crm().await;
    let ids = ["a", "a-", "a_", "a-b", "a_b", "0", "demo-", "demo2"];
    for id in ids {
        assert_eq!(add(&host.tenant(id), id).await["id"], "contact-1", "{id}");
    }
    for id in ids {
        assert_eq!(host.tenant(id).get(CONTACTS).await.column("firstName"), [id]);
    }
    assert_eq!(host.get(CONTACTS).await.total(), 4);
}

#[tokio::test]
async fn a_report_is_made_from_the_callers_tenant_alone() {
    let host = Host::with_plugins(&["crm", "analytics"]).await;
    let acme = host.tenant("acme");
    add(&acme, "ada").await;
    let total = async |client: &Client| {
        let answer = client.post("/plugins/analytics/reports/report-1/run", json!({})).await;
        answer.data(200)["data"]["totalContacts"].clone()
    };
    assert_eq!(
        (total(&acme).await, total(&host).await, total(&host.tenant("none")).await),
        (json!(1), json!(4), json!(0))
    );
}

#[tokio::test]
async fn what_is_no_tenant_id_is_refused_and_makes_nothing() {
    let host = crm().await;
    let too_long = "x".repeat(64);
    for id in ["", " ", "Acme", "-a", "_a", "a.b", "..", "../demo", "a/b", "demo,acme", "a b", "ä", &too_long] {
        let answer = host.tenant(id).get(CONTACTS).await;
        let error = answer.refusal(400, "bad_header");
        assert_eq!(error["fields"][0]["field"], "x-tenant-id", "{id:?}");
    }
    assert_eq!(host.tenant(&"x".repeat(63)).get(CONTACTS).await.total(), 0);
}

#[tokio::test]
async fn an_identity_header_given_twice_is_refused() {
    let host = crm().await;
    for name in ["X-Tenant-ID", "X-User-ID", "X-Workspace-ID"] {
        for second in ["demo", "acme"] {
            let request = host.request(reqwest::Method::GET, CONTACTS).header(name, "demo").header(name, second);
            let answer = ask(request).await;
            assert!(answer.message(400, "bad_header").contains("more than once"), "{name} {second}: {answer:#?}");
        }
    }
}

#[tokio::test]
async fn a_client_cannot_say_which_plugin_it_is() {
    let host = crm().await;
    let plain = host.get(CONTACTS).await;
    for caller in ["analytics", "crm", "no such plugin", ""] {
        let request = host.request(reqwest::Method::GET, CONTACTS).header("X-Caller-Plugin-ID", caller);
        let answer = ask(request).await;
        assert_eq!((answer.status, &answer.json), (200, &plain.json), "{caller:?}");
    }
}

#[tokio::test]
async fn the_correlation_id_of_a_request_comes_back_and_one_without_gets_its_own() {
    let host = crm().await;
    let id = async |path: &str, sent: Option<&str>| {
        let mut request = host.request(reqwest::Method::GET, path);
        if let Some(sent) = sent {
            request = request.header("X-Correlation-ID", sent);
        }
        ask(request).await.header("x-correlation-id").to_owned()
    };
    let mut made = std::collections::HashSet::new();
    for path in [CONTACTS, "/plugins/crm/contacts/contact-9", "/health", "/nowhere"] {
        assert_eq!(id(path, Some("order-66")).await, "order-66", "{path}");
        for unusable in [None, Some("two words"), Some(""), Some(&*"x".repeat(129))] {
            let own = id(path, unusable).await;
            assert!(uuid::Uuid::parse_str(&own).is_ok(), "{path} {unusable:?}: {own:?}");
            assert!(made.insert(own), "{path} {unusable:?}: given twice");
        }
    }
}

#[tokio::test]
async fn data_and_the_numbers_that_were_given_outlive_a_restart() {
    let mut host = crm().await;
    let acme = host.tenant("acme");
    let ada = add(&acme, "ada").await;
    acme.post(DEALS, json!({"title": "x", "value": 0.1, "contactId": "contact-1"})).await.data(201);
    let gone = json!({"firstName": "A", "lastName": "B", "email": "gone@example.com"});
    acme.post(CONTACTS, gone).await.data(201);
    acme.delete(&format!("{CONTACTS}/contact-2")).await.data(200);
    host.put(&format!("{CONTACTS}/contact-1"), json!({"position": "Chair"})).await.data(200);
    host.delete(&format!("{DEALS}/deal-1")).await.data(200);
    let before = (acme.get(DEALS).await.json, host.get(CONTACTS).await.json, host.get(DEALS).await.json);

    host.restart().await;
    let acme = host.tenant("acme");
    assert_eq!(acme.get(CONTACTS).await.rows(), [ada]);
    assert_eq!((acme.get(DEALS).await.json, host.get(CONTACTS).await.json, host.get(DEALS).await.json), before);
    let next = json!({"firstName": "A", "lastName": "B", "email": "next@example.com"});
    assert_eq!(acme.post(CONTACTS, next.clone()).await.data(201)["id"], "contact-3", "contact-2 is not given again");
    assert_eq!(host.post(CONTACTS, next).await.data(201)["id"], "contact-5", "and the demo data not made again");
}

#[tokio::test]
async fn pages_from_elsewhere_cannot_use_a_developers_host() {
    let host = Host::with_plugins(&["crm"]).await;
    let request = || host.request(Method::GET, "/plugins/crm/contacts");
    ask(request().header("Host", "rebound.example.com")).await.refusal(403, "foreign_host");
    ask(request().header("Origin", "http://elsewhere.example.com")).await.refusal(403, "foreign_origin");
    ask(request().header("Origin", "null")).await.refusal(403, "foreign_origin");
    assert_eq!(ask(request().header("Host", "localhost:4000")).await.total(), 4);
}
