//! What calls of plugins can take: one, all of a tenant, all together.

use serde::{Deserialize, Serialize};

use super::{KIB, MIB};
use crate::config::section::{millis, section};

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
        /// The same for a stack. What a call used beyond that is given back to the system when it ends.
        stack_keep_resident_bytes: usize = 32 * KIB,
        /// Free places kept warm for the plugin that used them last.
        unused_warm_slots: u32 = 100,
        /// Finished instances whose memory is given back to the system together.
        decommit_batch: usize = 16,
    }
}

millis! {
    LimitsConfig { cpu_budget = cpu_budget_ms, sql_cpu = sql_cpu_ms, wall_deadline = wall_deadline_ms, epoch_tick = epoch_tick_ms }
}
