//! The control plane: what the host itself remembers between starts.
//!
//! Invariant: a write that was acknowledged is on disk, and one that takes several statements takes effect
//! as a whole even when the caller stops waiting for it. Plugins' own data is not here: it lies behind
//! `capability::sql`, in databases no statement of this module can reach.

mod audit;
mod choices;
mod configuration;
mod error;
mod events;
mod grants;
pub mod inspect;
mod keys;
mod lifecycle;
mod notifications;
mod plugins;
mod rows;
mod schedules;
mod services;
mod snapshot;
mod sqlite;
mod statements;
mod tenants;
mod trust;
mod usage;

#[cfg(test)]
mod contract;

use async_trait::async_trait;

pub use self::audit::{Audit, AuditEntry, AuditFilter, AuditPart, AuditRecord};
pub use self::choices::{Choices, Rollout, RolloutStep, Stale, TenantPlugin};
pub use self::configuration::{ConfigRow, Configuration};
pub use self::error::DbError;
pub use self::events::{
    DeadFilter, DeadLetter, Delivery, DeliveryClaim, EventFilter, EventPrune, EventRequest, Events, NewEvent, Outcome,
    Requested, Settled, StoredEvent,
};
pub use self::grants::{Grant, GrantKind, Grants};
pub use self::keys::{ApiKey, ApiKeyFilter, ApiKeys, NewApiKey};
pub use self::lifecycle::{Activation, InstallationFailure, Lifecycle, PLUGIN_ERRORS, PluginError, PluginStat};
pub use self::notifications::{
    Inbox, Listed, NewNotification, NotificationPrune, Notifications, StoredNotification, StreamBounds, StreamPosition,
};
pub use self::plugins::Plugins;
pub use self::rows::{
    Claim, ClaimKind, Consumer, Endpoint, Import, Plugin, PluginRecord, PluginStatus, Provider, RegistrySnapshot,
    RejectedFile, Service, ServiceRecord, Tenant, TenantOrigin,
};
pub use self::schedules::{
    NewRun, OpenRun, RunClaim, RunEnd, RunLease, RunOutcome, RunPrune, RunState, ScheduleKey, ScheduleRun, Schedules,
    Standing,
};
pub use self::sqlite::{CONTROL_PLANE_FILE, SqliteControlPlane};
pub use self::tenants::Tenants;
pub use self::trust::{HighestVersion, KeptVersion, Trust, TrustedKey};
pub use self::usage::{TenantQuota, Usages, Used};

/// Everything the host asks of its control plane, whichever database holds it: one trait for each area.
///
/// Every operation fails only with [`DbError`]; what may be absent is an `Option` or a `bool`.
#[async_trait]
pub trait ControlPlane:
    Tenants
    + Plugins
    + Audit
    + Choices
    + Grants
    + Trust
    + ApiKeys
    + Configuration
    + Lifecycle
    + Usages
    + Events
    + Schedules
    + Notifications
    + Send
    + Sync
{
    /// Answers when the database can be read.
    async fn ping(&self) -> Result<(), DbError>;

    /// Waits for operations under way and lets go of the database. Later operations fail.
    async fn close(&self);
}
