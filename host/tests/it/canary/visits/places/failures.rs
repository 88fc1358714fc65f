//! How plugins fail, with the tenant's data in what they say of it.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::Place;
use super::snapshots::MIGRATION;
use crate::canary::visits::tenants::{Installation, Tenant};
use crate::lifecycle::Version;

pub struct Failures;

#[async_trait(?Send)]
impl Place for Failures {
    /// A version that cannot be brought to anybody: its error has all texts of the tenant.
    async fn prepare(&self, installation: &Installation) {
        let next = Version { words: &[("activate", "tell")], migration: MIGRATION, ..Version::new("1.2.0") };
        installation.add(next).await;
    }

    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let told = tenant.canaries.text("what a plugin says as it fails");
        tenant.owner.post("/plugins/phases/note", json!({ "text": told })).await.data(200);
        tenant.owner.post("/plugins/phases/trap", json!({})).await.refusal(502, "plugin_trapped");
        let again = tenant.owner.post("/api/v1/plugins/phases/activate", Value::Null).await;
        let failed = &again.data(200)["failed"][0];
        assert!(failed["reason"].as_str().unwrap().contains(&told), "{again:?}");
        let kept = tenant.owner.post("/api/v1/plugins/phases/deactivate", Value::Null).await;
        assert!(kept.message(409, "deactivation_failed").contains(&told), "{kept:?}");
        let errors = tenant.owner.get("/api/v1/plugins/phases/errors").await;
        let has = |hook: &str| errors.rows().iter().any(|error| error["hook"] == hook);
        assert!(has("call") && has("on-activate") && has("on-deactivate"), "{errors:?}");
        assert!(errors.rows().iter().any(|error| error["backtrace"].is_string()), "{errors:?}");
    }
}
