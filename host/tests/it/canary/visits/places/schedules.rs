//! Who asked for a run of a schedule, and in which request.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Tenant};

pub struct Schedules;

#[async_trait(?Send)]
impl Place for Schedules {
    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let path = "/api/v1/schedules/timer/note/run";
        let run = tenant.ask_marked(Method::POST, path, json!({})).await.data(200).clone();
        assert_eq!(run["outcome"], "done", "{run}");
        let id = run["run"].as_str().unwrap();
        tenant.canaries.given("a run's id", id);
        let runs = tenant.owner.get("/api/v1/schedules/timer/note/runs").await;
        assert!(runs.text.contains(id) && runs.rows()[0]["askedBy"].is_string(), "{runs:?}");
    }
}
