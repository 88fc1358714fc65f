//! What a client can take.

use serde::{Deserialize, Serialize};

use super::{KIB, MIB};
use crate::config::section::{millis, section};

section! {
    /// What a client can take.
    pub struct HttpConfig {
        /// Connections open at once. When there are as many, the one that has waited longest for its client is
        /// closed for the next.
        connections_max: usize = 10_000,
        /// Time a connection waits for its client at least, before it can be closed for another.
        wait_min_ms: u64 = 250,
        /// Connections that the system keeps until they are accepted. It may allow fewer (`net.core.somaxconn`).
        backlog: u32 = 4_096,
        /// Time for the headers of a request to arrive, and for a kept connection to begin its next one.
        header_read_timeout_ms: u64 = 10_000,
        /// How far a client may fall behind with an answer that waits for it: the time in which it takes nothing, or
        /// less than `write_bytes_per_s_min`.
        write_timeout_ms: u64 = 30_000,
        /// What a client takes of an answer at least, so that the time for all of it is bounded too.
        write_bytes_per_s_min: u64 = 4 * KIB as u64,
        /// The answers that wait for their clients, all together; twice `limits.answer_bytes` at least. When they
        /// are as much, clients that are behind are given up, first those of the tenant with most.
        answers_bytes: usize = 256 * MIB,
        /// Time for a client to close a connection that the host has closed. Until then what it still sends is
        /// thrown away, so that the last answer is not lost.
        linger_ms: u64 = 1_000,
        /// Header lines of one request (HTTP/1).
        headers_max: usize = 100,
        /// All headers of one request together; 8 KiB at least.
        header_bytes: usize = 64 * KIB,
        /// The body of one request, after decompression.
        body_bytes: usize = 2 * MIB,
        /// The bodies of all requests together, from their first byte until they are read as values.
        bodies_bytes: usize = 256 * MIB,
        /// What a JSON body takes in memory while it is read, as estimated before that.
        body_memory_bytes: usize = 64 * MIB,
        /// Time for the body of a request to arrive, from when it is first waited for.
        request_body_timeout_ms: u64 = 30_000,
        /// Requests under way at once on one HTTP/2 connection.
        http2_streams_max: u32 = 128,
        /// HTTP/2 requests a client may take back before they were looked at. With more it is cut off.
        http2_pending_resets_max: usize = 20,
        /// What waits in the buffer of one HTTP/2 stream for its client to take it.
        http2_send_buffer_bytes: usize = 64 * KIB,
        /// Time between pings on an HTTP/2 connection.
        http2_ping_interval_ms: u64 = 20_000,
        /// Time for the answer to a ping, before the connection counts as dead.
        http2_ping_timeout_ms: u64 = 10_000,
        /// When the host stops: time between `/health/ready` saying so and the end of new connections. A load
        /// balancer needs a little more than the time between its checks.
        drain_ms: u64 = 200,
        /// Time for requests under way to finish when the host stops. What is left is cut off.
        shutdown_grace_ms: u64 = 10_000,
    }
}

millis! {
    HttpConfig { header_read_timeout = header_read_timeout_ms, request_body_timeout = request_body_timeout_ms, http2_ping_interval = http2_ping_interval_ms, http2_ping_timeout = http2_ping_timeout_ms, shutdown_grace = shutdown_grace_ms, write_timeout = write_timeout_ms, linger = linger_ms, wait_min = wait_min_ms, drain = drain_ms }
}
