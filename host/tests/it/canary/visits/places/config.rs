//! Configuration and secrets.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Tenant};

const PATH: &str = "/api/v1/plugins/shop/config";

pub struct Config;

#[async_trait(?Send)]
impl Place for Config {
    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let (note, secret) = (tenant.canaries.text("a configuration"), tenant.canaries.hidden("a secret"));
        let values = json!({"values": {"note": note, "apiKey": secret}});
        tenant.ask_marked(Method::PUT, PATH, values).await.data(200);
        // What was refused is nowhere.
        let wrong = tenant.canaries.hidden("a value that was refused");
        let values = json!({"values": {"note": [wrong], "apiKey": [wrong], "more": wrong}});
        let refused = tenant.owner.request(Method::PUT, PATH).header("If-Match", "\"1\"").json(&values);
        assert_eq!(crate::common::ask(refused).await.status, 422);
    }
}
