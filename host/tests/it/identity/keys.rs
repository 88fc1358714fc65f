//! Keys over the API: whose they are, what can be made with them, and how they end.

use reqwest::Method;
use serde_json::{Value, json};

use super::{client, host, local, new_key, operator, tenant};
use crate::common::{Client, Host, Process, ask, eventually};

const KEYS: &str = "/api/v1/keys";

async fn two_tenants(plugins: &[&str]) -> Host {
    let host = host(plugins, "").await;
    for id in ["acme", "beta"] {
        tenant(&host, id).await;
    }
    host
}

async fn make(client: &Client, order: Value) -> crate::common::Answer {
    client.post(KEYS, order).await
}

#[tokio::test]
async fn a_key_is_of_one_tenant_and_an_operators_of_all() {
    let host = two_tenants(&["crm"]).await;
    let owner = client(&host, "acme", "owner").await;
    let contact = json!({"firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"});
    owner.post("/plugins/crm/contacts", contact).await.data(201);
    assert_eq!(owner.tenant("acme").get("/plugins/crm/contacts").await.total(), 1);
    for other in ["beta", "nowhere"] {
        let refused = owner.tenant(other).get("/plugins/crm/contacts").await;
        assert!(refused.message(403, "wrong_tenant").contains(other));
    }
    // What else a client says of itself means nothing.
    let request = owner.request(Method::POST, "/api/v1/tenants").header("X-User-Roles", "operator");
    ask(request.header("X-User-ID", "root").json(&json!({"id": "gamma"}))).await.refusal(403, "denied");

    let operator = operator(&host).await;
    assert_eq!(operator.tenant("acme").get("/plugins/crm/contacts").await.total(), 1);
    assert_eq!(operator.tenant("beta").get("/plugins/crm/contacts").await.total(), 0);
    operator.tenant("nowhere").get("/plugins/crm/contacts").await.refusal(404, "tenant_not_found");
    operator.get("/plugins/crm/contacts").await.refusal(400, "tenant_required");
    assert_eq!(operator.get("/api/v1/tenants").await.rows().len(), 2);
    assert_eq!(owner.get("/api/v1/tenants").await.rows().len(), 1);
    owner.get("/api/v1/tenants/acme").await.data(200);
    owner.get("/api/v1/tenants/beta").await.refusal(404, "tenant_not_found");
    operator.get("/api/v1/tenants/beta").await.data(200);
}

#[tokio::test]
async fn an_owner_makes_keys_for_the_own_tenant_and_no_stronger_ones() {
    let host = two_tenants(&["crm"]).await;
    let (owner, admin) = (client(&host, "acme", "owner").await, client(&host, "acme", "admin").await);
    let made = make(&owner, json!({"role": "member", "permissions": ["plugin.crm.deals.*"], "name": "Ärger"})).await;
    assert_eq!(made.header("cache-control"), "no-store");
    let made = made.data(201);
    let member = host.key(made["key"].as_str().unwrap());
    member.post("/plugins/crm/deals", json!({"title": "x", "value": 1})).await.data(201);
    member.post("/plugins/crm/contacts", json!({})).await.refusal(403, "denied");
    let shown = owner.get(&format!("{KEYS}/{}", made["id"].as_str().unwrap())).await;
    assert!(shown.data(200)["key"].is_null() && shown.data(200)["createdBy"].as_str().unwrap().starts_with("key:"));

    make(&admin, json!({"role": "member"})).await.refusal(403, "denied");
    make(&member, json!({"role": "member"})).await.refusal(403, "denied");
    make(&owner.tenant("beta"), json!({"role": "member"})).await.refusal(403, "wrong_tenant");
    for (order, field) in [
        (json!({"role": "operator"}), "role"),
        (json!({"role": "emperor"}), "role"),
        (json!({"role": "Not One"}), "role"),
        (json!({}), "role"),
        (json!({"role": "member", "permissions": ["plugins:*"]}), "permissions"),
        (json!({"role": "member", "permissions": ["*"]}), "permissions"),
        (json!({"role": "member", "permissions": ["not one"]}), "permissions[0]"),
        (json!({"role": "member", "expiresAt": "2020-01-01T00:00:00Z"}), "expiresAt"),
        (json!({"role": "member", "expiresAt": "tomorrow"}), "expiresAt"),
        (json!({"role": "member", "tenant": "beta"}), "tenant"),
        (json!({"role": "member", "name": "x".repeat(129)}), "name"),
    ] {
        assert_eq!(make(&owner, order.clone()).await.wrong_fields(), [field], "{order}");
    }
    let operator = operator(&host).await;
    assert_eq!(make(&operator, json!({"role": "owner"})).await.wrong_fields(), ["role"], "it names no tenant");
    assert_eq!(make(&operator.tenant("beta"), json!({"role": "owner"})).await.data(201)["tenant"], "beta");
}

#[tokio::test]
async fn keys_of_another_tenant_do_not_exist() {
    let host = two_tenants(&[]).await;
    let (acme, beta) = (client(&host, "acme", "owner").await, client(&host, "beta", "owner").await);
    let (id, key) = new_key(&host, &["--tenant", "acme", "--role", "member"]).await;
    let path = format!("{KEYS}/{id}");
    for path in [path.as_str(), "/api/v1/keys/0000000000000000", "/api/v1/keys/x%2Fy"] {
        beta.get(path).await.refusal(404, "key_not_found");
        beta.delete(path).await.refusal(404, "key_not_found");
        beta.put(&format!("{path}/end"), json!({})).await.refusal(404, "key_not_found");
    }
    assert_eq!(beta.get(KEYS).await.column("tenant"), ["beta"]);
    host.key(&key).get("/api/v1/plugins").await.data(200);
    assert_eq!(acme.get(KEYS).await.column("tenant"), ["acme", "acme"]);
    acme.delete(&path).await.data(200);
    host.key(&key).get("/api/v1/plugins").await.refusal(401, "invalid_token");
    assert_eq!(acme.delete(&path).await.data(200)["state"], "revoked", "once more changes nothing");

    let all = operator(&host).await;
    let first = all.get("/api/v1/keys?limit=2").await;
    assert_eq!(first.rows().len(), 2);
    let rest = all.get(&format!("/api/v1/keys?cursor={}", first.json["nextCursor"].as_str().unwrap())).await;
    let ids = |answer: &crate::common::Answer| answer.column("id").iter().map(ToString::to_string).collect::<Vec<_>>();
    let together = [ids(&first), ids(&rest)].concat();
    assert_eq!(together, ids(&all.get(KEYS).await));
    assert_eq!(together.len(), 4);
}

#[tokio::test]
async fn a_key_ends_at_its_time_and_its_end_only_comes_nearer() {
    let host = two_tenants(&[]).await;
    let (id, key) = new_key(&host, &["--tenant", "acme", "--role", "member", "--expires-in", "2h"]).await;
    let member = host.key(&key);
    member.get("/api/v1/plugins").await.data(200);
    let later = local(&host, &["key", "expire", &id, "--expires-in", "3h"]).await.failure();
    assert!(later.contains("ends at") && later.contains("make another"), "{later}");
    local(&host, &["key", "expire", &id, "--expires-in", "1h"]).await.success();
    member.get("/api/v1/plugins").await.data(200);
    let now = local(&host, &["key", "expire", &id]).await.success();
    assert!(now.contains("ends at"), "{now}");
    assert!(member.get("/api/v1/plugins").await.message(401, "invalid_token").contains("expired"));
    assert!(local(&host, &["key", "list"]).await.success().contains("expired"));
}

#[tokio::test]
async fn the_credentials_of_a_request_are_one_bearer_or_nothing() {
    let host = two_tenants(&[]).await;
    let (id, key) = new_key(&host, &["--tenant", "acme", "--role", "member"]).await;
    for bad in [
        "Basic eDp5".to_owned(),
        "Bearer".to_owned(),
        key.clone(),
        format!("Bearer {key} {key}"),
        format!("Token {key}"),
    ] {
        let request = host.request(Method::GET, "/api/v1/plugins").header("Authorization", &bad);
        let refused = ask(request).await;
        refused.refusal(401, "invalid_request");
        assert!(refused.header("www-authenticate").contains("invalid_request"), "{bad}");
    }
    let twice = host.request(Method::GET, "/api/v1/plugins").bearer_auth(&key).bearer_auth(&key);
    ask(twice).await.refusal(401, "invalid_request");
    let unknown = format!("tenon_{id}_{}", "0".repeat(64));
    let nobody = format!("tenon_0000000000000000_{}", "0".repeat(64));
    let told: Vec<String> = {
        let mut told = Vec::new();
        for bad in [unknown.as_str(), nobody.as_str(), "tenon_x", &key[..86]] {
            let refused = host.key(bad).get("/api/v1/plugins").await;
            assert!(!refused.text.contains(bad), "{refused:?}");
            told.push(refused.message(401, "invalid_token").to_owned());
        }
        told
    };
    assert!(told.iter().all(|message| *message == told[0]), "whether the id is right is not told: {told:?}");
    assert!(host.key("gibberish").get("/api/v1/plugins").await.message(401, "invalid_token").contains("neither"));
    assert!(host.key("a.b.c").get("/api/v1/plugins").await.message(401, "invalid_token").contains("no tokens"));
}

#[tokio::test]
async fn dev_mode_honours_a_credential_and_never_falls_back() {
    let host = Host::with_plugins(&["crm"]).await;
    let made = make(&host.tenant("acme"), json!({"role": "member"})).await;
    let member = host.key(made.data(201)["key"].as_str().unwrap());
    assert_eq!(member.get("/plugins/crm/contacts").await.total(), 0, "it is of acme, not of demo");
    member.tenant("demo").get("/plugins/crm/contacts").await.refusal(403, "wrong_tenant");
    member.roles("operator,owner").post("/plugins/crm/deals", json!({"title": "x"})).await.refusal(403, "denied");
    for bad in ["tenon_0000000000000000_0", "x"] {
        host.key(bad).get("/plugins/crm/contacts").await.refusal(401, "invalid_token");
    }
    let basic = host.request(Method::GET, "/plugins/crm/contacts").header("Authorization", "Basic eDp5");
    ask(basic).await.refusal(401, "invalid_request");
}

#[tokio::test]
async fn another_host_on_the_same_data_hears_of_a_revocation() {
    let host = two_tenants(&[]).await;
    let (id, key) = new_key(&host, &["--tenant", "acme", "--role", "member"]).await;
    let other = Process::start(host.scratch(), host.scratch().serve()).await;
    let there = Client::new(other.address()).key(&key);
    there.get("/api/v1/plugins").await.data(200);
    local(&host, &["key", "revoke", &id]).await.success();
    let refused = eventually("the other host never heard", async || {
        let answer = there.get("/api/v1/plugins").await;
        (answer.status != 200).then_some(answer)
    });
    assert!(refused.await.message(401, "invalid_token").contains("revoked"));
}

#[tokio::test]
async fn a_tenant_has_no_more_keys_than_said() {
    let host = host(&[], "[auth]\nkeys_per_tenant = 3").await;
    tenant(&host, "acme").await;
    let owner = client(&host, "acme", "owner").await;
    for _ in 0..2 {
        make(&owner, json!({"role": "member"})).await.data(201);
    }
    assert!(make(&owner, json!({"role": "member"})).await.message(409, "too_many").contains("auth.keys_per_tenant"));
    let id = owner.get(KEYS).await.column("id")[0].to_owned();
    owner.delete(&format!("{KEYS}/{id}")).await.data(200);
    make(&owner, json!({"role": "member"})).await.data(201);
}
