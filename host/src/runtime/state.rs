//! What lies in the store of one call: its context, its limits and the capabilities' state.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::ResourceTable;
use wasmtime::{CallHook, Store, UpdateDeadline};
use wasmtime_wasi::clocks::{WasiClocksCtx, WasiClocksCtxView};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::changes::Reads;
use super::context::{CallContext, Identity};
use super::failure::HostCallsSpent;
use super::held::HeldBytes;
use super::prepared::{PluginKey, PreparedPlugin};
use super::quota::MemoryQuota;
use super::statements::Statements;
use super::{CallFailure, Runtime};
use crate::capability::config::{ConfigContext, ConfigView};
use crate::capability::console::Console;
use crate::capability::context::{CallIdentity, ContextView};
use crate::capability::events::{EventsCall, EventsView};
use crate::capability::keyvalue::KeyvalueView;
use crate::capability::logging::LoggingView;
use crate::capability::notifications::NotificationsView;
use crate::capability::outbound::{Caller, OutboundContext, Room};
use crate::capability::shared_data::SharedDataView;
use crate::capability::sql::{SqlContext, SqlView, Terms};
use crate::config::LimitsConfig;
use crate::fault;
use crate::log::said::{Line, Speaker};

/// The data of a store. It lives exactly as long as the call.
pub struct CallState {
    pub(super) runtime: Arc<Runtime>,
    pub(super) plugin: Arc<PreparedPlugin>,
    pub(super) context: CallContext,
    pub(super) table: ResourceTable,
    /// Deferred calls that were started and not dropped.
    pub(super) deferred_calls: u32,
    /// Their arguments and answers.
    pub(super) deferred_bytes: HeldBytes,
    /// How often the plugin may still leave its own code for the host.
    host_calls_left: u64,
    quota: MemoryQuota,
    begun: Instant,
    /// The tick at which a host call looked at the time.
    looked_at: u64,
    cpu_spent: bool,
    overdue: bool,
    /// Made when the guest first calls a WASI function: most calls never do.
    wasi: Option<WasiCtx>,
    /// Made when it first says something, with its WASI or without.
    console: Option<Arc<Console>>,
    /// Apart from the rest of WASI: many calls ask the time and nothing else.
    clocks: WasiClocksCtx,
    http: WasiHttpCtx,
    /// Made with the first use of `wasi:http`: most calls have none.
    outbound: Option<OutboundContext>,
    sql: SqlContext,
    config: ConfigContext,
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
            Terms::new(
                context.deadline_below(limits.hop_reserve_percent),
                Statements::new(runtime, &context.cpu, Some(&plugin.key().id)),
            ),
        );
        let config = ConfigContext::new(context.links.values(plugin).cloned());
        let state = Self {
            runtime: runtime.clone(),
            plugin: plugin.clone(),
            context,
            table,
            quota: MemoryQuota::new(limits.memory_bytes, limits.table_elements),
            host_calls_left: limits.host_calls,
            begun: Instant::now(),
            looked_at: runtime.ticker.ticks().now(),
            cpu_spent: false,
            overdue: false,
            deferred_calls: 0,
            deferred_bytes: HeldBytes::new(limits.deferred_bytes),
            wasi: None,
            console: None,
            clocks: WasiClocksCtx::default(),
            http: wasi_http(limits),
            outbound: None,
            sql,
            config,
        };
        let mut store = Store::new(&runtime.engine, state);
        store.limiter(|state| &mut state.quota);
        store.set_hostcall_fuel(limits.hostcall_bytes);
        store.set_max_component_handles(limits.handles);
        // One place for all host functions, whoever defines them, and for the growth of memory too.
        store.call_hook(
            |mut store, hook| {
                if matches!(hook, CallHook::CallingHost) { store.data_mut().calls_host() } else { Ok(()) }
            },
        );
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            let state = store.data_mut();
            if state.context.cpu.spent() {
                state.cpu_spent = true;
                return Err(wasmtime::Error::msg("CPU budget used up"));
            }
            // Each tick the guest steps aside, so that a busy one cannot hold the executor; it goes on in turn.
            state.context.cpu.step_aside();
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// Counts a call of a host function, and once a tick looks at budget and deadline. wasmtime looks at the epoch where
    /// functions and loops begin: code with neither, only calls of the host one after the other, is found out here.
    fn calls_host(&mut self) -> wasmtime::Result<()> {
        self.host_calls_left = self.host_calls_left.checked_sub(1).ok_or(HostCallsSpent)?;
        let tick = self.runtime.ticker.ticks().now();
        if tick == self.looked_at {
            return Ok(());
        }
        self.looked_at = tick;
        self.cpu_spent = self.context.cpu.spent();
        self.overdue = self.context.remaining().is_zero();
        if self.cpu_spent || self.overdue { Err(wasmtime::Error::msg("no time is left")) } else { Ok(()) }
    }

    /// What ended the call, given the error wasmtime reported.
    pub(super) fn failure(&self, error: wasmtime::Error) -> CallFailure {
        let plugin = self.plugin.key().id.as_str();
        let limits = &self.runtime.limits;
        if self.cpu_spent {
            return CallFailure::CpuBudget { plugin: plugin.to_string() };
        }
        if self.overdue {
            return CallFailure::Deadline { plugin: plugin.to_string(), waited: self.begun.elapsed() };
        }
        if self.quota.exceeded {
            return CallFailure::Memory { plugin: plugin.to_string(), limit_bytes: limits.memory_bytes };
        }
        CallFailure::from_error(plugin, error, limits)
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

    pub(crate) fn header_bytes(&self) -> usize {
        self.runtime.limits.header_bytes
    }

    pub(crate) fn clocks(&mut self) -> WasiClocksCtxView<'_> {
        fault::point("wasi:clocks");
        WasiClocksCtxView { ctx: &mut self.clocks, table: &mut self.table }
    }

    pub(crate) fn sql(&mut self) -> SqlView<'_> {
        SqlView { context: &mut self.sql, table: &mut self.table }
    }

    pub(crate) fn events(&mut self) -> EventsView<'_> {
        events(&self.runtime, &self.plugin, &self.context, &mut self.sql, &mut self.table)
    }

    pub(crate) fn shared_data(&mut self) -> SharedDataView<'_> {
        let (plugin, context) = (&self.plugin, &self.context);
        SharedDataView {
            owned: plugin.namespaces(),
            reads: context.links.reads(plugin),
            limits: &self.runtime.shared_data,
            dependent: context.sources.as_ref().map(|sources| Reads::noted_in(sources, context.tenant())),
            events: events(&self.runtime, plugin, context, &mut self.sql, &mut self.table),
        }
    }

    pub(crate) fn notifications(&mut self) -> NotificationsView<'_> {
        NotificationsView {
            kinds: self.plugin.notifies(),
            limits: &self.runtime.notifications,
            events: events(&self.runtime, &self.plugin, &self.context, &mut self.sql, &mut self.table),
        }
    }

    pub(crate) fn config(&mut self) -> ConfigView<'_> {
        ConfigView { context: &self.config }
    }

    pub(crate) fn keyvalue(&mut self) -> KeyvalueView<'_> {
        KeyvalueView { sql: &mut self.sql, limits: &self.runtime.keyvalue, table: &mut self.table }
    }

    pub(crate) fn logging(&mut self) -> LoggingView<'_> {
        LoggingView { console: self.console() }
    }

    fn console(&mut self) -> &Arc<Console> {
        let (runtime, plugin, identity) = (&self.runtime, &self.plugin, &self.context.identity);
        self.console.get_or_insert_with(|| {
            let (log, speaker) = (runtime.log.clone(), speaker(plugin.key(), identity));
            let listener = Box::new(move |line: Line<'_>| log.say(&speaker, line));
            Console::new(runtime.limits.console_bytes, runtime.limits.console_lines, listener)
        })
    }
}

/// The way into the outbox of the plugin's database.
fn events<'a>(
    runtime: &'a Runtime,
    plugin: &'a PreparedPlugin,
    context: &'a CallContext,
    sql: &'a mut SqlContext,
    table: &'a mut ResourceTable,
) -> EventsView<'a> {
    let identity = &context.identity;
    let call = EventsCall {
        tenant: &identity.tenant,
        plugin: &plugin.key().id,
        topics: plugin.topics(),
        correlation_id: &identity.correlation_id,
        hops: identity.hops,
    };
    EventsView { call, outboxes: &runtime.outboxes, usage: &runtime.usage, sql, table }
}

/// Who says what a call says.
pub(super) fn speaker(key: &PluginKey, identity: &Identity) -> Speaker {
    Speaker {
        plugin: key.id.clone(),
        version: key.version.clone(),
        tenant: identity.tenant.clone(),
        correlation: identity.correlation_id.clone(),
    }
}

fn wasi_http(limits: &LimitsConfig) -> WasiHttpCtx {
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(limits.header_bytes);
    http
}

impl Drop for CallState {
    /// What the plugin printed without ending its line is logged when its call is over, however it ended.
    fn drop(&mut self) {
        let Some(console) = &self.console else { return };
        let dropped_bytes = console.finish();
        if dropped_bytes > 0 {
            self.runtime.log.say_dropped(&speaker(self.plugin.key(), &self.context.identity), dropped_bytes);
        }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        fault::point("wasi");
        // The builder's defaults inherit nothing: no files, no environment, no network.
        let console = self.console().clone();
        let ctx = self.wasi.get_or_insert_with(|| {
            let mut builder = WasiCtx::builder();
            builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
            builder.max_random_size(self.runtime.limits.hostcall_bytes as u64);
            builder.stdout(console.stdout()).stderr(console.stderr());
            builder.build()
        });
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        fault::point("wasi:http");
        let hooks = self.outbound.get_or_insert_with(|| outbound(&self.runtime, &self.plugin, &self.context));
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks }
    }
}

/// What a call needs to ask hosts outside. It keeps back some of its time to answer when one of them takes too long.
fn outbound(runtime: &Runtime, plugin: &PreparedPlugin, context: &CallContext) -> OutboundContext {
    let (limits, identity) = (&runtime.limits, &context.identity);
    let caller = Caller {
        plugin: plugin.key().id.clone(),
        version: plugin.key().version.clone(),
        tenant: identity.tenant.clone(),
        correlation: identity.correlation_id.clone(),
        hosts: context.links.hosts(plugin),
        deadline: context.deadline_below(limits.hop_reserve_percent),
        room: Room::new("limits.outbound_requests", limits.outbound_requests),
        tenant_room: context.tenant().outbound.clone(),
        meter: runtime.usage.meter(&identity.tenant, &plugin.key().id),
        log: runtime.log.clone(),
    };
    OutboundContext::new(runtime.outbound.clone(), caller, limits.body_chunk_bytes)
}
