//! The one place that decides what the engine is: its features, its pool, its clock.
//!
//! Concurrency support (component-model-async) is off: synchronous components link three times as fast,
//! and every import of the async kind is refused when a plugin is loaded.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::config::{LimitsConfig, PoolConfig};

/// What decides the machine code. It takes nothing from the configuration file, so that code compiled by
/// one process can be loaded by the next.
pub fn codegen_config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.concurrency_support(false);
    config.wasm_memory64(false);
    config.wasm_relaxed_simd(false);
    config.memory_init_cow(true);
    config
}

/// Names the engine and the settings that compiled code depends on, as 64 hexadecimal digits.
pub fn compatibility_hash(engine: &Engine) -> String {
    struct Sink(Sha256);
    impl Hasher for Sink {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut sink = Sink(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut sink);
    crate::hash::hex(&sink.0.finalize())
}

/// The engine that plugins run on.
///
/// # Errors
///
/// When the machine cannot give the pool what the configuration asks for.
pub fn build(limits: &LimitsConfig, pool: &PoolConfig) -> wasmtime::Result<Engine> {
    let mut config = codegen_config();
    config.max_wasm_stack(limits.wasm_stack_bytes);
    config.async_stack_size(limits.async_stack_bytes);
    // Without it a stack keeps, for good, as much as the deepest call that it ever had.
    config.async_stack_zeroing(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling(limits, pool)));
    Engine::new(&config)
}

fn pooling(limits: &LimitsConfig, pool: &PoolConfig) -> PoolingAllocationConfig {
    let instances = pool.instances;
    let mut pooling = PoolingAllocationConfig::new();
    pooling
        .total_component_instances(instances)
        .total_stacks(instances.saturating_add(on_their_way_back(pool)))
        .total_core_instances(instances.saturating_mul(pool.core_instances_per_component))
        .total_memories(instances.saturating_mul(pool.memories_per_component))
        .total_tables(instances.saturating_mul(pool.tables_per_component))
        .max_core_instances_per_component(pool.core_instances_per_component)
        .max_memories_per_component(pool.memories_per_component)
        .max_memories_per_module(1)
        .max_tables_per_component(pool.tables_per_component)
        .max_tables_per_module(pool.tables_per_component)
        .max_component_instance_size(pool.component_instance_bytes)
        .max_core_instance_size(pool.core_instance_bytes)
        .table_elements(limits.table_elements)
        .max_memory_size(limits.memory_bytes)
        .linear_memory_keep_resident(pool.memory_keep_resident_bytes)
        .table_keep_resident(pool.table_keep_resident_bytes)
        .async_stack_keep_resident(pool.stack_keep_resident_bytes)
        .max_unused_warm_slots(pool.unused_warm_slots)
        .decommit_batch_size(pool.decommit_batch)
        .pagemap_scan(Enabled::Auto);
    pooling
}

/// Stacks that are no longer in use and not yet free: a thread that gives some back to the system holds them meanwhile, and
/// whoever needs one then would be told that there is none.
fn on_their_way_back(pool: &PoolConfig) -> u32 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).saturating_add(1);
    u32::try_from(pool.decommit_batch.saturating_mul(threads)).unwrap_or(u32::MAX)
}

/// How many ticks there have been.
#[derive(Clone, Default)]
pub(super) struct Ticks(Arc<AtomicU64>);

impl Ticks {
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Advances the engine's epoch from a thread of its own, so that no busy executor can hold time back.
pub(super) struct Ticker {
    stop: Arc<AtomicBool>,
    ticks: Ticks,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn start(engine: &Engine, tick: Duration) -> Self {
        let (stop, ticks) = (Arc::new(AtomicBool::new(false)), Ticks::default());
        let (stopped, counted) = (stop.clone(), ticks.clone());
        let engine = engine.weak();
        let thread = std::thread::Builder::new()
            .name("epoch".into())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    std::thread::park_timeout(tick);
                    counted.count();
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => break,
                    }
                }
            })
            .ok();
        Self { stop, ticks, thread }
    }

    pub(super) fn ticks(&self) -> &Ticks {
        &self.ticks
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
