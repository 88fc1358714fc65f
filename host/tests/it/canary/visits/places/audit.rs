//! What is written down of changes, also of those that came to nothing.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Tenant};

pub struct Audit;

#[async_trait(?Send)]
impl Place for Audit {
    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let path = format!("/api/v1/plugins/{}/decision", tenant.canaries.text("a path that was asked for"));
        let refused = tenant.ask_marked(Method::PUT, &path, json!({"enabled": true})).await;
        refused.refusal(404, "plugin_not_found");
    }
}
