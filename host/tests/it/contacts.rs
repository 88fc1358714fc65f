//! `/plugins/crm/contacts`.

mod body;
mod change;
mod create;
mod list;

use serde_json::{Value, json};

use crate::common::{Client, Host};

const CONTACTS: &str = "/plugins/crm/contacts";

async fn crm() -> Host {
    Host::with_plugins(&["crm"]).await
}

/// Adds a contact with nothing but what is required, and gives it.
async fn add(client: &Client, first_name: &str, last_name: &str, email: &str) -> Value {
    let body = json!({"firstName": first_name, "lastName": last_name, "email": email});
    client.post(CONTACTS, body).await.data(201).clone()
}

fn path(id: &str) -> String {
    format!("{CONTACTS}/{id}")
}

/// `contact-1` of the demo tenant, in full.
fn john_doe() -> Value {
    json!({
        "id": "contact-1",
        "firstName": "John",
        "lastName": "Doe",
        "email": "john.doe@acme.com",
        "phone": "+1-555-0101",
        "company": "Acme Corp",
        "position": "CEO",
        "tags": ["enterprise", "vip"],
        "createdAt": "2026-01-01T09:30:00Z",
        "updatedAt": "2026-01-01T09:30:00Z",
    })
}
