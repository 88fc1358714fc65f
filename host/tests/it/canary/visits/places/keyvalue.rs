//! Keys and values of plugins, and the values of a configuration as a plugin reads them.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Tenant};

pub struct Keyvalue;

#[async_trait(?Send)]
impl Place for Keyvalue {
    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        // The polls are listed; who voted is in the database alone.
        let (poll, voter) = (tenant.canaries.text("a key"), tenant.canaries.hidden("a value"));
        tenant.owner.post(&format!("/plugins/polls/polls/{poll}/votes"), json!({ "voter": voter })).await.data(200);
        // `GET /plugins/hostile-keeper/config` gives all that the plugin reads.
        let region = tenant.canaries.text("a setting that a plugin reads");
        let secret = tenant.canaries.text("a secret that a plugin reads and tells its tenant");
        let values = json!({"values": {"region": region, "apiKey": secret}});
        tenant.ask_marked(Method::PUT, "/api/v1/plugins/hostile-keeper/config", values).await.data(200);
    }
}
