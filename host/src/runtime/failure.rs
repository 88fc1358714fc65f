//! Why a plugin call gave no answer. None of these is a plugin's own typed error: that is a value.

use std::time::Duration;

use wasmtime::component::Val;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use super::shape::FunctionShape;

/// A call that ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The instance died.
    #[error("plugin {plugin} trapped: {message}")]
    Trap { plugin: String, message: String, backtrace: Option<String> },
    #[error("plugin {plugin} used up the CPU budget of the request")]
    CpuBudget { plugin: String },
    #[error("plugin {plugin} asked for more memory than the {limit_bytes} bytes a call may have")]
    Memory { plugin: String, limit_bytes: usize },
    #[error("plugin {plugin} did not answer within {} ms", .waited.as_millis())]
    Deadline { plugin: String, waited: Duration },
    #[error("plugin {plugin} was called at depth {depth}; at most {limit} nested plugin calls are allowed")]
    Depth { plugin: String, depth: u8, limit: u8 },
    #[error("plugin {plugin} passed more data across one call than the {limit_bytes} bytes allowed")]
    TooLarge { plugin: String, limit_bytes: usize },
    /// The pool had no place left for it.
    #[error("the host has no free instance for plugin {plugin}; try again")]
    Busy { plugin: String },
    /// The caller may not make this call.
    #[error("{reason}")]
    Denied { reason: String },
    /// There is nobody to answer.
    #[error("{reason}")]
    Unavailable { reason: String },
    /// A fault of the host's own, logged where it happened.
    #[error("the host failed while running plugin {plugin}")]
    Host { plugin: String },
}

impl CallFailure {
    /// The failure as a value of the called function's own error type, where that has a case for it.
    pub fn as_value(&self, function: &FunctionShape) -> Option<Val> {
        let case = match self {
            Self::Denied { .. } => "denied",
            _ => "unavailable",
        };
        if !function.has_text_error_case(case) {
            return None;
        }
        let error = Val::Variant(case.into(), Some(Box::new(Val::String(self.to_string()))));
        Some(Val::Result(Err(Some(Box::new(error)))))
    }

    /// The guest's own frames, where the failure was a trap and they are known.
    pub fn backtrace(&self) -> Option<&str> {
        match self {
            Self::Trap { backtrace, .. } => backtrace.as_deref(),
            _ => None,
        }
    }

    /// Reads wasmtime's error, when nothing else is known to have stopped the call.
    pub(super) fn from_error(plugin: &str, error: wasmtime::Error, limit_bytes: usize) -> Self {
        let plugin = plugin.to_string();
        if error.is::<PoolConcurrencyLimitError>() {
            return Self::Busy { plugin };
        }
        // A forwarder whose function has no case for the provider's failure traps its caller with it.
        if let Some(failure) = error.downcast_ref::<CallFailure>() {
            let message = format!("a call it made failed: {failure}");
            return Self::Trap { plugin, message, backtrace: None };
        }
        let backtrace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string);
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return Self::Trap { plugin, message: trap.to_string(), backtrace };
        }
        let message = error.root_cause().to_string();
        if message.contains("fuel allocated for hostcalls") {
            return Self::TooLarge { plugin, limit_bytes };
        }
        Self::Trap { plugin, message, backtrace }
    }
}
