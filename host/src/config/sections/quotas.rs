//! What a tenant can use of each plugin.

use serde::{Deserialize, Serialize};

use crate::config::section::{millis, section};

section! {
    /// What a tenant can use of each plugin, mostly within an hour of the clock (UTC).
    pub struct QuotasConfig {
        /// Whether dev mode refuses who has used up a quota. It counts in any case.
        enforced_in_dev: bool = false,
        /// Calls of a plugin's functions, by clients and by other plugins.
        calls_per_hour: u64 = 10_000,
        /// CPU time of the requests to a plugin, with everything they called.
        cpu_ms_per_hour: u64 = 600_000,
        /// Events that a plugin publishes; and as many again that other systems send to `POST /api/v1/events`.
        events_per_hour: u64 = 10_000,
        /// Notifications that a plugin sends.
        notifications_per_hour: u64 = 1_000,
        /// Requests that a plugin makes to hosts outside.
        outbound_requests_per_hour: u64 = 1_000,
        /// Rows in all tables of a plugin; at any time, not by the hour.
        rows: u64 = 5_000_000,
        /// Keys of a plugin, those of all buckets together; at any time, not by the hour.
        keys: u64 = 100_000,
        /// How often it is written down what was used, and quotas that were set for tenants are read.
        flush_ms: u64 = 5_000,
    }
}

millis! {
    QuotasConfig { flush = flush_ms }
}
