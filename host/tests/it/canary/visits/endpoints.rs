//! Every endpoint of every loaded plugin, as the host lists them.

use reqwest::Method;
use serde_json::{Value, json};

use super::tenants::{Kind, Tenant};
use super::visitor::{Visit, Visitor};
use crate::common::Client;

/// All of them, with each row of the tenant in the place of every parameter.
pub async fn visits(client: &Client, tenant: &Tenant) -> Vec<Visit> {
    let plugins = client.get("/api/v1/plugins").await;
    let parameter = regex::Regex::new(r"\{[^}]*\}").unwrap();
    let mut visits = Vec::new();
    for plugin in plugins.rows().iter().filter(|plugin| plugin["serving"] == true) {
        for endpoint in plugin["endpoints"].as_array().unwrap() {
            let text = |member: &str| endpoint[member].as_str().unwrap();
            let template = format!("/plugins/{}{}", plugin["id"].as_str().unwrap(), text("path"));
            let method: Method = text("method").parse().unwrap();
            for row in tenant.ids(Kind::Row) {
                let path = parameter.replace_all(&template, row.as_str());
                let body = (method != Method::GET).then(|| body(&row));
                visits.push(Visit { body, ..Visit::new(&method, path) });
            }
        }
    }
    visits.dedup();
    visits
}

/// What some endpoints take, and others refuse.
fn body(row: &str) -> Value {
    json!({
        "text": "a visit", "title": "a visit", "value": 1, "contactId": row,
        "firstName": "a visit", "lastName": "a visit", "email": format!("{row}@example.org"),
    })
}

/// Asks for all of them, within the own tenant and as the other.
pub async fn visit(visitor: &Visitor<'_>) {
    let mut visits = visits(&visitor.own.owner, visitor.theirs).await;
    assert!(visits.len() > 10, "{visits:?}");
    visits.sort_by_key(|visit| visit.method == Method::DELETE);
    for visit in visits {
        visitor.visit(&visit).await;
        let within = Visit { tenant: Some(visitor.theirs.id.clone()), ..visit };
        if !visitor.asker.is_in_theirs {
            let answer = visitor.visit_with_twin(&within).await;
            assert!([401, 403].contains(&answer.status), "{within:?}: {answer:#?}");
        }
    }
}
