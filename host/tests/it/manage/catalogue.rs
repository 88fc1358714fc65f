//! The catalogue, what plugins add to the pages, and finding plugins in the list.

use std::fs;

use serde_json::{Value, json};

use super::{entries, host, plugin, scratch, tenon};
use crate::common::Host;
use crate::loader::testdata;

#[tokio::test]
async fn what_lies_in_the_catalogue_is_listed_without_running_and_installed_by_name() {
    let scratch = scratch(&[]);
    let directory = scratch.path("shelf");
    let config = scratch.file("tenon.toml", &format!("catalogue = {:?}\n", directory.to_str().unwrap()));
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    assert_eq!(host.get("/api/v1/catalogue").await.total(), 0, "it need not exist");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("any name.wasm"), testdata("greeter-1-0")).unwrap();
    fs::write(directory.join("bad.wasm"), "no component").unwrap();
    let listed = host.get("/api/v1/catalogue").await;
    let [greeter, bad] = listed.rows() else { panic!("{listed:?}") };
    assert_eq!(
        (&greeter["id"], &greeter["version"], &greeter["installed"]),
        (&json!("greeter"), &json!("1.0.0"), &json!(false))
    );
    assert_eq!(greeter["manifest"]["description"], "Greets people.");
    assert!(bad["reason"].as_str().unwrap().contains("not a WebAssembly component"), "{bad}");
    let compiled = entries(&host.scratch().data().join("compiled"));
    assert_eq!(compiled, Vec::<String>::new(), "nothing was compiled");

    let path = "/api/v1/catalogue/greeter/1.0.0/install";
    for roles in ["owner", "member"] {
        host.roles(roles).post(path, Value::Null).await.refusal(403, "denied");
        host.roles(roles).get("/api/v1/catalogue").await.refusal(403, "denied");
    }
    assert_eq!(host.post(path, Value::Null).await.data(201)["status"], "active");
    assert_eq!(host.post(path, Value::Null).await.data(200)["installed"], json!(false));
    host.get("/plugins/greeter/greetings/Ada").await.data(200);
    assert_eq!(host.get("/api/v1/catalogue").await.rows()[0]["installed"], json!(true));
    assert_eq!(host.post("/api/v1/catalogue/greeter/2.0.0/install", Value::Null).await.status, 404);

    // A component of its own, with the manifest beside it; then another that says it is the same.
    fs::write(directory.join("thing.wasm"), crate::loader::thing()).unwrap();
    let manifest = json!({"id": "thing", "name": "Thing", "version": "1.0.0"}).to_string();
    fs::write(directory.join("thing.plugin.json"), &manifest).unwrap();
    let told = tenon(&host, &["catalogue", "install", "thing", "1.0.0"]).unwrap();
    assert_eq!(told, "thing 1.0.0 is installed: active");
    let table = tenon(&host, &["catalogue", "list"]).unwrap();
    assert_eq!(table.lines().count(), 4, "{table}");
    fs::write(directory.join("twice.wasm"), plugin("greeter", "1.0.0", json!({}))).unwrap();
    host.post(path, Value::Null).await.refusal(409, "ambiguous");
}

#[tokio::test]
async fn pages_get_what_the_tenants_active_plugins_add() {
    let frontend = |order: i32| {
        json!({"frontend": {
            "routes": [{"path": "/home", "component": "HomePage", "title": "Home"}],
            "menuItems": [{"label": "Home", "path": "/home", "order": order}],
            "injectionPoints": [
                {"point": "Contact.Profile", "component": "ProfileCard", "order": order},
                {"point": "Deal.Form", "component": "DealFields"},
            ],
        }})
    };
    let host = host(&[
        ("a.wasm", plugin("alpha", "1.0.0", frontend(5))),
        ("b0.wasm", plugin("beta", "1.0.0", frontend(9))),
        ("b1.wasm", plugin("beta", "1.1.0", frontend(1))),
    ])
    .await;
    let all = host.get("/api/v1/ui").await;
    let order = |list: &Value| -> Vec<String> {
        let each = list.as_array().unwrap().iter();
        each.map(|of| format!("{} {}", of["plugin"].as_str().unwrap(), of["version"].as_str().unwrap())).collect()
    };
    assert_eq!(order(&all.data(200)["menuItems"]), ["beta 1.1.0", "alpha 1.0.0"], "one version each, in order");
    assert_eq!(all.data(200)["components"].as_array().unwrap().len(), 4);
    assert_eq!(all.data(200)["routes"][0]["component"], "HomePage");
    let point = host.roles("member").get("/api/v1/ui?point=Contact.Profile").await;
    assert_eq!(order(&point.data(200)["components"]), ["beta 1.1.0", "alpha 1.0.0"]);
    assert!(point.data(200)["menuItems"].is_null() && point.data(200)["routes"].is_null());

    let acme = host.tenant("acme");
    acme.post("/api/v1/plugins/beta/deactivate", Value::Null).await.data(200);
    assert_eq!(order(&acme.get("/api/v1/ui?point=Deal.Form").await.data(200)["components"]), ["alpha 1.0.0"]);
    let wrong = host.get("/api/v1/ui?point=Nowhere").await;
    assert_eq!(wrong.wrong_fields(), ["point"]);
    assert!(wrong.text.contains("Contact.Profile"), "it says which there are: {wrong:?}");
}

#[tokio::test]
async fn plugins_are_found_by_what_they_are_and_read_page_by_page() {
    let about = |category: &str, keywords: Value| json!({"category": category, "keywords": keywords});
    let host = host(&[
        ("1.wasm", plugin("alpha", "1.0.0", about("sales", json!(["deals", "Pipeline"])))),
        ("2.wasm", plugin("alpha", "1.1.0", about("sales", json!(["deals"])))),
        ("3.wasm", plugin("beta", "1.10.0", about("reports", json!([])))),
        (
            "4.wasm",
            plugin(
                "gamma",
                "2.0.0",
                json!({"description": "Counts Deals.", "config": [
                    {"key": "k", "type": "string", "label": "K", "required": true},
                ]}),
            ),
        ),
    ])
    .await;
    let found = async |query: &str| {
        let answer = host.get(&format!("/api/v1/plugins?{query}")).await;
        let ids: Vec<String> = answer
            .rows()
            .iter()
            .map(|row| format!("{} {}", row["id"].as_str().unwrap(), row["version"].as_str().unwrap()))
            .collect();
        (ids, answer.total())
    };
    assert_eq!(found("").await.1, 4);
    assert_eq!(found("category=sales").await.0, ["alpha 1.0.0", "alpha 1.1.0"]);
    assert_eq!(found("keyword=Pipeline").await.0, ["alpha 1.0.0"]);
    assert_eq!(found("q=DEALS").await.0, ["alpha 1.0.0", "alpha 1.1.0", "gamma 2.0.0"]);
    assert_eq!(found("status=inactive").await.0, ["gamma 2.0.0"]);
    assert_eq!(found("status=active&q=a&category=reports").await.0, ["beta 1.10.0"]);
    for wrong in ["status=odd", "limit=0", "limit=many", "cursor=x", "colour=red"] {
        assert_eq!(host.get(&format!("/api/v1/plugins?{wrong}")).await.status, 422, "{wrong}");
    }
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = host.get(&format!("/api/v1/plugins?limit=1&q=a{cursor}")).await;
        assert_eq!(page.total(), 4, "of all pages");
        pages.extend(page.rows().iter().map(|row| row["version"].as_str().unwrap().to_owned()));
        match page.json["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, ["1.0.0", "1.1.0", "1.10.0", "2.0.0"]);
}
