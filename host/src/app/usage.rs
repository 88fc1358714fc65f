//! Writes down what tenants use, and reads what they may.
//!
//! What a host counted is added to the sums of all hosts every `quotas.flush_ms`, and what the others added comes back
//! with that. So one host is exact, several on one database are exact up to that time, and a crash forgets that much.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::MissedTickBehavior;

use super::App;
use crate::db::{DbError, TenantQuota, Used};
use crate::id::{PluginId, TenantId};
use crate::log::chain;
use crate::usage::{Amount, Hour, OwnQuotas, Quota};

/// Hours that stay written down, to be read after they have ended.
const KEPT_HOURS: u32 = 24;

impl App {
    /// Goes on until it is dropped.
    pub async fn tend_usage(&self) {
        let mut ticks = tokio::time::interval(self.config.quotas.flush().max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.usage_flush().await;
            if let Err(error) = self.quotas_read().await {
                told(error, "the tenants' quotas cannot be read; those that were read before go on");
            }
        }
    }

    /// Writes down what was counted.
    pub async fn usage_flush(&self) {
        let usage = self.runtime.usage();
        let hour = Hour::of(Timestamp::now());
        let added = usage.unwritten(hour);
        if added.is_empty() {
            return;
        }
        let rows = added.iter().map(row).collect();
        match self.control.usage_add(hour.number(), rows, hour.number().saturating_sub(KEPT_HOURS)).await {
            Ok(sums) => usage.wrote(hour, &added, &amounts(sums)),
            // It is still counted, and written the next time.
            Err(error) => told(error, "what tenants use cannot be written down"),
        }
    }

    /// Has what was used before the host started count on.
    pub(super) async fn usage_read(&self) -> Result<(), DbError> {
        let hour = Hour::of(Timestamp::now());
        let used = amounts(self.control.usage_list(hour.number()).await?);
        self.runtime.usage().wrote(hour, &[], &used);
        Ok(())
    }

    /// Has the quotas hold that are written down.
    ///
    /// # Errors
    ///
    /// When the control plane cannot be asked.
    pub async fn quotas_read(&self) -> Result<(), DbError> {
        let mut own = OwnQuotas::new();
        for TenantQuota { tenant, plugin, quota, amount, .. } in self.control.tenant_quota_list().await? {
            let plugin = plugin.map(|plugin| PluginId::parse(&plugin)).transpose();
            let (Ok(tenant), Ok(plugin), Some(quota)) = (TenantId::parse(&tenant), plugin, Quota::named(&quota)) else {
                tracing::error!(tenant, quota, "a quota is not understood and does not hold");
                continue;
            };
            own.entry(tenant).or_default().insert((plugin, quota), unsigned(amount));
        }
        self.runtime.usage().set_own(own);
        Ok(())
    }
}

fn row(amount: &Amount) -> Used {
    Used {
        tenant: amount.tenant.to_string(),
        plugin: amount.plugin.to_string(),
        quota: amount.quota.name().to_owned(),
        amount: i64::try_from(amount.amount).unwrap_or(i64::MAX),
    }
}

/// What a host of another version counts and this one does not is left out.
fn amounts(rows: Vec<Used>) -> Vec<Amount> {
    let read = |row: Used| {
        let (tenant, plugin) = (TenantId::parse(&row.tenant).ok()?, PluginId::parse(&row.plugin).ok()?);
        Some(Amount { tenant, plugin, quota: Quota::named(&row.quota)?, amount: unsigned(row.amount) })
    };
    rows.into_iter().filter_map(read).collect()
}

fn unsigned(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or(0)
}

fn told(error: DbError, what: &str) {
    tracing::error!(error = chain(&error), "{what}");
}
