//! Writing down how plugins were used and how they failed.

use std::sync::Arc;

use super::Lifecycle;
use crate::db::{ControlPlane, DbError, PluginError, PluginStat};
use crate::runtime::{Fault, Reports, Use};

/// Takes what has come together, and writes it down.
pub(super) struct Ledger {
    reports: Arc<Reports>,
    control: Arc<dyn ControlPlane>,
    /// Held while something is written down, so that whoever reads it then reads all.
    writing: tokio::sync::Mutex<()>,
}

impl Ledger {
    pub fn new(reports: Arc<Reports>, control: Arc<dyn ControlPlane>) -> Self {
        Self { reports, control, writing: tokio::sync::Mutex::default() }
    }

    /// To its end, also when nobody waits for it any longer: what it has taken would be lost.
    async fn flush(self: &Arc<Self>) -> Result<(), DbError> {
        let this = self.clone();
        let flushed = tokio::spawn(async move { this.write().await }).await;
        flushed.map_err(|source| DbError::BrokenOff { operation: "flush", source })?
    }

    async fn write(&self) -> Result<(), DbError> {
        let _one = self.writing.lock().await;
        let (faults, uses) = (self.reports.take_faults(), self.reports.take_uses());
        if faults.is_empty() && uses.is_empty() {
            return Ok(());
        }
        let noted = self.control.plugin_use_note(faults.iter().map(error).collect(), uses.iter().map(stat).collect());
        noted.await.inspect_err(|_| self.reports.put_back(faults, &uses))
    }
}

impl Lifecycle {
    /// Writes down what has come together since, all at once.
    ///
    /// # Errors
    ///
    /// When the control plane cannot be written; it is kept for the next time.
    pub async fn flush(&self) -> Result<(), DbError> {
        self.ledger.flush().await
    }
}

fn error(fault: &Fault) -> PluginError {
    let Fault { at, plugin, tenant, hook, message, backtrace, correlation_id } = fault.clone();
    PluginError {
        sequence: 0,
        at,
        plugin: plugin.id.to_string(),
        version: plugin.version.to_string(),
        tenant: Some(tenant).filter(|tenant| !tenant.is_nobody()).map(|tenant| tenant.to_string()),
        hook: hook.to_owned(),
        message,
        backtrace,
        correlation_id,
    }
}

fn stat(used: &Use) -> PluginStat {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    PluginStat {
        tenant: used.tenant.to_string(),
        plugin: used.plugin.to_string(),
        activations: count(used.activations),
        calls: count(used.calls),
        failures: count(used.failures),
        lifecycle_failures: count(used.lifecycle_failures),
        last_used_at: used.last,
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;
    use crate::config::DbConfig;
    use crate::db::{CONTROL_PLANE_FILE, SqliteControlPlane};
    use crate::id::{PluginId, TenantId};

    #[tokio::test]
    async fn a_flush_goes_to_its_end_when_nobody_waits_for_it_any_longer() {
        let dir = tempfile::tempdir().unwrap();
        let control = SqliteControlPlane::open(&dir.path().join(CONTROL_PLANE_FILE), &DbConfig::default()).await;
        let (control, reports) = (Arc::new(control.unwrap()), Arc::new(Reports::default()));
        let ledger = Arc::new(Ledger::new(reports.clone(), control.clone()));
        reports.activation(&PluginId::parse("crm").unwrap(), &TenantId::parse("acme").unwrap());
        // So that it fails: what cannot be written must be kept, and only who has taken it can keep it.
        control.close().await;
        let mut flush = Box::pin(ledger.flush());
        let first_poll = std::future::poll_fn(|cx| Poll::Ready(flush.as_mut().poll(cx))).await;
        assert!(first_poll.is_pending());
        drop(flush);
        while Arc::strong_count(&ledger) > 1 {
            tokio::task::yield_now().await;
        }
        let kept = reports.take_uses();
        assert_eq!(kept.iter().map(|used| used.activations).collect::<Vec<_>>(), [1]);
    }
}
