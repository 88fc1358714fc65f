//! Which tenants get a version first: the operator names them.

use async_trait::async_trait;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Tenant};

const PATH: &str = "/api/v1/rollouts/staged";

pub struct Rollouts;

#[async_trait(?Send)]
impl Place for Rollouts {
    /// Only the first tenant is named; the other keeps what it has and hears nothing of it.
    async fn plant(&self, installation: &Installation, tenant: &mut Tenant) {
        if installation.operator.get(PATH).await.status == 404 {
            let named = json!({"version": "1.0.0", "tenants": [tenant.id]});
            installation.operator.put(PATH, named).await.data(200);
        }
    }
}
