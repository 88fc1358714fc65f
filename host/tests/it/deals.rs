//! `/plugins/crm/deals`.
//!
//! Amounts are compared as they are written: a number that went through floating point would not survive.

mod create;
mod list;
mod money;
mod update;

use serde_json::{Value, json};

use crate::common::{Client, Host};

const DEALS: &str = "/plugins/crm/deals";
const SUMMARY: &str = "/plugins/crm/deals/pipeline/summary";

async fn crm() -> Host {
    Host::with_plugins(&["crm"]).await
}

/// Adds a deal of this value, written out, and gives it.
async fn add(client: &Client, value: &str, currency: &str) -> Value {
    let body = format!(r#"{{"title":"Of {value} {currency}","value":{value},"currency":"{currency}"}}"#);
    client.post_text(DEALS, body).await.data(201).clone()
}

fn path(id: &str) -> String {
    format!("{DEALS}/{id}")
}

/// `deal-1` of the demo tenant, in full.
fn acme_enterprise() -> Value {
    json!({
        "id": "deal-1",
        "title": "Acme Enterprise",
        "description": "Licences for every department",
        "value": 50000,
        "currency": "USD",
        "stage": "qualified",
        "probability": 40,
        "contactId": "contact-1",
        "expectedCloseDate": "2027-03-19",
        "createdAt": "2026-01-05T09:30:00Z",
        "updatedAt": "2026-01-05T09:30:00Z",
    })
}
