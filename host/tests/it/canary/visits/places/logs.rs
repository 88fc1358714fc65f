//! What plugins log and print, as `tenon logs` shows it.

use async_trait::async_trait;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Tenant};

pub struct Logs;

#[async_trait(?Send)]
impl Place for Logs {
    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let line = tenant.canaries.text("a message that a plugin logged");
        let taken = tenant.owner.post("/plugins/importer/imports", json!({ "text": format!("1\n{line}") })).await;
        assert_eq!(*taken.data(200), json!({ "taken": 1, "refused": 1 }));
    }
}
