//! A tenant's data on its way to a version.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Failure;
use crate::capability::sql::SqlError;
use crate::id::TenantId;
use crate::registry::Plugin;
use crate::runtime::{Cause, Runtime};

/// Moves a tenant's data to a version: a snapshot if there is something to lose, then its migrations. What they compute is
/// the tenant's.
pub(super) async fn move_to(
    runtime: &Arc<Runtime>,
    tenant: &TenantId,
    plugin: &Plugin,
    deadline: Duration,
) -> Result<(), Failure> {
    let tables = plugin.prepared.tables();
    if !tables.has_migrations() {
        return Ok(());
    }
    let until = Instant::now() + deadline;
    let moved = runtime.sql().move_to(tenant, tables, &runtime.terms(tenant, until)).await;
    let error = match moved {
        Ok(moved) => {
            if let Some(snapshot) = moved.snapshot {
                let (from, to) = (moved.from, moved.to);
                tracing::info!(%tenant, plugin = %plugin.key(), from, to, %snapshot, "a tenant's data was migrated");
            }
            return Ok(());
        }
        Err(error) => error,
    };
    let failure = Failure::of_data(&error);
    // A disk without room, calls that do not end; or data that the version cannot work with.
    if matches!(error, SqlError::Unavailable(_)) && cannot_work(runtime, tenant, plugin, deadline).await {
        return Err(Failure { cause: Cause::Plugin, ..failure });
    }
    Err(failure)
}

/// Whether a version will change a tenant's data so that the one before cannot work with it any more. What cannot be told
/// is taken for no: whoever moves the data then finds out.
pub(super) async fn is_taken_from(
    runtime: &Runtime,
    tenant: &TenantId,
    before: &Plugin,
    plugin: &Plugin,
    deadline: Duration,
) -> bool {
    let tables = plugin.prepared.tables();
    if !tables.has_migrations() || before.prepared.tables().can_work_after(tables) {
        return false;
    }
    let state = runtime.sql().state(tenant, tables, Instant::now() + deadline).await;
    state.is_ok_and(|state| !state.pending.is_empty())
}

async fn cannot_work(runtime: &Runtime, tenant: &TenantId, plugin: &Plugin, deadline: Duration) -> bool {
    let state = runtime.sql().state(tenant, plugin.prepared.tables(), Instant::now() + deadline).await;
    state.is_ok_and(|state| state.readable.is_err())
}
