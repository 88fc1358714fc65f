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

/// What happens when a new version of a plugin takes from others what they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dependants {
    /// The old version stays loaded for them.
    Keep,
    /// The new version is refused.
    Refuse,
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

section! {
    /// What one call of a plugin can take.
    pub struct LimitsConfig {
        /// The instance's linear memories and tables, all together.
        memory_bytes: usize = 64 * MIB,
        /// Elements of each of the instance's tables. Each counts 8 bytes against `limits.memory_bytes`.
        table_elements: usize = 20_000,
        /// Processor time of the plugin's own code. Waiting for the host does not count.
        cpu_budget_ms: u64 = 50,
        /// Processor time of a request's statements that run on threads of their own: writes, and reads beyond
        /// `sql.inline_read_steps`. Waiting for the disk does not count.
        sql_cpu_ms: u64 = 1_000,
        /// Time from start to answer, waiting included. A nested call inherits what is left.
        wall_deadline_ms: u64 = 10_000,
        /// Plugin calls below the one that came over HTTP.
        depth_max: u8 = 8,
        /// The part of its remaining time that a call keeps back from its nested calls and statements, so
        /// that it can still answer when one of them takes all the time it was given.
        hop_reserve_percent: u8 = 10,
        /// The part of the whole `cpu_budget_ms` that must be left for a nested call to be made. With less it is refused
        /// at once, so that a caller whose provider has used up all that it could can still answer.
        hop_cpu_min_percent: u8 = 10,
        /// Values crossing between plugin and host in one host call, as the host holds them.
        hostcall_bytes: usize = 8 * MIB,
        /// Calls of host functions by one instance, growing its memory included. A nested plugin call is one
        /// for its caller and has as many of its own.
        host_calls: u64 = 100_000,
        /// Deferred calls the instance has under way or not yet dropped.
        deferred_calls: u32 = 32,
        /// Arguments of those calls and answers not yet fetched, all together, as the host holds them.
        deferred_bytes: usize = 32 * MIB,
        /// The JSON text of one answer.
        answer_bytes: usize = 16 * MIB,
        /// One set of header fields that the plugin makes, and any other text of a request or answer's head.
        header_bytes: usize = 64 * KIB,
        /// What the host keeps of a body that the plugin writes until it is sent on.
        body_chunk_bytes: usize = 64 * KIB,
        /// Handles to resources the instance holds at once.
        handles: usize = 1_000,
        /// Resources the host holds for the call at once.
        resource_table_entries: usize = 1_000,
        /// What the plugin prints to its standard streams, and the log keeps of it.
        console_bytes: usize = 8 * KIB,
        /// Lines of it.
        console_lines: usize = 100,
        /// Requests to hosts outside that the instance has under way at once.
        outbound_requests: usize = 8,
        /// Stack of the plugin's code.
        wasm_stack_bytes: usize = 512 * KIB,
        /// Stack of the call, host functions included; at least 1 MiB more than `wasm_stack_bytes`.
        async_stack_bytes: usize = 2 * MIB,
        /// How often the processor time is looked at, and so how far it can be overrun.
        epoch_tick_ms: u64 = 2,
    }
}

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
    /// What a tenant can use of each plugin, mostly within an hour of the clock (UTC).
    pub struct QuotasConfig {
        /// Whether dev mode refuses who has used up a quota. It counts in any case.
        enforced_in_dev: bool = false,
        /// Calls of a plugin's functions, by clients and by other plugins.
        calls_per_hour: u64 = 10_000,
        /// CPU time of the requests to a plugin, with everything they called.
        cpu_ms_per_hour: u64 = 600_000,
        /// Events that a plugin publishes.
        events_per_hour: u64 = 10_000,
        /// Requests that a plugin makes to hosts outside.
        outbound_requests_per_hour: u64 = 1_000,
        /// Rows in all tables of a plugin; at any time, not by the hour.
        rows: u64 = 5_000_000,
        /// How often it is written down what was used, and quotas that were set for tenants are read.
        flush_ms: u64 = 5_000,
    }
}

section! {
    /// What one tenant can take with all its requests together.
    pub struct TenantConfig {
        /// Instances alive at once, nested calls included; more than `limits.depth_max`. As many times
        /// `limits.memory_bytes` is the most memory its calls can have.
        instances: u32 = 64,
        /// Requests that wait for an instance. One more is refused.
        waiting_requests: u32 = 128,
        /// Statements on threads of their own at once. One more waits.
        sql_threads: usize = 8,
        /// Requests of its plugins to hosts outside under way at once.
        outbound_requests: usize = 32,
        /// What it can set of one plugin's configuration, as JSON text.
        config_bytes: usize = 64 << 10,
        /// Arrays and objects within each other in one value of it.
        config_depth: usize = 32,
    }
}

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

/// What becomes of a plugin that breaks what an earlier version promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakingChanges {
    /// [`Self::Warn`] in dev mode, else [`Self::Refuse`].
    ByMode,
    /// It is not loaded; what ran goes on.
    Refuse,
    /// It is loaded, and the log says whom it breaks.
    Warn,
}

section! {
    /// What a file in the plugins directory can take before it runs.
    pub struct LoaderConfig {
        /// Files of the directory that are looked at. Those that are loaded come first, then by name.
        files: usize = 1_000,
        /// Versions of one plugin that are loaded at once.
        versions: usize = 32,
        /// The file.
        file_bytes: u64 = 64 * MIB as u64,
        /// Migrations and demo data embedded in it, their names included.
        embedded_sql_bytes: usize = 4 * MIB,
        /// The types of one interface that it exports, as the text that is remembered to hold later versions to it.
        /// Of longer ones only a hash is kept.
        types_bytes: usize = 64 * KIB,
        /// What becomes of a version that breaks what an earlier one on its compatibility track offered: `refuse`, `warn`
        /// (it is loaded, and the log names whom it breaks), or `by-mode`: `warn` in dev mode, else `refuse`.
        breaking_changes: BreakingChanges = BreakingChanges::ByMode,
        /// Processor time of the process that compiles it.
        compile_cpu_s: u64 = 10,
        /// Memory of the process that compiles it.
        compile_memory_bytes: u64 = GIB,
        /// Time from start to end of the process that compiles it. Once the host serves, it yields to everything
        /// else.
        compile_wall_s: u64 = 120,
        /// Processes that compile at once. Each uses one processor.
        compile_processes: usize = 2,
        /// The machine code of one file.
        compiled_bytes: u64 = 256 * MIB as u64,
        /// The cache of machine code. Over it, what is not in use goes, the longest unused first.
        cache_bytes: u64 = GIB,
        /// How often the directory is looked at, whatever was told of it. A change of which nothing was told counts when
        /// it is the same in two such looks; 0 looks at start only.
        rescan_ms: u64 = 1_000,
        /// Whether the operating system is asked to tell of changes, so that they are seen at once. Without it, and on
        /// network file systems, they are found by looking.
        watch: bool = true,
        /// Time that a file is left alone after it was closed or moved into place, before it is read; also the least
        /// time between two looks for which something was told.
        settle_ms: u64 = 50,
        /// What happens when a new version in the place of an old one leaves other plugins without a provider: `keep`
        /// keeps the old one loaded for them, `refuse` refuses the new one.
        dependants: Dependants = Dependants::Keep,
        /// Time the start waits for files to be loaded. Those that take longer, as to compile, are taken when they are
        /// ready.
        start_wait_ms: u64 = 60_000,
    }
}

section! {
    /// What happens when a version of a plugin comes to a tenant, and when it goes.
    pub struct LifecycleConfig {
        /// Time to move a tenant's data to a version, and then again for each lifecycle function of the plugin.
        deadline_ms: u64 = 30_000,
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
        /// How often it is written down how plugins were used and how they failed.
        flush_ms: u64 = 2_000,
        /// How often the host looks whether another process on the same database has changed decisions, grants or
        /// configuration.
        decisions_refresh_ms: u64 = 2_000,
    }
}

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
        /// Time that a delivery waits for a subscriber that is switched off or gone, before it goes to the dead letters.
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
        /// The database file; the log and temporary files beside it have limits of their own.
        storage_bytes: u64 = 256 * MIB as u64,
        /// The write-ahead log beside the database file. One transaction may fill 15 sixteenths of it, by default
        /// enough to change every page; while others read without pause, only half.
        log_bytes: u64 = 288 * MIB as u64,
        /// Temporary files for sorting and other work on the side, all statements on one database together.
        temporary_bytes: u64 = 256 * MIB as u64,
        /// Memory that one statement may take of SQLite.
        memory_bytes: u64 = 64 * MIB as u64,
        /// Time a statement waits for the writer before it, or for a connection that reads.
        busy_wait_ms: u64 = 2_000,
        /// Steps of SQLite's machine, 10 to 20 ns each, that a read may take on the thread that serves the
        /// request before it moves to one of its own.
        inline_read_steps: u32 = 100_000,
        /// Connections that read one database at once.
        readers: usize = 4,
        /// Page cache of one connection. `open_databases` have one for each of their `readers` and one for the writer, as
        /// far as they have been used: by default at most 1,280 MiB.
        cache_kib: u32 = 1_024,
        /// Prepared statements that one connection keeps.
        prepared_statements: usize = 64,
        /// Snapshots kept of each database: one is taken before migrations change it, and one before another is
        /// restored. The oldest goes for the next. Each takes as much of the disk as the database.
        snapshots: usize = 3,
        /// Databases open at once. The one unused for longest is closed for the next.
        open_databases: usize = 256,
        /// Statements whose check is remembered, for each plugin.
        checked_statements: usize = 1_024,
        /// The texts of those statements together.
        checked_bytes: usize = 2 * MIB,
    }
}

section! {
    /// What a plugin can take through keys and values, for each tenant.
    pub struct KeyvalueConfig {
        /// Keys, those of all buckets together.
        keys: u64 = 100_000,
        /// One key, and the name of a bucket beside it.
        key_bytes: usize = 512,
        /// One value. Less than `sql.value_bytes` by 4 KiB and twice `key_bytes` at least.
        value_bytes: usize = MIB,
        /// Keys and values together. They lie in the plugin's database, so they count against `sql.storage_bytes` as well.
        storage_bytes: u64 = 64 * MIB as u64,
        /// Keys of one batch.
        batch_keys: usize = 1_000,
        /// Keys and values of one batch together, written or read.
        batch_bytes: usize = 4 * MIB,
        /// Keys of one page of a listing.
        page_keys: usize = 1_000,
        /// The texts of those keys together; a page has one key at least.
        page_bytes: usize = 256 * KIB,
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
    LogConfig { dropped_report_interval = dropped_report_interval_ms, follow_wait = follow_wait_ms }
    HttpConfig {
        header_read_timeout = header_read_timeout_ms,
        request_body_timeout = request_body_timeout_ms,
        http2_ping_interval = http2_ping_interval_ms,
        http2_ping_timeout = http2_ping_timeout_ms,
        shutdown_grace = shutdown_grace_ms,
        write_timeout = write_timeout_ms,
        linger = linger_ms,
        wait_min = wait_min_ms,
        drain = drain_ms,
    }
    LimitsConfig {
        cpu_budget = cpu_budget_ms,
        sql_cpu = sql_cpu_ms,
        wall_deadline = wall_deadline_ms,
        epoch_tick = epoch_tick_ms,
    }
    BreakerConfig { within = within_ms, open = open_ms }
    EventsConfig { handler_deadline = handler_deadline_ms, handler_cpu = handler_cpu_ms, lease = lease_ms }
    LifecycleConfig {
        deadline = deadline_ms, retry = retry_ms, rare_retry = rare_retry_ms, flush = flush_ms,
        decisions_refresh = decisions_refresh_ms
    }
    SqlConfig { busy_wait = busy_wait_ms }
    DbConfig { busy_wait = busy_wait_ms, acquire_timeout = acquire_timeout_ms }
}

impl QuotasConfig {
    pub fn flush(&self) -> Duration {
        Duration::from_millis(self.flush_ms)
    }
}

impl LoaderConfig {
    /// Whether a plugin is loaded that breaks what an earlier version promised.
    pub fn takes_breaking(&self, dev: bool) -> bool {
        match self.breaking_changes {
            BreakingChanges::ByMode => dev,
            BreakingChanges::Refuse => false,
            BreakingChanges::Warn => true,
        }
    }

    /// [`Self::compile_wall_s`] as a duration.
    pub fn compile_wall(&self) -> Duration {
        Duration::from_secs(self.compile_wall_s)
    }

    /// [`Self::start_wait_ms`] as a duration; none when the start is the only time that files are taken.
    pub fn start_wait(&self) -> Option<Duration> {
        self.rescan().map(|_| Duration::from_millis(self.start_wait_ms))
    }

    /// [`Self::settle_ms`] as a duration.
    pub fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }

    /// [`Self::rescan_ms`] as a duration; none when the directory is looked at only at start.
    pub fn rescan(&self) -> Option<Duration> {
        (self.rescan_ms > 0).then(|| Duration::from_millis(self.rescan_ms))
    }
}
