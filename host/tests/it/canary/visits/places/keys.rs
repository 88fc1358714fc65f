//! API keys.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Kind, Tenant};

pub struct Keys;

#[async_trait(?Send)]
impl Place for Keys {
    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let name = tenant.canaries.text("a key's name");
        let permission = format!("plugin.{}.x.y", tenant.canaries.text("a key's permission"));
        let key = json!({"name": name, "role": "guest", "permissions": [permission]});
        let made = tenant.ask_marked(Method::POST, "/api/v1/keys", key).await;
        let (id, key) = (&made.data(201)["id"], &made.data(201)["key"]);
        tenant.given(Kind::Key, "a key's id", id.as_str().unwrap());
        let (_, secret) = key.as_str().unwrap().rsplit_once('_').unwrap();
        tenant.canaries.given_hidden("a key", secret);
    }
}
