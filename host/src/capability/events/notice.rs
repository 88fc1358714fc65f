//! An event of the host's own making, written beside the change that it tells of.
//!
//! What it says is known once the change is made, within its transaction; it is counted then, so a change that is not made
//! costs no event. One that is made and rolled back with the rest of its transaction does.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::outbox::OUTBOX_INSERT;
use super::{Draft, EventsCall, OutboxRow, Outboxes, full};
use crate::capability::sql::{SqlError, Value};
use crate::id::{CorrelationId, PluginId, TenantId};
use crate::usage::{Quota, Usage};

/// The right to publish one event, for whom a call is made.
pub struct Notice {
    tenant: TenantId,
    plugin: PluginId,
    correlation_id: CorrelationId,
    hops: u8,
    outboxes: Arc<Outboxes>,
    usage: Arc<Usage>,
}

impl Notice {
    /// The statement that writes it. It changes no row when the outbox is full.
    pub const STATEMENT: &'static str = OUTBOX_INSERT;

    pub(super) fn new(call: &EventsCall<'_>, outboxes: &Arc<Outboxes>, usage: &Arc<Usage>) -> Self {
        Self {
            tenant: call.tenant.clone(),
            plugin: call.plugin.clone(),
            correlation_id: call.correlation_id.clone(),
            hops: call.hops + 1,
            outboxes: outboxes.clone(),
            usage: usage.clone(),
        }
    }

    /// What the plugin is told when the outbox is full.
    pub fn refusal(&self) -> SqlError {
        SqlError::Quota(full(self.outboxes.limits().pending))
    }

    /// Counts the event, and gives the statement's parameters.
    ///
    /// # Errors
    ///
    /// `Quota` when the hour's events are used up.
    pub fn into_values(self, draft: Draft) -> Result<Vec<Value>, SqlError> {
        let taken = self.usage.take(&self.tenant, &self.plugin, Quota::Events, 1);
        taken.map_err(|exceeded| SqlError::Quota(exceeded.to_string()))?;
        let row = OutboxRow {
            id: Uuid::now_v7().to_string(),
            draft,
            at: Timestamp::now(),
            correlation_id: self.correlation_id.to_string(),
            hops: self.hops,
        };
        Ok(row.into_values(self.outboxes.limits()))
    }
}
