//! Schedules: what plugins do by the clock.

use serde::{Deserialize, Serialize};

use crate::config::section::{millis, section};

section! {
    /// Schedules: what plugins do by the clock.
    pub struct SchedulesConfig {
        /// Runs that go on at once, but never more than a quarter of `pool.instances`.
        concurrency: u32 = 8,
        /// Runs of one tenant that go on at once, but never more than a quarter of `tenant.instances`.
        tenant_concurrency: u32 = 2,
        /// Time for one run, waiting included.
        deadline_ms: u64 = 60_000,
        /// CPU time for one run, with everything that is called for it.
        cpu_ms: u64 = 5_000,
        /// Time after which a run is taken to be given up by a process that has ended; longer than
        /// `schedules.deadline_ms`.
        lease_ms: u64 = 90_000,
        /// How late a run may begin and still count as on time; longer than `schedules.lease_ms`. A tick that comes later
        /// is missed, and the manifest's `missed` says what becomes of it.
        late_ms: u64 = 300_000,
        /// How often a run is begun whose process ends in the middle of it. One that fails by itself is not begun again.
        attempts: u32 = 2,
        /// Runs kept of each schedule and tenant, for those who ask what became of them.
        kept: u32 = 50,
        /// Time that a run is kept.
        kept_s: u64 = 2_592_000,
    }
}

millis! {
    SchedulesConfig { deadline = deadline_ms, cpu = cpu_ms, lease = lease_ms, late = late_ms }
}
