//! What one plugin shares with others: a notice that every plugin of the tenant may read.

use async_trait::async_trait;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Kind, Tenant};
use crate::canary::visits::visitor::Visitor;

pub struct SharedData;

#[async_trait(?Send)]
impl Place for SharedData {
    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let name = tenant.canaries.name("a key of shared data");
        let [text, by] = ["a value of shared data", "another one"].map(|place| tenant.canaries.text(place));
        let path = format!("/plugins/board/notices/{name}");
        let body = json!({ "notice": { "text": text, "by": by }, "seconds": 36_000 });
        tenant.owner.put(&path, body).await.data(200);
        tenant.named(Kind::Row, &name);
        tenant.owner.get(&path).await.data(200);
    }

    async fn search(&self, visitor: &Visitor<'_>) {
        visitor.get("/api/v1/plugins/board/shared-data").await;
        visitor.get("/api/v1/plugins/crm/shared-data?limit=200").await;
    }
}
