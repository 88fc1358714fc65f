//! What is logged, and what is kept of it.

use serde::{Deserialize, Serialize};

use super::{KIB, MIB};
use crate::config::section::{millis, section};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

section! {
    /// What is logged, and how.
    pub struct LogConfig {
        /// `text` for people or `json` for machines.
        format: LogFormat = LogFormat::Text,
        /// Which lines are kept, as `info` or `info,tenon::registry=debug`.
        filter: String = "info".to_owned(),
        /// What is logged for one tenant: what its plugins print and how their calls fail. The rest is dropped and
        /// counted. A line counts with 256 bytes beside its text.
        tenant_bytes_per_s: u64 = 16 * KIB as u64,
        /// What may be logged for a tenant at once that was quiet before.
        tenant_burst_bytes: u64 = 256 * KIB as u64,
        /// Time between two lines that tell how much of a tenant's was dropped.
        dropped_report_interval_ms: u64 = 10_000,
        /// Lines of one plugin for one tenant that are kept for `tenon logs`.
        kept_lines: usize = 1_000,
        /// What those lines take.
        kept_bytes: usize = 256 * KIB,
        /// What the lines of all plugins and tenants take. Over it, those of the plugin and tenant that were written to
        /// longest ago go.
        kept_total_bytes: usize = 64 * MIB,
        /// How long a reader that follows may wait for the next line with one request.
        follow_wait_ms: u64 = 5_000,
        /// Readers that wait so at once. One more is answered at once.
        followers: usize = 64,
    }
}

millis! {
    LogConfig { dropped_report_interval = dropped_report_interval_ms, follow_wait = follow_wait_ms }
}
