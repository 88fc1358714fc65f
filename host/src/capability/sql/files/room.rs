//! How much of their room the files of one database have taken, over all its connections.

use crate::config::SqlConfig;
use crate::usage::{Meter, Quota};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What the connections to one database share.
#[derive(Debug)]
pub(in super::super) struct Room {
    /// How much the database may hold. Operators may change it at any time.
    quotas: Arc<Meter>,
    pub(super) log_max: u64,
    pub(super) temporary_max: u64,
    /// Where the last write into the log ended. The log begins anew at 0 once it is written back.
    pub(super) log_end: AtomicU64,
    pub(super) temporary: AtomicU64,
}

impl Room {
    pub fn new(limits: &SqlConfig, quotas: Arc<Meter>, log_now: u64) -> Arc<Self> {
        Arc::new(Room {
            quotas,
            log_max: limits.log_bytes,
            temporary_max: limits.temporary_bytes,
            log_end: AtomicU64::new(log_now),
            temporary: AtomicU64::new(0),
        })
    }

    pub fn storage_bytes(&self) -> u64 {
        self.quotas.limit(Quota::Storage)
    }

    pub fn rows(&self) -> u64 {
        self.quotas.limit(Quota::Rows)
    }

    pub fn keys(&self) -> u64 {
        self.quotas.limit(Quota::Keys)
    }

    /// How much of the log is used when a transaction begins. SQLite writes it back itself every 1,000 pages, but only
    /// as far as readers let it.
    pub fn log_use(&self) -> LogUse {
        match self.log_end.load(Ordering::Relaxed) {
            end if end > self.log_max / 2 => LogUse::Full,
            end if end > self.log_max / 16 => LogUse::Long,
            _ => LogUse::Short,
        }
    }

    pub fn log_is_empty(&self) {
        self.log_end.store(0, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub fn temporary_now(&self) -> u64 {
        self.temporary.load(Ordering::Relaxed)
    }
}

/// What has to happen to the log before a transaction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum LogUse {
    /// Nothing.
    Short,
    /// It is written back if nobody reads just now. Else the transaction still has half of the log.
    Long,
    /// It is written back, and the transaction waits for that, so that it has most of the log.
    Full,
}

/// Why SQLite found no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Refusal {
    Log,
    Temporary,
    Disk,
}
