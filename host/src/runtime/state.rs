//! What lies in the store of one call: its context, its limits and the capabilities' state.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::clocks::{WasiClocksCtx, WasiClocksCtxView};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::context::CallContext;
use super::prepared::PreparedPlugin;
use super::quota::MemoryQuota;
use super::{CallFailure, Runtime};
use crate::capability::console::Console;
use crate::capability::context::{CallIdentity, ContextView};
use crate::capability::outbound::DenyOutbound;
use crate::capability::sql::{SqlContext, SqlView};

/// The data of a store. It lives exactly as long as the call.
pub struct CallState {
    pub(super) runtime: Arc<Runtime>,
    pub(super) plugin: Arc<PreparedPlugin>,
    pub(super) context: CallContext,
    pub(super) table: ResourceTable,
    /// Deferred calls that were started and not dropped.
    pub(super) deferred_calls: u32,
    quota: MemoryQuota,
    cpu_spent: bool,
    /// Made when the guest first calls a WASI function: most calls never do.
    wasi: Option<(WasiCtx, Console)>,
    /// Apart from the rest of WASI: many calls ask the time and nothing else.
    clocks: WasiClocksCtx,
    http: WasiHttpCtx,
    outbound: DenyOutbound,
    sql: SqlContext,
}

impl CallState {
    /// A store for one call, with every limit in place before the instance is made.
    pub(super) fn store(runtime: &Arc<Runtime>, plugin: &Arc<PreparedPlugin>, context: CallContext) -> Store<Self> {
        let limits = &runtime.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.resource_table_entries);
        let sql = SqlContext::new(
            runtime.sql.clone(),
            context.identity.tenant.clone(),
            plugin.tables().clone(),
            context.deadline_below(limits.hop_reserve_percent),
        );
        let state = Self {
            runtime: runtime.clone(),
            plugin: plugin.clone(),
            context,
            table,
            quota: MemoryQuota::new(limits.memory_bytes, limits.table_elements),
            cpu_spent: false,
            deferred_calls: 0,
            wasi: None,
            clocks: WasiClocksCtx::default(),
            http: WasiHttpCtx::new(),
            outbound: DenyOutbound,
            sql,
        };
        let mut store = Store::new(&runtime.engine, state);
        store.limiter(|state| &mut state.quota);
        store.set_hostcall_fuel(limits.hostcall_bytes);
        store.set_max_component_handles(limits.handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            let state = store.data_mut();
            if state.context.cpu.spent() {
                state.cpu_spent = true;
                return Err(wasmtime::Error::msg("CPU budget used up"));
            }
            // Each tick the guest steps aside, so that a busy one cannot hold the executor.
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// What ended the call, given the error wasmtime reported.
    pub(super) fn failure(&self, error: wasmtime::Error) -> CallFailure {
        let plugin = self.plugin.key().id.as_str();
        let limits = &self.runtime.limits;
        if self.cpu_spent {
            return CallFailure::CpuBudget { plugin: plugin.to_string() };
        }
        if self.quota.exceeded {
            return CallFailure::Memory { plugin: plugin.to_string(), limit_bytes: limits.memory_bytes };
        }
        CallFailure::from_error(plugin, error, limits.hostcall_bytes)
    }

    pub(crate) fn identity(&mut self) -> ContextView<'_> {
        let identity = &self.context.identity;
        ContextView {
            call: CallIdentity {
                tenant: identity.tenant.as_str(),
                user: identity.user.as_ref().map(|user| user.as_str()),
                workspace: identity.workspace.as_ref().map(|workspace| workspace.as_str()),
                roles: &identity.roles,
                calling_plugin: self.context.caller.as_ref().map(|caller| caller.as_str()),
                correlation_id: identity.correlation_id.as_str(),
                depth: self.context.depth,
            },
            deadline: self.context.deadline,
        }
    }

    pub(crate) fn clocks(&mut self) -> WasiClocksCtxView<'_> {
        WasiClocksCtxView { ctx: &mut self.clocks, table: &mut self.table }
    }

    pub(crate) fn sql(&mut self) -> SqlView<'_> {
        SqlView { context: &mut self.sql, table: &mut self.table }
    }
}

impl Drop for CallState {
    /// What the plugin printed is logged when its call is over, however it ended.
    fn drop(&mut self) {
        let Some((_, console)) = &self.wasi else { return };
        for line in console.take_lines() {
            let identity = &self.context.identity;
            tracing::info!(
                plugin = %self.plugin.key(),
                tenant = %identity.tenant,
                correlation = %identity.correlation_id,
                "{line}"
            );
        }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // The builder's defaults inherit nothing: no files, no environment, no network.
        let (ctx, _) = self.wasi.get_or_insert_with(|| {
            let console = Console::new(self.runtime.limits.console_bytes);
            let mut builder = WasiCtx::builder();
            builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
            builder.stdout(console.clone()).stderr(console.clone());
            (builder.build(), console)
        });
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound }
    }
}
