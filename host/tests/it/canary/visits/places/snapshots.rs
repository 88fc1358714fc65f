//! Copies of a tenant's data, taken before a migration.

use async_trait::async_trait;

use super::Place;
use crate::canary::visits::tenants::{Installation, Kind, Tenant};
use crate::common::eventually;
use crate::lifecycle::Version;

pub const MIGRATION: Option<&str> = Some("ALTER TABLE event ADD COLUMN colour TEXT");

pub struct Snapshots;

#[async_trait(?Send)]
impl Place for Snapshots {
    /// A version that moves data, and tells all of it when it is switched off.
    async fn prepare(&self, installation: &Installation) {
        let next = Version { words: &[("deactivate", "tell")], migration: MIGRATION, ..Version::new("1.1.0") };
        installation.add(next).await;
    }

    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let id = eventually("a snapshot", async || {
            tenant.owner.get("/plugins/phases/events").await.data(200);
            let snapshots = tenant.owner.get("/api/v1/plugins/phases/snapshots").await;
            snapshots.rows().first().map(|row| row["id"].as_str().unwrap().to_owned())
        })
        .await;
        tenant.given(Kind::Snapshot, "a snapshot's id", &id);
    }
}
