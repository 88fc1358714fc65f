//! CRM and Analytics: every endpoint, as every default role, as nobody, and with each permission alone.

use reqwest::Method;
use serde_json::{Value, json};

use super::config;
use crate::common::{Client, Host, ask, repository};

const PLUGINS: [&str; 2] = ["crm", "analytics"];

struct Endpoint {
    method: Method,
    path: String,
    needs: Vec<String>,
}

/// What the manifest in the source says, with ids filled in.
fn endpoints(plugin: &str) -> Vec<Endpoint> {
    let text = std::fs::read_to_string(repository().join(format!("plugins-src/{plugin}/plugin.json"))).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let endpoints = manifest["endpoints"].as_array().unwrap().iter().map(|endpoint| {
        let path = endpoint["path"].as_str().unwrap();
        let kind = path.split('/').nth(1).unwrap().trim_end_matches('s');
        Endpoint {
            method: endpoint["method"].as_str().unwrap().parse().unwrap(),
            path: format!("/plugins/{plugin}{}", path.replace("{id}", &format!("{kind}-1"))),
            needs: endpoint["permissions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap().into())
                .collect(),
        }
    });
    endpoints.collect()
}

#[tokio::test]
async fn every_endpoint_of_crm_and_analytics_is_behind_its_permission() {
    let all: Vec<Endpoint> = PLUGINS.iter().flat_map(|plugin| endpoints(plugin)).collect();
    assert!(all.iter().all(|endpoint| !endpoint.needs.is_empty()), "an endpoint that anybody may use");
    let mut names: Vec<&str> = all.iter().flat_map(|endpoint| &endpoint.needs).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    // One role for each permission, named after it.
    let single: Vec<String> = names.iter().map(|name| name.replace('.', "-")).collect();
    let roles = single.iter().map(String::as_str).zip(names.iter().map(|name| vec![*name]));
    let host = Host::with_config(&PLUGINS, &config(roles)).await;
    let may = |role: &str, name: &str| match role {
        "owner" | "admin" => true,
        "member" => name.ends_with(".read"),
        alone => alone == name.replace('.', "-"),
    };
    // An owner removes the first deal; the first contact stays, because another deal refers to it.
    host.put("/plugins/crm/deals/deal-2", json!({ "contactId": "contact-1" })).await.data(200);
    let mut combinations = 0;
    for role in ["owner", "admin", "member", ""].into_iter().chain(single.iter().map(String::as_str)) {
        for Endpoint { method, path, needs } in &all {
            let request = host.roles(role).request(method.clone(), path);
            // Nothing to create or change: whoever gets through is told of the wrong fields.
            let answer = ask(request.header("Content-Type", "application/json").body("{}")).await;
            combinations += 1;
            match needs.iter().find(|name| !may(role, name)) {
                None => assert!(![401, 403].contains(&answer.status), "{method} {path} as [{role}]: {answer:?}"),
                Some(missing) => {
                    let told = answer.message(403, "denied");
                    assert!(told.contains(missing.as_str()), "{method} {path} as [{role}]: {told}");
                }
            }
        }
    }
    println!("{combinations} combinations of endpoint and user");
    assert_eq!(combinations, all.len() * (4 + names.len()));
    // Nobody who was refused has done anything.
    assert_eq!(host.get("/plugins/crm/contacts/contact-1").await.data(200)["id"], "contact-1");
}

async fn report(client: &Client, id: &str) -> Value {
    client.post(&format!("/plugins/analytics/reports/{id}/run"), json!({})).await.data(200).clone()
}

/// Analytics may read contacts and deals, but only for users who may.
#[tokio::test]
async fn a_report_holds_what_its_reader_may_see() {
    let run = "plugin.analytics.reports.run";
    let (contacts, deals) = ("plugin.crm.contacts.read", "plugin.crm.deals.read");
    let users = [
        ("runner", vec![run]),
        ("of-contacts", vec![run, contacts]),
        ("of-deals", vec![run, deals]),
        ("of-both", vec![run, contacts, deals]),
    ];
    let needs = [
        ("report-1", vec![contacts]),
        ("report-2", vec![deals]),
        ("report-3", vec![deals]),
        ("report-4", vec![deals, contacts]),
    ];
    let host = Host::with_config(&PLUGINS, &config(users.iter().map(|(role, may)| (*role, may.clone())))).await;
    for (role, may) in &users {
        for (id, needs) in &needs {
            let made = report(&host.roles(role), id).await;
            let missing: Vec<_> = needs.iter().filter(|name| !may.contains(name)).collect();
            let told = made["error"].to_string();
            if missing.is_empty() {
                assert!(made.get("error").is_none(), "{role} {id}: {made:#}");
            } else {
                assert!(missing.iter().any(|name| told.contains(*name)), "{role} {id}: {made:#}");
                assert!(told.contains("the user lacks"), "{role} {id}: {told}");
            }
        }
    }
    assert!(!report(&host.roles("runner"), "report-1").await.to_string().contains("Acme"));
}
