//! Events of other systems, and those that a plugin would not take.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Tenant};
use crate::common::eventually;

/// As many as there are, so that some are left of them after all visits.
const LETTERS: usize = 4;

pub struct Events;

#[async_trait(?Send)]
impl Place for Events {
    async fn prepare(&self, installation: &Installation) {
        installation.operator.post("/api/v1/plugins/crier-a/grants", json!({ "all": true })).await.data(200);
    }

    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let [subject, key, text] =
            ["an event's subject", "an event's key", "an event's data"].map(|place| tenant.canaries.text(place));
        let event =
            json!({ "type": "news.act", "subject": subject, "key": key, "data": { "do": "reject", "text": text } });
        for _ in 0..LETTERS {
            tenant.ask_marked(Method::POST, "/api/v1/events", event.clone()).await.data(202);
        }
        eventually("the dead letters", async || {
            (tenant.owner.get("/api/v1/events/dead").await.rows().len() == LETTERS).then_some(())
        })
        .await;
    }
}
