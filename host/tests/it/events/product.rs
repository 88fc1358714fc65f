//! The CRM's events, the example of the guide, and what the host tells by itself.

use serde_json::{Value, json};

use crate::common::{Answer, Client, Host, eventually};

async fn topics(client: &Client, source: &str) -> Vec<Value> {
    let mut rows = client.get(&format!("/api/v1/events?limit=200&source={source}")).await.rows().to_vec();
    rows.reverse();
    rows
}

/// The types of all events of a source but those of shared data, once there are so many, in the order in which they arrived.
async fn types(client: &Client, source: &str, count: usize) -> Vec<String> {
    let all = eventually(&format!("{count} events"), async || {
        let mut all = topics(client, source).await;
        all.retain(|event| event["type"] != "shared-data.changed");
        (all.len() >= count).then_some(all)
    })
    .await;
    all.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

fn id(answer: &Answer, status: u16) -> String {
    answer.data(status)["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_crm_tells_of_contacts_and_deals_and_the_example_counts_what_was_won() {
    let host = Host::with_config(&["crm", "events"], "log.filter = \"error\"").await;
    // The demo tenant has data that nobody tells of.
    let host = host.tenant("acme");
    let contact = json!({ "firstName": "Ada", "lastName": "Byron", "email": "ada@example.com" });
    let contact = id(&host.post("/plugins/crm/contacts", contact).await, 201);
    host.put(&format!("/plugins/crm/contacts/{contact}"), json!({ "company": "Engines" })).await.data(200);
    host.delete(&format!("/plugins/crm/contacts/{contact}")).await;
    let expected = ["contact.created", "contact.updated", "contact.deleted"];
    assert_eq!(types(&host, "/plugins/crm", 3).await, expected);

    let deal = json!({ "title": "Engine", "value": 1_234.5 });
    let deal = id(&host.post("/plugins/crm/deals", deal).await, 201);
    let path = format!("/plugins/crm/deals/{deal}");
    for stage in ["proposal", "lost", "won"] {
        host.put(&path, json!({ "stage": stage })).await.data(200);
    }
    host.put(&path, json!({ "title": "Engines" })).await.data(200);
    let told = types(&host, "/plugins/crm", 13).await;
    let changed = ["deal.updated", "deal.stage-changed"];
    let mut expected: Vec<&str> = expected.into();
    expected.push("deal.created");
    expected.extend(changed);
    expected.extend(changed.into_iter().chain(["deal.lost"]));
    expected.extend(changed.into_iter().chain(["deal.won"]));
    expected.push("deal.updated");
    assert_eq!(told, expected);
    let all = topics(&host, "/plugins/crm").await;
    let won = all.iter().find(|event| event["type"] == "deal.won").unwrap();
    assert_eq!((&won["subject"], &won["partitionkey"]), (&json!(deal), &json!(deal)));
    assert_eq!(won["data"]["value"].to_string(), "1234.5");
    let moved = all.iter().rfind(|event| event["type"] == "deal.stage-changed").unwrap();
    assert_eq!((&moved["data"]["previousStage"], &moved["data"]["stage"]), (&json!("lost"), &json!("won")));

    let before = host.get(&path).await.data(200).clone();
    host.delete(&path).await.data(200);
    let told = types(&host, "/plugins/crm", 14).await;
    assert_eq!((told.len(), told.last().map(String::as_str)), (14, Some("deal.deleted")));
    let all = topics(&host, "/plugins/crm").await;
    let gone = all.last().unwrap();
    assert_eq!((&gone["subject"], &gone["partitionkey"]), (&json!(deal), &json!(deal)));
    for field in ["id", "title", "currency", "stage", "probability"] {
        assert_eq!(gone["data"][field], before[field], "{field}");
    }
    assert_eq!(gone["data"]["value"].to_string(), "1234.5");
    host.delete(&path).await.refusal(404, "not_found");

    for number in 0..9 {
        let deal = json!({ "title": format!("Deal {number}"), "value": 1, "stage": "won" });
        host.post("/plugins/crm/deals", deal).await.data(201);
    }
    eventually("ten deals to be counted", async || {
        (*host.get("/plugins/bonus/score").await.data(200) == 10).then_some(())
    })
    .await;
    assert_eq!(types(&host, "/plugins/bonus", 1).await, ["bonus.earned"]);
    let titles = eventually("everybody to be told", async || {
        let listed = host.get("/api/v1/notifications").await;
        (!listed.rows().is_empty()).then(|| listed.column("title").into_iter().map(str::to_owned).collect::<Vec<_>>())
    })
    .await;
    assert_eq!(titles, ["10 deals were won"], "a handler notifies, once");
    // What failed is not told of.
    let wrong = json!({ "title": "", "value": 1 });
    host.post("/plugins/crm/deals", wrong).await.refusal(422, "invalid");
    assert_eq!(topics(&host, "/plugins/bonus").await[0]["data"], json!({ "round": 1 }));
}

#[tokio::test]
async fn the_host_tells_of_tenants_plugins_and_logins_and_never_of_values() {
    let config = "log.filter = \"error\"\nevents.request_sample_per_mille = 1000\n";
    let host = Host::with_config(&["crm", "analytics"], config).await;
    host.post("/api/v1/tenants", json!({ "id": "acme" })).await.data(201);
    let acme = host.tenant("acme");
    acme.get("/plugins/crm/contacts").await.data(200);
    acme.post("/api/v1/plugins/crm/deactivate", json!({ "force": true })).await;
    let key = host.post("/api/v1/keys", json!({ "tenant": "acme", "roles": ["member"], "name": "k" })).await;
    let key = key.json["data"]["key"].as_str().unwrap_or_default().to_owned();
    if !key.is_empty() {
        acme.key(&key).get("/api/v1/plugins").await;
        acme.key(&key).get("/api/v1/plugins").await;
    }
    let all = eventually("the host's events", async || {
        let all = topics(&acme, "/host").await;
        let has = |topic: &str| all.iter().any(|event| event["type"] == topic);
        (has("tenant.created") && has("plugin.activated") && has("api.request")).then_some(all)
    })
    .await;
    let logins = all.iter().filter(|event| event["type"] == "user.login").count();
    assert!(logins <= 1, "{all:?}");
    let activated = all.iter().find(|event| event["type"] == "plugin.activated").unwrap();
    assert_eq!((&activated["data"]["plugin"], &activated["tenant"]), (&json!("crm"), &json!("acme")));
}
