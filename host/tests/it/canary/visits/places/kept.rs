//! Answers that are kept to be given again: a list with the tenant's names in it, which everybody's endpoints include.

use async_trait::async_trait;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Kind, Tenant};

pub struct Kept;

#[async_trait(?Send)]
impl Place for Kept {
    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let name = tenant.canaries.name("an item");
        let item = format!("/plugins/stock/items/{name}");
        tenant.owner.put(&item, json!({"pieces": 7})).await.data(200);
        tenant.named(Kind::Row, &name);
        for path in ["/plugins/stock/items", &item] {
            for told in ["miss", "hit"] {
                assert_eq!(tenant.owner.get(path).await.header("x-cache"), told, "{path}");
            }
        }
    }
}
