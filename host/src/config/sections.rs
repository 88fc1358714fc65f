//! The sections of the configuration: every limit with its unit in its name.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::section::section;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: u64 = 1 << 30;

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
    }
}

section! {
    /// What a client can take.
    pub struct HttpConfig {
        /// Connections open at once. One more waits in the system's queue.
        connections_max: usize = 10_000,
        /// Time for the headers of a request to arrive, and for a kept connection to begin its next one.
        header_read_timeout_ms: u64 = 10_000,
        /// Header lines of one request (HTTP/1).
        headers_max: usize = 100,
        /// All headers of one request together; 8 KiB at least.
        header_bytes: usize = 64 * KIB,
        /// The body of one request.
        body_bytes: usize = 2 * MIB,
        /// Time for the body of a request to arrive, from when it is first waited for.
        request_body_timeout_ms: u64 = 30_000,
        /// Requests under way at once on one HTTP/2 connection.
        http2_streams_max: u32 = 128,
        /// HTTP/2 requests a client may take back before they were looked at. With more it is cut off.
        http2_pending_resets_max: usize = 20,
        /// Time between pings on an HTTP/2 connection.
        http2_ping_interval_ms: u64 = 20_000,
        /// Time for the answer to a ping, before the connection counts as dead.
        http2_ping_timeout_ms: u64 = 10_000,
        /// Time for requests under way to finish when the host stops. What is left is cut off.
        shutdown_grace_ms: u64 = 10_000,
    }
}

section! {
    /// What one call of a plugin can take.
    pub struct LimitsConfig {
        /// The instance's linear memory.
        memory_bytes: usize = 64 * MIB,
        /// Elements of each of the instance's tables.
        table_elements: usize = 20_000,
        /// Processor time of the plugin's own code. Waiting for the host does not count.
        cpu_budget_ms: u64 = 50,
        /// Time from start to answer, waiting included. A nested call inherits what is left.
        wall_deadline_ms: u64 = 10_000,
        /// Plugin calls below the one that came over HTTP.
        depth_max: u8 = 8,
        /// The part of its remaining time that a call keeps back from its nested calls and statements, so
        /// that it can still answer when one of them takes all the time it was given.
        hop_reserve_percent: u8 = 10,
        /// Values crossing between plugin and host in one host call, as the host holds them.
        hostcall_bytes: usize = 8 * MIB,
        /// Deferred calls the instance has under way or not yet dropped.
        deferred_calls: u32 = 32,
        /// Handles to resources the instance holds at once.
        handles: usize = 1_000,
        /// Resources the host holds for the call at once.
        resource_table_entries: usize = 1_000,
        /// What the plugin prints to its standard streams, and the log keeps of it.
        console_bytes: usize = 8 * KIB,
        /// Stack of the plugin's code.
        wasm_stack_bytes: usize = 512 * KIB,
        /// Stack of the call, host functions included; at least 1 MiB more than `wasm_stack_bytes`.
        async_stack_bytes: usize = 2 * MIB,
        /// How often the processor time is looked at, and so how far it can be overrun.
        epoch_tick_ms: u64 = 2,
    }
}

section! {
    /// The memory set aside for running plugins, all calls together.
    pub struct PoolConfig {
        /// Instances alive at once, nested calls included; more than `limits.depth_max`.
        instances: u32 = 512,
        /// Core modules instantiated within one component.
        core_instances_per_component: u32 = 32,
        /// Memories within one component. One fused of several has one for each; all together count against
        /// `limits.memory_bytes`.
        memories_per_component: u32 = 1,
        /// Tables within one component.
        tables_per_component: u32 = 16,
        /// The host's bookkeeping for one component instance.
        component_instance_bytes: usize = MIB,
        /// The host's bookkeeping for one core instance.
        core_instance_bytes: usize = MIB,
        /// Memory of a finished instance that stays mapped for the next, cleared by writing zeros.
        memory_keep_resident_bytes: usize = MIB,
        /// The same for a table.
        table_keep_resident_bytes: usize = 64 * KIB,
        /// Free places kept warm for the plugin that used them last.
        unused_warm_slots: u32 = 100,
        /// Finished instances whose memory is given back to the system together.
        decommit_batch: usize = 16,
    }
}

section! {
    /// What a file in the plugins directory can take before it runs.
    pub struct LoaderConfig {
        /// The file.
        file_bytes: u64 = 64 * MIB as u64,
        /// Processor time of the process that compiles it.
        compile_cpu_s: u64 = 60,
        /// Memory of the process that compiles it.
        compile_memory_bytes: u64 = 2 * GIB,
        /// Time from start to end of the process that compiles it.
        compile_wall_s: u64 = 120,
    }
}

section! {
    /// What a plugin can take through its own tables, for each tenant.
    pub struct SqlConfig {
        /// The text of one statement.
        statement_bytes: usize = 64 * KIB,
        /// The text of one migration or demo script.
        script_bytes: usize = MIB,
        /// Parameters of one statement.
        parameters: usize = 1_000,
        /// One text, blob or row, stored or computed.
        value_bytes: usize = 4 * MIB,
        /// Rows of one answer.
        result_rows: usize = 10_000,
        /// All values of one answer together, counting 16 bytes for each beside its content.
        result_bytes: usize = 8 * MIB,
        /// The database file, without the write-ahead log beside it.
        storage_bytes: u64 = 256 * MIB as u64,
        /// Time a statement waits for the writer before it, or for a connection that reads.
        busy_wait_ms: u64 = 2_000,
        /// Steps of SQLite's machine, 10 to 20 ns each, that a read may take on the thread that serves the
        /// request before it moves to one of its own.
        inline_read_steps: u32 = 100_000,
        /// Connections that read one database at once.
        readers: usize = 4,
        /// Page cache of one connection.
        cache_kib: u32 = 1_024,
        /// Prepared statements that one connection keeps.
        prepared_statements: usize = 64,
        /// Databases open at once. The one unused for longest is closed for the next.
        open_databases: usize = 256,
        /// Statements whose check is remembered, for each plugin.
        checked_statements: usize = 1_024,
        /// The texts of those statements together.
        checked_bytes: usize = 2 * MIB,
    }
}

section! {
    /// The host's own database.
    pub struct DbConfig {
        /// Connections that read at once. One more writes.
        readers: u32 = 4,
        /// Time a writer waits for another process that writes.
        busy_wait_ms: u64 = 5_000,
        /// Time an operation waits for a connection.
        acquire_timeout_ms: u64 = 5_000,
    }
}

/// Gives a setting in milliseconds as a duration.
macro_rules! durations {
    ($($section:ident { $($method:ident = $field:ident),+ $(,)? })+) => {
        $(impl $section {
            $(
                #[doc = concat!("[`Self::", stringify!($field), "`] as a duration.")]
                pub fn $method(&self) -> Duration {
                    Duration::from_millis(self.$field)
                }
            )+
        })+
    };
}

durations! {
    HttpConfig {
        header_read_timeout = header_read_timeout_ms,
        request_body_timeout = request_body_timeout_ms,
        http2_ping_interval = http2_ping_interval_ms,
        http2_ping_timeout = http2_ping_timeout_ms,
        shutdown_grace = shutdown_grace_ms,
    }
    LimitsConfig { cpu_budget = cpu_budget_ms, wall_deadline = wall_deadline_ms, epoch_tick = epoch_tick_ms }
    SqlConfig { busy_wait = busy_wait_ms }
    DbConfig { busy_wait = busy_wait_ms, acquire_timeout = acquire_timeout_ms }
}

impl LoaderConfig {
    /// [`Self::compile_wall_s`] as a duration.
    pub fn compile_wall(&self) -> Duration {
        Duration::from_secs(self.compile_wall_s)
    }
}
