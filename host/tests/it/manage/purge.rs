//! The end of a plugin's data.

use serde_json::{Value, json};

use super::tenon;
use crate::common::{Client, Host};

const CONTACTS: &str = "/plugins/crm/contacts";
const PURGE: &str = "/api/v1/plugins/crm/purge";

async fn add(client: &Client) {
    let contact = json!({"firstName": "Ada", "lastName": "Same", "email": "same@example.com", "tags": []});
    client.post(CONTACTS, contact).await.data(201);
}

#[tokio::test]
async fn data_goes_by_name_and_only_where_the_plugin_is_not_used() {
    let host = Host::with_plugins(&["crm"]).await;
    let [acme, beta] = ["acme", "beta"].map(|tenant| host.tenant(tenant));
    add(&acme).await;
    add(&beta).await;
    let file = |tenant: &str| host.scratch().data().join(format!("tenants/{tenant}/crm.sqlite"));
    let of = |tenant: &str| json!({"plugin": "crm", "tenant": tenant});
    assert!(host.post(PURGE, of("acme")).await.message(409, "in_use").contains("acme"));
    for (wrong, field) in [
        (json!({"plugin": "cmr", "tenant": "acme"}), "plugin"),
        (json!({"plugin": "crm"}), "tenant"),
        (json!({"plugin": "crm", "tenant": "acme", "all": true}), "tenant"),
    ] {
        assert_eq!(host.post(PURGE, wrong).await.wrong_fields(), [field]);
    }
    assert_eq!(host.post(PURGE, of("nobody")).await.status, 404);
    let unknown = tenon(&host, &["plugin", "purge", "cmr", "--tenant", "acme", "--yes"]).unwrap_err();
    assert!(unknown.contains("there is no plugin `cmr`") && unknown.contains("did you mean `crm`?"), "{unknown}");
    let all = json!({"plugin": "nothing", "all": true});
    host.post("/api/v1/plugins/nothing/purge", all).await.refusal(404, "plugin_not_found");
    for roles in ["owner", "member"] {
        host.roles(roles).post(PURGE, of("acme")).await.refusal(403, "denied");
    }

    acme.post("/api/v1/plugins/crm/deactivate", Value::Null).await.data(200);
    assert_eq!(host.post(PURGE, of("acme")).await.data(200)["databases"], json!(["acme"]));
    assert!(!file("acme").exists() && file("beta").exists());
    assert_eq!(host.post(PURGE, of("acme")).await.data(200)["databases"], json!([]), "there is no more");
    acme.post("/api/v1/plugins/crm/activate", Value::Null).await.data(200);
    assert_eq!((acme.get(CONTACTS).await.total(), beta.get(CONTACTS).await.total()), (0, 1), "it begins anew");
    add(&acme).await;

    let all = json!({"plugin": "crm", "all": true});
    assert!(host.post(PURGE, all).await.message(409, "in_use").contains("acme, beta"));
    tenon(&host, &["plugin", "uninstall", "crm"]).unwrap();
    assert!(file("acme").exists(), "data stays");
    let unsaid = tenon(&host, &["plugin", "purge", "crm", "--all"]).unwrap_err();
    assert!(unsaid.contains("--yes") && file("acme").exists(), "{unsaid}");
    let copies = file("beta").with_file_name("snapshots").join("crm");
    std::fs::create_dir_all(&copies).unwrap();
    std::fs::write(copies.join("1"), "a copy of the data").unwrap();
    let told = tenon(&host, &["plugin", "purge", "crm", "--all", "--yes"]).unwrap();
    assert_eq!(told, "crm for every tenant: 2 databases and 0 configurations are deleted");
    for tenant in ["acme", "beta"] {
        let left = std::fs::read_dir(file(tenant).parent().unwrap()).unwrap().count();
        assert_eq!(left, 0, "neither the database nor its log nor a copy");
    }
    let again = tenon(&host, &["plugin", "purge", "crm", "--all", "--yes"]).unwrap();
    assert!(again.contains("0 databases"), "it was there once: {again}");
    let entry = &host.get("/api/v1/audit?operation=plugins.purge&limit=1").await;
    assert_eq!(entry.status, 200);
}

#[tokio::test]
async fn what_stops_half_way_says_what_is_gone_and_what_is_left_and_is_finished_by_the_next() {
    let host = Host::with_plugins(&["crm"]).await;
    for tenant in ["acme", "beta", "gamma"] {
        add(&host.tenant(tenant)).await;
    }
    tenon(&host, &["plugin", "uninstall", "crm"]).unwrap();
    let tenants = host.scratch().data().join("tenants");
    // Nobody removes a directory as if it were a file.
    let in_the_way = tenants.join("beta/crm.sqlite-stray");
    std::fs::create_dir(&in_the_way).unwrap();
    let all = json!({"plugin": "crm", "all": true});
    let stopped = host.post(PURGE, all.clone()).await;
    let error = stopped.refusal(500, "internal");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("the data of acme is deleted, and something is left of beta, gamma"), "{message}");
    assert_eq!(
        (&error["details"]["databases"], &error["details"]["left"]),
        (&json!(["acme"]), &json!(["beta", "gamma"]))
    );
    assert!(!tenants.join("acme/crm.sqlite").exists() && tenants.join("gamma/crm.sqlite").exists());

    std::fs::remove_dir(&in_the_way).unwrap();
    let finished = host.post(PURGE, all).await;
    let gone = finished.data(200)["databases"].as_array().unwrap();
    assert!(gone.contains(&json!("gamma")), "{gone:?}");
    assert!(["beta", "gamma"].iter().all(|tenant| !tenants.join(tenant).join("crm.sqlite").exists()));
    let data = host.scratch().data();
    let args = ["audit", "--operation", "plugins.purge", "--json", "--data", data.to_str().unwrap()];
    let output = host.scratch().tenon(&args).output().unwrap();
    let entries: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&entries[0]["outcome"], &entries[1]["outcome"]), (&json!("done"), &json!("internal")), "{entries}");
    assert_eq!(entries[1]["after"]["databases"], json!(["acme"]), "{entries}");
}
