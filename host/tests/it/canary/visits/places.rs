//! Where a tenant can put something: one small file for each capability.

mod audit;
mod config;
mod decisions;
mod events;
mod failures;
mod kept;
mod keys;
mod keyvalue;
mod logs;
mod notifications;
mod outbound;
mod rollouts;
mod rows;
mod schedules;
mod shared_data;
mod snapshots;

use async_trait::async_trait;

use super::tenants::{Installation, Tenant};
use super::visitor::Visitor;

/// What the host offers tenants to put something into.
#[async_trait(?Send)]
pub trait Place: Sync {
    /// What has to be there before any tenant plants.
    async fn prepare(&self, _: &Installation) {}

    /// Puts canaries wherever the tenant can put a text, and notes what others could call its things. Both tenants do.
    async fn plant(&self, installation: &Installation, tenant: &mut Tenant);

    /// Reads what no route and no endpoint shows by itself. Nothing where all of it comes by them.
    async fn search(&self, _: &Visitor<'_>) {}
}

/// In the order in which they are planted: later ones build on what earlier ones left in `phases`.
pub const ALL: [&dyn Place; 16] = [
    &rows::Rows,
    &kept::Kept,
    &snapshots::Snapshots,
    &failures::Failures,
    &config::Config,
    &decisions::Decisions,
    &keys::Keys,
    &events::Events,
    &notifications::Notifications,
    &keyvalue::Keyvalue,
    &shared_data::SharedData,
    &logs::Logs,
    &outbound::Outbound,
    &rollouts::Rollouts,
    &schedules::Schedules,
    &audit::Audit,
];
