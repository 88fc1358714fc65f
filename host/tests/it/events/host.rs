//! What the host tells of itself, as a plugin hears it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Client, Host, Scratch, eventually};
use crate::identity;
use crate::lifecycle::{self, Version};

const QUICK: &str = "log.filter = \"error\"\nloader.rescan_ms = 50\n";

/// All that the tenant's listener has heard.
async fn heard(client: &Client) -> Vec<Value> {
    client.get("/plugins/listener/heard").await.rows().to_vec()
}

/// The data of the events of this topic about this subject, once there is one.
async fn told(client: &Client, topic: &str, subject: &str) -> Vec<Value> {
    eventually(&format!("{topic} of {subject}"), async || {
        let all = heard(client).await;
        let is_meant = |event: &&Value| event["topic"] == topic && event["subject"] == subject;
        let found: Vec<Value> = all.iter().filter(is_meant).map(data).collect();
        assert!(all.iter().all(|event| event["source"] == "/host"), "{all:?}");
        (!found.is_empty()).then_some(found)
    })
    .await
}

fn data(event: &Value) -> Value {
    serde_json::from_str(event["data"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_plugin_hears_of_its_tenant_and_of_the_plugins_that_come_and_go_there() {
    let host = Host::with_config(&["listener", "crm", "hostile-keeper"], QUICK).await;
    host.post("/api/v1/tenants", json!({ "id": "acme" })).await.data(201);
    let acme = host.tenant("acme");
    assert_eq!(told(&acme, "tenant.created", "acme").await, [json!({ "tenant": "acme" })]);
    acme.get("/plugins/crm/contacts").await.data(200);
    let activated = json!({ "plugin": "crm", "version": "1.0.0" });
    assert_eq!(told(&acme, "plugin.activated", "crm").await, [activated]);
    for _ in 0..2 {
        acme.post("/api/v1/plugins/crm/deactivate", json!({})).await.data(200);
    }
    let purge = json!({ "plugin": "crm", "tenant": "acme" });
    host.post("/api/v1/plugins/crm/purge", purge).await.data(200);
    assert_eq!(told(&acme, "plugin.deactivated", "crm").await, [json!({ "plugin": "crm" })]);

    // What was set, and never to what.
    let secret = "nobody-is-told-this";
    let values = json!({ "values": { "region": secret, "apiKey": secret } });
    let set = acme.request(Method::PUT, "/api/v1/plugins/hostile-keeper/config").json(&values);
    crate::common::ask(set).await.data(200);
    let changed = told(&acme, "config.changed", "hostile-keeper").await;
    assert_eq!(changed, [json!({ "plugin": "hostile-keeper", "keys": ["apiKey", "region"] })]);
    let all = heard(&acme).await;
    assert!(!format!("{all:?}").contains(secret), "{all:?}");
    // What stopped once stopped no second time, however often that was said.
    let stopped = all.iter().filter(|event| event["topic"] == "plugin.deactivated").count();
    assert_eq!(stopped, 1, "{all:?}");
    // Of another tenant's it hears nothing.
    let demo = heard(&host).await;
    assert!(!demo.iter().any(|event| event["subject"] == "acme" || event["topic"] == "config.changed"), "{demo:?}");
    // Nobody asked for the one, and dev mode has no logins.
    assert!(!all.iter().any(|event| event["topic"] == "api.request" || event["topic"] == "user.login"), "{all:?}");
}

#[tokio::test]
async fn a_plugin_hears_of_versions_that_come_and_go_for_all() {
    let scratch = Scratch::with_plugins(&["listener", "phases"]);
    std::fs::rename(scratch.plugins().join("phases.wasm"), scratch.path("phases.built")).unwrap();
    Version::new("1.0.0").put(&scratch);
    let config = scratch.file("tenon.toml", QUICK);
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let acme = host.tenant("acme");
    acme.get("/plugins/phases/events").await.data(200);
    heard(&acme).await;

    host.scratch().add_plugin("greeter-1-0");
    let greeter = [json!({ "plugin": "greeter", "version": "1.0.0" })];
    for client in [&acme, &*host] {
        assert_eq!(told(client, "plugin.installed", "greeter").await, greeter);
    }
    host.delete("/api/v1/plugins/greeter/versions/1.0.0").await.data(200);
    assert_eq!(told(&acme, "plugin.uninstalled", "greeter").await, greeter);

    lifecycle::add(&host, Version::new("1.1.0")).await;
    acme.get("/plugins/phases/events").await.data(200);
    let upgraded = json!({ "plugin": "phases", "version": "1.1.0", "previous": "1.0.0" });
    assert_eq!(told(&acme, "plugin.upgraded", "phases").await, [upgraded]);
}

#[tokio::test]
async fn a_plugin_hears_of_requests_as_often_as_the_operator_says() {
    let config = format!("{QUICK}events.request_sample_per_mille = 1000\nevents.requests_per_s = 3\n");
    let host = Host::with_config(&["listener", "hello"], &config).await;
    let requests = async || {
        for _ in 0..30 {
            host.get("/plugins/hello/headers").await;
        }
        host.post("/plugins/hello/none/of/these", json!({})).await;
        let all = heard(&host).await;
        all.iter().filter(|event| event["topic"] == "api.request").map(data).collect::<Vec<_>>()
    };
    let told = eventually("requests to be told of", async || {
        let told = requests().await;
        told.iter().any(|data| data["plugin"] == "hello").then_some(told)
    })
    .await;
    let request = told.iter().find(|data| data["plugin"] == "hello").unwrap();
    assert_eq!((&request["method"], &request["status"]), (&json!("GET"), &json!(200)));
    assert_eq!(request.as_object().unwrap().len(), 3, "no path, no headers, no body: {request}");
}

#[tokio::test]
async fn what_happens_in_a_request_is_told_with_its_correlation_id() {
    let config = format!("{QUICK}events.request_sample_per_mille = 1000\n");
    let host = Host::with_config(&["hello", "hostile-keeper"], &config).await;
    let values = json!({ "values": { "region": "eu", "apiKey": "k" } });
    let set = host.request(Method::PUT, "/api/v1/plugins/hostile-keeper/config").json(&values);
    let made = host.request(Method::POST, "/api/v1/tenants").json(&json!({ "id": "acme" }));
    let (acme, other) = (host.tenant("acme"), host.tenant("other"));
    let asked = host.request(Method::GET, "/plugins/hello/headers");
    let first = other.request(Method::GET, "/api/v1/plugins");
    for (request, client, topic) in [
        (asked, &*host, "api.request"),
        (set, &*host, "config.changed"),
        (made, &acme, "tenant.created"),
        (first, &other, "tenant.created"),
    ] {
        let id = format!("{topic}-{}", uuid::Uuid::new_v4());
        let answer = crate::common::ask(request.header("X-Correlation-ID", &id)).await;
        assert!((200..300).contains(&answer.status), "{topic}: {}", answer.status);
        let told = eventually(topic, async || {
            let told = client.get(&format!("/api/v1/events?correlationId={id}")).await.rows().to_vec();
            (!told.is_empty()).then_some(told)
        })
        .await;
        assert_eq!((told.len(), &told[0]["type"]), (1, &json!(topic)), "{told:?}");
    }
}

#[tokio::test]
async fn a_plugin_hears_who_came_in_once_for_a_while() {
    let scratch = Scratch::with_plugins(&["listener"]);
    let config = format!("{QUICK}grants.automatic = \"always\"\ntrust.unsigned = \"allow\"\n");
    let config = scratch.file("tenon.toml", &config);
    let host = Host::start(scratch, &["--config", config.to_str().unwrap()]).await;
    let operator = identity::operator(&host).await;
    operator.post("/api/v1/tenants", json!({ "id": "acme" })).await.data(201);
    let key = operator.tenant("acme").post("/api/v1/keys", json!({ "role": "owner", "name": "ada" })).await;
    let (id, key) = (&key.data(201)["id"], key.data(201)["key"].as_str().unwrap());
    let owner = host.key(key);
    let subject = format!("key:{}", id.as_str().unwrap());
    let logins = told(&owner, "user.login", &subject).await;
    assert_eq!(logins, [json!({ "principal": subject })]);
    for _ in 0..5 {
        owner.get("/api/v1/plugins").await.data(200);
    }
    // Behind whatever came of these requests.
    operator.post("/api/v1/tenants", json!({ "id": "beta" })).await.data(201);
    let again = operator.tenant("acme").post("/api/v1/keys", json!({ "role": "member", "name": "bob" })).await;
    let bob = format!("key:{}", again.data(201)["id"].as_str().unwrap());
    host.key(again.data(201)["key"].as_str().unwrap()).get("/api/v1/plugins").await.data(200);
    told(&owner, "user.login", &bob).await;
    assert_eq!(told(&owner, "user.login", &subject).await.len(), 1);
}
