//! What people hear as it happens: notifications of plugins, and streams of them and of events.

use serde::{Deserialize, Serialize};

use super::KIB;
use crate::config::section::{millis, section};

section! {
    /// What plugins tell people.
    pub struct NotificationsConfig {
        /// The title of a notification.
        title_bytes: usize = 200,
        /// Its text.
        body_bytes: usize = 4 * KIB,
        /// Its link.
        link_bytes: usize = 2 * KIB,
        /// Its data. As it lies in the publisher's outbox, the whole is never more than `events.data_bytes`.
        data_bytes: usize = 8 * KIB,
        /// Time that a notification is kept.
        kept_s: u64 = 2_592_000,
        /// Notifications kept of one user, of one role, and of those to everybody; the oldest go.
        kept: u32 = 500,
        /// All notifications kept of one tenant; the oldest go.
        tenant_kept: u32 = 20_000,
    }
}

section! {
    /// Streams of notifications and events (`GET /api/v1/stream`).
    pub struct StreamConfig {
        /// Streams open at once, but never more than half of `http.connections_max`, nor than half of
        /// `http.answers_bytes` has room for.
        streams: usize = 2_000,
        /// Those of one tenant.
        tenant_streams: usize = 500,
        /// Those of one user or key in a tenant.
        principal_streams: usize = 10,
        /// What waits for one client in the host's memory, but always one event.
        buffer_bytes: usize = 64 * KIB,
        /// Events that came last and are kept for those clients of a tenant that are a little behind. Who is further
        /// behind reads them from the database.
        backlog: usize = 64,
        /// Time between two signs of life on a stream that is quiet. As often it is looked whether its credential is
        /// still good.
        heartbeat_ms: u64 = 15_000,
        /// Time after which a client comes back when its stream has ended; up to twice that, by chance.
        retry_ms: u64 = 2_000,
    }
}

millis! {
    StreamConfig { heartbeat = heartbeat_ms }
}
