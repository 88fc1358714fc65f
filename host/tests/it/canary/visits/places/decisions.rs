//! Which versions a tenant wants.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Tenant};

pub struct Decisions;

#[async_trait(?Send)]
impl Place for Decisions {
    /// A pin that no version fits: it is the reason why the plugin does not answer.
    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let pin = format!("=9.9.9-{}", tenant.canaries.text("a pin"));
        let decision = json!({"enabled": true, "pin": pin});
        let decided = tenant.ask_marked(Method::PUT, "/api/v1/plugins/spare/decision?force=true", decision).await;
        assert!(decided.data(200)["reason"].as_str().unwrap().contains(&pin), "{decided:?}");
    }
}
