//! How much each tenant may have logged.
//!
//! A tenant's plugins can print, and fail, as often as it asks them to. Each tenant has a rate in bytes and a burst;
//! lines beyond are dropped, counted, and told of in one line of the host's for each interval. Tenants do not share
//! anything here, so the flood of one leaves another's lines as they are. A bucket is one instant: when the bytes
//! written so far would have been written at the rate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::kept::Kept;
use crate::config::LogConfig;
use crate::id::TenantId;

/// What a line takes beside the text of a plugin: time, level, names, ids.
const LINE_BYTES: usize = 256;

/// From so many tenants on, those that have been quiet are forgotten.
const TENANTS_REMEMBERED: usize = 1024;

/// The budgets of all tenants, and the lines that are kept of their plugins.
pub struct TenantLog {
    bytes_per_s: u64,
    burst: Duration,
    report_interval: Duration,
    tenants: Mutex<HashMap<TenantId, Bucket>>,
    kept: Kept,
}

struct Bucket {
    /// When it is full again.
    full_at: Instant,
    dropped: Dropped,
    /// Whether somebody is waiting to tell of what was dropped.
    reported: bool,
}

#[derive(Default)]
struct Dropped {
    lines: u64,
    bytes: u64,
}

impl TenantLog {
    pub fn new(config: &LogConfig) -> Arc<Self> {
        Arc::new(Self {
            bytes_per_s: config.tenant_bytes_per_s,
            burst: time_for(config.tenant_burst_bytes, config.tenant_bytes_per_s),
            report_interval: config.dropped_report_interval(),
            tenants: Mutex::default(),
            kept: Kept::new(config),
        })
    }

    /// The last lines of plugins.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Whether a line with so many bytes of text may be written for the tenant now.
    pub fn admits(self: &Arc<Self>, tenant: &TenantId, text_bytes: usize) -> bool {
        let bytes = text_bytes.saturating_add(LINE_BYTES) as u64;
        let report = match self.take(tenant, bytes, Instant::now()) {
            Taken::Admitted => return true,
            Taken::Dropped { first } => first,
        };
        if report {
            self.report_later(tenant);
        }
        false
    }

    fn take(&self, tenant: &TenantId, bytes: u64, now: Instant) -> Taken {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= TENANTS_REMEMBERED && !tenants.contains_key(tenant) {
            // Whoever is full and owes no report is as a new one.
            tenants.retain(|_, bucket| bucket.full_at > now || bucket.reported);
        }
        let new = || Bucket { full_at: now, dropped: Dropped::default(), reported: false };
        let bucket = tenants.entry(tenant.clone()).or_insert_with(new);
        let full_at = bucket.full_at.max(now) + time_for(bytes, self.bytes_per_s);
        if full_at.duration_since(now) <= self.burst {
            bucket.full_at = full_at;
            return Taken::Admitted;
        }
        bucket.dropped.lines += 1;
        bucket.dropped.bytes = bucket.dropped.bytes.saturating_add(bytes);
        Taken::Dropped { first: !std::mem::replace(&mut bucket.reported, true) }
    }

    /// Tells at the end of the interval what was dropped in it. There is one such task for a tenant at a time.
    fn report_later(self: &Arc<Self>, tenant: &TenantId) {
        let (log, loud) = (self.clone(), tenant.clone());
        let report = async move {
            tokio::time::sleep(log.report_interval).await;
            let Dropped { lines, bytes } = log.reported(&loud);
            tracing::warn!(
                tenant = %loud,
                lines,
                bytes,
                "log lines of a tenant were dropped: it may write log.tenant_bytes_per_s, and \
                 log.tenant_burst_bytes at once"
            );
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(report)),
            // Nowhere to wait: the next line that is dropped tries again.
            Err(_) => self.unreported(tenant),
        }
    }

    fn reported(&self, tenant: &TenantId) -> Dropped {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = tenants.get_mut(tenant) else { return Dropped::default() };
        bucket.reported = false;
        std::mem::take(&mut bucket.dropped)
    }

    fn unreported(&self, tenant: &TenantId) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = tenants.get_mut(tenant) {
            bucket.reported = false;
        }
    }
}

enum Taken {
    Admitted,
    /// `first` since the last report.
    Dropped {
        first: bool,
    },
}

/// How long it takes to write these bytes at this rate.
fn time_for(bytes: u64, bytes_per_s: u64) -> Duration {
    Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / bytes_per_s.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Arc<TenantLog> {
        TenantLog::new(&LogConfig { tenant_bytes_per_s: 1_000, tenant_burst_bytes: 4_000, ..LogConfig::default() })
    }

    fn admitted(log: &TenantLog, tenant: &TenantId, lines: usize, now: Instant) -> usize {
        (0..lines).filter(|_| matches!(log.take(tenant, 500, now), Taken::Admitted)).count()
    }

    #[test]
    fn a_tenant_has_a_burst_and_then_its_rate_and_others_have_theirs() {
        let (log, now) = (log(), Instant::now());
        let (loud, quiet) = (TenantId::parse("loud").unwrap(), TenantId::parse("quiet").unwrap());
        assert_eq!(admitted(&log, &loud, 1_000, now), 8);
        assert_eq!(admitted(&log, &quiet, 3, now), 3);
        assert_eq!(admitted(&log, &loud, 1_000, now + Duration::from_secs(2)), 4);
        let dropped = log.reported(&loud);
        assert_eq!((dropped.lines, dropped.bytes), (1_988, 994_000));
        assert_eq!(log.reported(&loud).lines, 0);
        assert_eq!(log.reported(&quiet).lines, 0);
    }

    #[test]
    fn quiet_tenants_are_forgotten() {
        let (log, now) = (log(), Instant::now());
        for number in 0..3 * TENANTS_REMEMBERED as u64 {
            let tenant = TenantId::parse(&format!("t{number}")).unwrap();
            log.take(&tenant, 500, now + Duration::from_secs(number));
        }
        assert!(log.tenants.lock().unwrap().len() <= TENANTS_REMEMBERED);
    }
}
