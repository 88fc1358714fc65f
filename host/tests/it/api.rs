//! The host's own API: health, services and plugins.

use serde_json::{Value, json};

use crate::common::{Host, Scratch};

async fn both() -> Host {
    Host::with_plugins(&["crm", "analytics"]).await
}

#[tokio::test]
async fn health_says_how_many_plugins_are_active() {
    let host = both().await;
    let answer = host.get("/health").await;
    let health = answer.data(200);
    assert_eq!((&health["status"], &health["version"]), (&json!("ok"), &json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!(health["plugins"], json!({"loaded": 2, "active": 2, "rejected": 0}));
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(*host.get(path).await.data(200), json!({"status": "ok"}), "{path}");
    }
}

#[tokio::test]
async fn a_host_without_plugins_runs_and_lists_none() {
    let host = Host::with_plugins(&[]).await;
    assert_eq!(host.get("/health").await.data(200)["plugins"], json!({"loaded": 0, "active": 0, "rejected": 0}));
    assert_eq!(host.get("/api/v1/plugins").await.total(), 0);
    assert_eq!(host.get("/api/v1/services").await.total(), 0);
}

#[tokio::test]
async fn every_service_is_listed_with_its_provider_and_its_consumers() {
    let host = both().await;
    let answer = host.get("/api/v1/services").await;
    assert_eq!(answer.total(), 3);
    assert_eq!(answer.column("name"), ["analytics:reports", "crm:contacts", "crm:deals"]);
    for (service, provider) in answer.rows().iter().zip(["analytics", "crm", "crm"]) {
        assert_eq!(service["version"], "1.0.0");
        assert_eq!(service["provider"], json!({"id": provider, "version": "1.0.0"}));
        assert_eq!(service["health"], json!({"status": "HEALTHY"}));
    }
    let consumer = |interface: &str| {
        json!([{
            "id": "analytics", "version": "1.0.0", "interface": interface, "requirement": "^1.0.0", "required": true,
        }])
    };
    let consumers: Vec<&Value> = answer.rows().iter().map(|service| &service["consumers"]).collect();
    assert_eq!(consumers, [&json!([]), &consumer("contacts"), &consumer("deals")]);
}

#[tokio::test]
async fn a_service_lists_its_own_endpoints_as_a_client_calls_them() {
    let host = both().await;
    let answer = host.get("/api/v1/services").await;
    let endpoints: Vec<Vec<String>> = answer
        .rows()
        .iter()
        .map(|service| {
            let each = service["endpoints"].as_array().unwrap().iter();
            each.map(|endpoint| format!("{} {}", endpoint["method"], endpoint["path"]).replace('"', "")).collect()
        })
        .collect();
    assert_eq!(
        endpoints[0],
        [
            "GET /plugins/analytics/reports",
            "GET /plugins/analytics/reports/{id}",
            "POST /plugins/analytics/reports/{id}/run",
        ]
    );
    assert_eq!(
        endpoints[1],
        [
            "GET /plugins/crm/contacts",
            "POST /plugins/crm/contacts",
            "GET /plugins/crm/contacts/{id}",
            "PUT /plugins/crm/contacts/{id}",
            "DELETE /plugins/crm/contacts/{id}",
        ]
    );
    assert_eq!(
        endpoints[2],
        [
            "GET /plugins/crm/deals",
            "POST /plugins/crm/deals",
            "GET /plugins/crm/deals/{id}",
            "PUT /plugins/crm/deals/{id}",
            "DELETE /plugins/crm/deals/{id}",
            "GET /plugins/crm/deals/pipeline/summary",
        ]
    );
    let first = &answer.rows()[0]["endpoints"][0];
    assert_eq!(first["function"], "analytics:reports/reports.list");
    assert_eq!(first["permissions"], json!(["plugin.analytics.reports.read"]));
}

#[tokio::test]
async fn every_plugin_is_listed_with_what_it_exports_and_imports() {
    let host = both().await;
    let answer = host.get("/api/v1/plugins").await;
    assert_eq!((answer.column("id"), answer.total()), (vec!["analytics", "crm"], 2));
    assert_eq!(answer.column("status"), ["active", "active"]);
    assert_eq!(answer.json["rejected"], json!([]));
    let [analytics, crm] = answer.rows() else { panic!("{answer:#?}") };
    assert_eq!(analytics["exports"], json!(["analytics:reports/reports@1.0.0", "tenon:plugin/health@1.0.0"]));
    assert_eq!(crm["imports"], json!([]));
    let providers: Vec<String> = analytics["imports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| format!("{} {}", link["import"]["interface"], link["outcome"]["provider"]["id"]).replace('"', ""))
        .collect();
    assert_eq!(providers, ["crm:contacts/contacts crm", "crm:deals/deals crm"]);
    assert!(crm["capabilities"].as_array().unwrap().contains(&json!("tenon:host/sql@1.0.0")), "{crm:#}");
    assert_eq!((&crm["serving"], &crm["fileName"]), (&json!(true), &json!("crm-1.0.0.wasm")));
    assert_eq!(crm["endpoints"].as_array().unwrap().len(), 11);
}

#[tokio::test]
async fn one_plugin_is_shown_with_its_manifest() {
    let host = both().await;
    let answer = host.get("/api/v1/plugins/analytics").await;
    let shown = answer.data(200);
    let [version] = shown["versions"].as_array().unwrap().as_slice() else { panic!("{shown:#}") };
    let listed = host.get("/api/v1/plugins").await;
    for (member, value) in listed.rows()[0].as_object().unwrap() {
        assert_eq!(version[member], *value, "{member} is what the list says");
    }
    let manifest = &version["manifest"];
    assert_eq!((&manifest["id"], &manifest["license"]), (&json!("analytics"), &json!("Apache-2.0")));
    let reasons: Vec<&Value> =
        manifest["dependencies"].as_array().unwrap().iter().map(|each| &each["reason"]).collect();
    assert!(reasons.len() == 2 && reasons.iter().all(|reason| reason.is_string()), "{manifest:#}");
}

#[tokio::test]
async fn links_are_explained_in_words_and_for_programs() {
    let host = both().await;
    let answer = host.get("/api/v1/plugins/analytics/links").await;
    let links = answer.data(200);
    let text = "analytics 1.0.0 — active\n  crm:contacts/contacts ^1.0.0  ->  crm 1.0.0 (exports 1.0.0)\n  \
                crm:deals/deals ^1.0.0  ->  crm 1.0.0 (exports 1.0.0)\n  reads crm.events  ->  crm\n";
    assert_eq!(links["text"], text);
    let link = &links["versions"][0]["links"][1];
    assert_eq!(link["outcome"]["provider"], json!({"id": "crm", "version": "1.0.0", "export": "1.0.0"}));
    assert_eq!(link["passedOver"], json!([]));
    assert_eq!(host.get("/api/v1/plugins/crm/links").await.data(200)["text"], "crm 1.0.0 — active\n");
}

#[tokio::test]
async fn a_plugin_tells_what_it_offers_and_how_it_is() {
    let host = both().await;
    let answer = host.get("/plugins/crm/info").await;
    let info = answer.data(200);
    assert_eq!((&info["id"], &info["name"], &info["version"]), (&json!("crm"), &json!("CRM"), &json!("1.0.0")));
    let services: Vec<&Value> = info["services"].as_array().unwrap().iter().map(|service| &service["name"]).collect();
    assert_eq!(services, [&json!("crm:contacts"), &json!("crm:deals")]);
    assert_eq!(info["endpoints"].as_array().unwrap().len(), 11);
    for plugin in ["crm", "analytics"] {
        let answer = host.get(&format!("/plugins/{plugin}/health")).await;
        assert_eq!(*answer.data(200), json!({"status": "HEALTHY"}), "{plugin}");
    }
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_not_found_anywhere() {
    let host = both().await;
    for path in [
        "/plugins/nope",
        "/plugins/nope/contacts",
        "/plugins/nope/info",
        "/plugins/nope/health",
        "/plugins/CRM/contacts",
        "/api/v1/plugins/nope",
        "/api/v1/plugins/nope/links",
    ] {
        host.get(path).await.refusal(404, "plugin_not_found");
    }
}

#[tokio::test]
async fn a_route_that_is_not_there_is_not_found_and_says_where_the_others_are() {
    let host = both().await;
    for path in
        ["/", "/contacts", "/api", "/api/v1", "/api/v2/plugins", "/health/x", "/plugins", "/api/v1/plugins/crm/x"]
    {
        let answer = host.get(path).await;
        let message = answer.message(404, "not_found");
        assert!(message.contains(path) && message.contains("/plugins/<id>/"), "{path}: {message}");
    }
    for path in ["/health", "/api/v1/services", "/api/v1/plugins/crm", "/plugins/crm/info", "/plugins/crm/health"] {
        let answer = host.post(path, json!({})).await;
        answer.refusal(405, "method_not_allowed");
        assert!(answer.header("allow").contains("GET"), "{path}: {answer:#?}");
    }
}

#[tokio::test]
async fn analytics_without_a_crm_is_installed_but_inactive_and_everyone_is_told_why() {
    let host = Host::with_plugins(&["analytics"]).await;
    let answer = host.get("/api/v1/plugins").await;
    let plugin = &answer.rows()[0];
    assert_eq!((&plugin["status"], &plugin["serving"]), (&json!("inactive"), &json!(false)));
    let reason = plugin["reason"].as_str().unwrap();
    assert!(reason.contains("crm:contacts") && reason.contains("^1.0.0"), "{reason}");
    assert!(reason.contains("customer lifetime value"), "what the manifest needs it for: {reason}");
    assert_eq!(host.get("/health").await.data(200)["plugins"], json!({"loaded": 1, "active": 0, "rejected": 0}));

    let run = host.post("/plugins/analytics/reports/report-1/run", json!({})).await;
    assert!(run.message(503, "plugin_inactive").contains(reason), "{run:#?}");
    assert!(host.get("/plugins/analytics/info").await.message(503, "plugin_inactive").contains(reason));
    let health = host.get("/plugins/analytics/health").await;
    assert_eq!((health.status, &health.json["data"]["status"]), (503, &json!("UNAVAILABLE")));
    assert_eq!(health.json["data"]["reason"], reason);
    let services = host.get("/api/v1/services").await;
    assert_eq!(services.rows()[0]["health"], json!({"status": "UNAVAILABLE", "reason": reason}));
    let links = host.get("/api/v1/plugins/analytics/links").await;
    assert!(links.data(200)["text"].as_str().unwrap().contains("inactive"), "{links:#?}");
}

#[tokio::test]
async fn analytics_becomes_active_when_a_crm_is_there_at_the_next_start() {
    let mut host = Host::with_plugins(&["analytics"]).await;
    host.post("/plugins/analytics/reports/report-1/run", json!({})).await.refusal(503, "plugin_inactive");
    host.scratch().add_plugin("crm");
    host.restart().await;
    host.post("/plugins/analytics/reports/report-1/run", json!({})).await.data(200);
    assert_eq!(host.get("/api/v1/services").await.total(), 3);
    std::fs::remove_file(host.scratch().plugins().join("analytics-1.0.0.wasm")).unwrap();
    host.restart().await;
    let services = host.get("/api/v1/services").await;
    assert_eq!(services.column("name"), ["crm:contacts", "crm:deals"], "what is gone is listed no more");
    assert_eq!(services.rows()[0]["consumers"], json!([]));
}

#[tokio::test]
async fn without_dev_mode_nobody_is_served_but_health_answers() {
    let host = Host::start(Scratch::with_plugins(&["crm"]), &[]).await;
    for path in [
        "/plugins/crm/contacts",
        "/plugins/crm/info",
        "/plugins/crm/health",
        "/plugins/nope/x",
        "/api/v1/services",
        "/api/v1/plugins",
        "/api/v1/plugins/crm",
        "/api/v1/plugins/crm/links",
    ] {
        for client in [host.tenant("demo"), (*host).clone()] {
            let answer = client.get(path).await;
            assert!(answer.message(401, "unauthenticated").contains("Authorization: Bearer"), "{path}: {answer:#?}");
        }
    }
    let body = json!({"firstName": "A", "lastName": "B", "email": "ab@example.com"});
    host.post("/plugins/crm/contacts", body).await.refusal(401, "unauthenticated");
    for path in ["/health", "/health/live", "/health/ready"] {
        host.get(path).await.data(200);
    }
}
