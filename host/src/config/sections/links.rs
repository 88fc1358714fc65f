//! How plugins fare with each other: answers that are kept, and plugins that are left alone for a while.

use serde::{Deserialize, Serialize};

use super::{KIB, MIB};
use crate::config::section::{millis, section};

section! {
    /// Answers of endpoints with a `cacheTTL`, kept to be given again.
    pub struct CacheConfig {
        /// All of them together, with what they are found by. Those that are asked for least go first.
        bytes: u64 = 64 * MIB as u64,
        /// One of them. A larger answer is computed each time.
        entry_bytes: usize = 256 * KIB,
    }
}

section! {
    /// When a plugin that fails is not called by another for a while, for the tenant for which it failed.
    pub struct BreakerConfig {
        /// Calls over one link that fail in a row before no more are made.
        failures: u32 = 5,
        /// Time after which a failure is forgotten: it no longer counts as in a row with the next, and not against the
        /// plugin's health.
        within_ms: u64 = 30_000,
        /// Time in which no call is made. Then one is, and decides about the others.
        open_ms: u64 = 5_000,
    }
}

millis! {
    BreakerConfig { within = within_ms, open = open_ms }
}
