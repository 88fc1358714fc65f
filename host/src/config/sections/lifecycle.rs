//! How versions come to tenants, and with what.

use serde::{Deserialize, Serialize};

use crate::config::section::{millis, section};

/// When something is done without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// In development mode alone.
    InDev,
    Always,
    Never,
}

impl When {
    /// Whether it is done by a host in this mode.
    pub fn applies(self, dev: bool) -> bool {
        match self {
            Self::InDev => dev,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

section! {
    /// What plugins are granted of what their manifests ask for.
    pub struct GrantsConfig {
        /// When a plugin has all it asks for without an operator's word: `in_dev`, `always` or `never`.
        automatic: When = When::InDev,
    }
}

section! {
    /// What happens when a version of a plugin comes to a tenant, and when it goes.
    pub struct LifecycleConfig {
        /// Time to move a tenant's data to a version, and then again for each lifecycle function of the plugin.
        deadline_ms: u64 = 30_000,
        /// How long requests wait for a version that is on its way to a tenant, where another runs there. Then that one
        /// answers until the new one is activated, unless it cannot work with the data that a migration has left.
        handover_ms: u64 = 100,
        /// The longest time until it is tried again to install a version, or to move a tenant to it, where the host was in
        /// the way and not the plugin, as with a full disk. It begins with none, and doubles.
        retry_ms: u64 = 30_000,
        /// Deadlines that pass before a version counts as failed for a tenant, or as not to be installed: until then each
        /// may have been the host's.
        deadline_attempts: u32 = 3,
        /// Time until what failed so is tried again all the same.
        rare_retry_ms: u64 = 600_000,
        /// Tenants that one request, or the host by itself, moves or looks at, at a time.
        tenants_at_once: usize = 8,
        /// Rollouts of one plugin that are remembered, so that one after the other can be taken back. More that have not
        /// reached every tenant are refused.
        rollout_steps: usize = 32,
        /// How often it is written down how plugins were used and how they failed.
        flush_ms: u64 = 2_000,
        /// How often the host looks whether another process on the same database has changed decisions, grants or
        /// configuration.
        decisions_refresh_ms: u64 = 2_000,
    }
}

millis! {
    LifecycleConfig { deadline = deadline_ms, handover = handover_ms, retry = retry_ms, rare_retry = rare_retry_ms, flush = flush_ms, decisions_refresh = decisions_refresh_ms }
}
