//! Events: what plugins tell each other.

use serde::{Deserialize, Serialize};

use super::KIB;
use crate::config::section::{millis, section};

section! {
    /// Events: what plugins tell each other.
    pub struct EventsConfig {
        /// The data of one event, but never more than `sql.value_bytes` or half of `sql.result_bytes`.
        data_bytes: usize = 64 * KIB,
        /// The key of an event, and its subject.
        key_bytes: usize = 256,
        /// Events that cause each other, one after the other. So a loop of events ends.
        hops: u8 = 8,
        /// Deliveries that wait for their subscribers, for each tenant. When there are as many, its plugins publish
        /// nothing more; nor when as many events of one plugin did not get as far.
        pending: u32 = 10_000,
        /// Handlers that run at once, but never more than a quarter of `pool.instances`.
        concurrency: u32 = 16,
        /// Handlers of one tenant that run at once, but never more than a quarter of `tenant.instances`.
        tenant_concurrency: u32 = 4,
        /// Time for handling one event, waiting included.
        handler_deadline_ms: u64 = 10_000,
        /// CPU time for handling one event, with everything that is called for it.
        handler_cpu_ms: u64 = 500,
        /// How often it is tried to deliver an event before it goes to the dead letters.
        attempts: u32 = 8,
        /// Time before the second attempt, at most: a random part of it is waited. It doubles with each attempt.
        backoff_first_ms: u64 = 1_000,
        /// The most that is waited between two attempts.
        backoff_most_ms: u64 = 600_000,
        /// Time after which a delivery is taken to be given up by a process that has ended; longer than
        /// `events.handler_deadline_ms`.
        lease_ms: u64 = 30_000,
        /// Time that a delivery waits for a subscriber that is switched off or gone, or that the host has no place for, before
        /// it goes to the dead letters.
        waiting_s: u64 = 86_400,
        /// Time that an event is kept for those who ask what happened.
        kept_s: u64 = 86_400,
        /// Events kept of one tenant.
        kept: u32 = 20_000,
        /// Time that a dead letter is kept.
        dead_kept_s: u64 = 604_800,
        /// Dead letters kept of one tenant.
        dead: u32 = 10_000,
        /// Time that a subscriber remembers which events it has handled; longer than a delivery and its dead letter last.
        handled_kept_s: u64 = 1_209_600,
        /// Time that the key of a request with an event is remembered, so that sending it again changes nothing.
        request_kept_s: u64 = 86_400,
        /// Time without requests after which the next one of a principal is the event `user.login`.
        login_pause_s: u64 = 3_600,
        /// Of a thousand requests to plugins so many are the event `api.request`; 0 for none.
        request_sample_per_mille: u32 = 0,
        /// Such events in a second, at most.
        requests_per_s: u32 = 10,
    }
}

millis! {
    EventsConfig { handler_deadline = handler_deadline_ms, handler_cpu = handler_cpu_ms, lease = lease_ms }
}
