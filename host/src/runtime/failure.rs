//! Why a plugin call gave no answer. None of these is a plugin's own typed error: that is a value.

use std::time::Duration;

use wasmtime::component::{ResourceTableError, Val};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use super::cause::Cause;
use super::context::CallContext;
use super::shape::FunctionShape;
use crate::config::LimitsConfig;
use crate::log::written_bytes;
use crate::usage::Exceeded;

/// A call that ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The instance died; by a call it made where `cause` is not the plugin.
    #[error("plugin {plugin} trapped: {message}")]
    Trap { plugin: String, message: String, backtrace: Option<String>, cause: Cause },
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
    #[error("plugin {plugin} called the host more than the {limit} times a call may (limits.host_calls)")]
    HostCalls { plugin: String, limit: u64 },
    #[error("plugin {plugin} held more than the {limit} {what} a call may ({setting}): drop what is done with")]
    Handles { plugin: String, what: &'static str, limit: usize, setting: &'static str },
    /// The pool had no place left for it.
    #[error("the host has no free instance for plugin {plugin}; try again")]
    Busy { plugin: String },
    /// As many of the tenant's requests wait as may.
    #[error(
        "tenant {tenant} has {limit} requests waiting for a free instance, and no more may wait \
         (tenant.waiting_requests); send fewer at a time, or try again later"
    )]
    TenantBusy { tenant: String, limit: usize },
    /// The tenant has used as much of the plugin as it may for now.
    #[error("plugin {plugin}: {exceeded}")]
    Quota { plugin: String, exceeded: Exceeded },
    /// The tenant has called the endpoint too often.
    #[error(
        "{endpoint} may be called {per_minute} times a minute by tenant {tenant} (rateLimit of its manifest), and was \
         called more often; try again in {retry_after_s} s"
    )]
    RateLimited { endpoint: String, tenant: String, per_minute: u32, retry_after_s: u64 },
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

    /// Whether it says something of the plugin, and not of who called or of how busy the host was.
    pub fn is_of_the_plugin(&self) -> bool {
        match self {
            Self::Trap { .. }
            | Self::CpuBudget { .. }
            | Self::Memory { .. }
            | Self::Deadline { .. }
            | Self::TooLarge { .. }
            | Self::HostCalls { .. }
            | Self::Handles { .. } => true,
            Self::Depth { .. }
            | Self::Busy { .. }
            | Self::TenantBusy { .. }
            | Self::Quota { .. }
            | Self::RateLimited { .. }
            | Self::Denied { .. }
            | Self::Unavailable { .. }
            | Self::Host { .. } => false,
        }
    }

    /// Whether whoever made the call has reason to leave the plugin alone for a while. What a caller can bring about by
    /// itself does not count: arguments that are too large, and time or budget that it had used up before (`given`).
    pub(super) fn is_fault_of_provider(&self, given: Given) -> bool {
        match self {
            // It may have trapped over a call of its own that failed of the host or of the time.
            Self::Trap { cause, .. } => *cause == Cause::Plugin,
            Self::Memory { .. } | Self::HostCalls { .. } | Self::Handles { .. } | Self::Host { .. } => true,
            Self::Deadline { .. } => given.time,
            Self::CpuBudget { .. } => given.cpu,
            Self::TooLarge { .. }
            | Self::Depth { .. }
            | Self::Busy { .. }
            | Self::TenantBusy { .. }
            | Self::Quota { .. }
            | Self::RateLimited { .. }
            | Self::Denied { .. }
            | Self::Unavailable { .. } => false,
        }
    }

    /// What the log takes for its text and its backtrace. Both may hold text of the plugin's, which escapes make longer.
    pub(super) fn written_bytes(&self) -> usize {
        written_bytes(&self.to_string()) + self.backtrace().map_or(0, written_bytes)
    }

    /// Reads wasmtime's error, when nothing else is known to have stopped the call.
    pub(super) fn from_error(plugin: &str, error: wasmtime::Error, limits: &LimitsConfig) -> Self {
        let plugin = plugin.to_string();
        if error.is::<PoolConcurrencyLimitError>() {
            return Self::Busy { plugin };
        }
        // A forwarder whose function has no case for the provider's failure traps its caller with it.
        if let Some(failure) = error.downcast_ref::<CallFailure>() {
            let message = format!("a call it made failed: {failure}");
            return Self::Trap { plugin, message, backtrace: None, cause: failure.cause() };
        }
        if let Some(HostCallsSpent) = error.downcast_ref() {
            return Self::HostCalls { plugin, limit: limits.host_calls };
        }
        if let Some(ResourceTableError::Full) = error.downcast_ref() {
            let (what, setting) = ("resources", "limits.resource_table_entries");
            return Self::Handles { plugin, what, limit: limits.resource_table_entries, setting };
        }
        let backtrace = error.downcast_ref::<WasmBacktrace>().map(|frames| shortened(frames.to_string()));
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return Self::Trap { plugin, message: trap.to_string(), backtrace, cause: Cause::Plugin };
        }
        let message = error.root_cause().to_string();
        // wasmtime has no types for these two.
        if message.contains("fuel allocated for hostcalls") {
            return Self::TooLarge { plugin, limit_bytes: limits.hostcall_bytes };
        }
        if message.contains("store handle limit exceeded") {
            return Self::Handles { plugin, what: "handles", limit: limits.handles, setting: "limits.handles" };
        }
        Self::Trap { plugin, message, backtrace, cause: Cause::Plugin }
    }
}

/// Whether a call began with at least half of what a whole request has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    time: bool,
    cpu: bool,
}

impl Given {
    pub(super) fn to(context: &CallContext, limits: &LimitsConfig) -> Self {
        Self {
            time: context.remaining() >= limits.wall_deadline() / 2,
            cpu: context.cpu.left() >= limits.cpu_budget() / 2,
        }
    }
}

/// The error that ends an instance at its last host call.
#[derive(Debug, thiserror::Error)]
#[error("the host was called too often")]
pub(super) struct HostCallsSpent;

/// What the log keeps of a backtrace. Its frames carry the names of the plugin's functions, which may be as long as
/// its author likes.
const BACKTRACE_BYTES: usize = 8 << 10;

fn shortened(mut text: String) -> String {
    if text.len() > BACKTRACE_BYTES {
        text.truncate(text.floor_char_boundary(BACKTRACE_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_counted_as_it_is_logged() {
        let (message, backtrace) = ("\u{1}\u{202e}".repeat(500), "frame \u{1b}[2J\n".repeat(100));
        let plain = "plugin p trapped: ".len();
        let failure =
            CallFailure::Trap { plugin: "p".into(), message, backtrace: Some(backtrace), cause: Cause::Plugin };
        assert_eq!(failure.written_bytes(), plain + 500 * (6 + 8) + 100 * (6 + 6 + 3 + 2));
        let plain = CallFailure::Busy { plugin: "p".into() };
        assert_eq!(plain.written_bytes(), plain.to_string().len());
    }

    #[test]
    fn a_backtrace_of_long_names_is_cut_between_characters() {
        assert_eq!(shortened("short".into()), "short");
        let cut = shortened(format!("x{}", "é".repeat(BACKTRACE_BYTES)));
        assert_eq!(cut.len(), BACKTRACE_BYTES - 1 + "…".len());
    }
}
