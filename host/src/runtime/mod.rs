//! Runs plugins: one store, one instance and one immutable context for each call.
//!
//! A trap, a dropped future or a host error spoils a whole store, so no two calls ever share one: not a
//! caller and the provider it calls, not two calls of the same plugin. What crosses between calls is plain
//! values. A plugin's import of a service is a forwarder ([`forward`]) that comes back to
//! [`Runtime::call`] with a child context; that is the only loop in the host.

mod call;
mod clock;
mod context;
mod deferred;
mod engine;
mod failure;
mod forward;
mod links;
mod prepared;
mod proxy;
mod quota;
pub mod shape;
mod signature;
mod slots;
mod state;

pub use self::clock::{CpuAllowance, CpuClock};
pub use self::context::{CallContext, Identity};
pub use self::engine::{codegen_config, compatibility_hash};
pub use self::failure::CallFailure;
pub use self::links::{Link, LinkTable, Provider};
pub use self::prepared::{PluginKey, PreparedParts, PreparedPlugin};
pub use self::proxy::ProxyBody;
pub use self::signature::{
    ExportedFunction, ExportedInterface, ImportedFunction, ImportedInterface, PrepareError, VersionedInterface,
};

use std::sync::Arc;

use wasmtime::Engine;

use crate::capability::sql::SqlBackend;
use crate::config::{LimitsConfig, PoolConfig};

/// The engine and what every call on it shares: limits, slots and the capabilities' back ends.
pub struct Runtime {
    engine: Engine,
    limits: LimitsConfig,
    slots: slots::Slots,
    sql: Arc<SqlBackend>,
    _ticker: engine::Ticker,
}

impl Runtime {
    /// Builds the engine and starts the thread that advances its epoch.
    ///
    /// # Errors
    ///
    /// When the machine cannot give the pool what the configuration asks for.
    pub fn new(limits: &LimitsConfig, pool: &PoolConfig, sql: Arc<SqlBackend>) -> wasmtime::Result<Arc<Self>> {
        let engine = engine::build(limits, pool)?;
        let ticker = engine::Ticker::start(&engine, limits.epoch_tick());
        Ok(Arc::new(Self {
            slots: slots::Slots::new(pool.instances, limits.depth_max),
            limits: limits.clone(),
            engine,
            sql,
            _ticker: ticker,
        }))
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn limits(&self) -> &LimitsConfig {
        &self.limits
    }

    /// Where plugins' own tables lie.
    pub fn sql(&self) -> &Arc<SqlBackend> {
        &self.sql
    }
}
