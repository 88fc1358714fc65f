//! A plugin whose imports are all accounted for, ready to be instantiated at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use semver::Version;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime_wasi::clocks::WasiClocks;
use wasmtime_wasi::p2::bindings as p2;
use wasmtime_wasi_http::p2::bindings::ProxyIndices;

use super::rules::Rules;
use super::shape::Budget;
use super::signature::{self, ExportedInterface, ImportedInterface, PrepareError};
use super::state::CallState;
use super::{deferred, forward};
use crate::capability::shared_data::Own;
use crate::capability::sql::PluginTables;
use crate::id::{InterfaceName, PluginId};

/// One version of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginKey {
    pub id: PluginId,
    pub version: Version,
}

impl fmt::Display for PluginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.version)
    }
}

/// What a plugin is made of.
pub struct PreparedParts<'a> {
    pub key: PluginKey,
    pub component: Component,
    pub tables: Arc<PluginTables>,
    /// What the endpoints that name a function say of it.
    pub rules: &'a dyn Fn(&InterfaceName, &str) -> Rules,
    /// What it may publish.
    pub topics: Vec<Box<str>>,
    /// Its namespaces of shared data.
    pub namespaces: Vec<Own>,
    /// The kinds of notifications that it may send.
    pub notifies: Vec<Box<str>>,
}

/// A plugin with its imports linked.
pub struct PreparedPlugin {
    key: PluginKey,
    serial: u64,
    pre: InstancePre<CallState>,
    proxy: Option<ProxyIndices>,
    tables: Arc<PluginTables>,
    topics: Vec<Box<str>>,
    namespaces: Vec<Own>,
    notifies: Vec<Box<str>>,
    exports: Vec<ExportedInterface>,
    imports: Vec<ImportedInterface>,
    capabilities: Vec<String>,
}

impl PreparedPlugin {
    /// Reads the component's types and links its imports: capabilities to the host, services to forwarders.
    ///
    /// # Errors
    ///
    /// [`PrepareError`] names the import, export or type that cannot be served.
    pub fn new(parts: PreparedParts<'_>) -> Result<Self, PrepareError> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let component = &parts.component;
        let mut budget = Budget::default();
        let exports = signature::exports(component, parts.rules, &mut budget)?;
        let signature::Imports { services, capabilities } = signature::imports(component, &mut budget)?;
        let linker = link(component, &services).map_err(|error| PrepareError::Link(format!("{error:#}")))?;
        let pre = linker.instantiate_pre(component).map_err(|error| PrepareError::Link(format!("{error:#}")))?;
        let proxy = if serves_http(component) {
            Some(ProxyIndices::new(&pre).map_err(|error| PrepareError::Link(format!("{error:#}")))?)
        } else {
            None
        };
        Ok(Self {
            key: parts.key,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            pre,
            proxy,
            tables: parts.tables,
            topics: parts.topics,
            namespaces: parts.namespaces,
            notifies: parts.notifies,
            exports,
            imports: services,
            capabilities,
        })
    }

    pub fn key(&self) -> &PluginKey {
        &self.key
    }

    pub fn exports(&self) -> &[ExportedInterface] {
        &self.exports
    }

    pub fn imports(&self) -> &[ImportedInterface] {
        &self.imports
    }

    /// The host's interfaces it imports, WASI included.
    pub fn capabilities(&self) -> &[String] {
        &self.capabilities
    }

    /// True when it has a `wasi:http` handler of its own.
    pub fn serves_http(&self) -> bool {
        self.proxy.is_some()
    }

    /// Its export of this interface, at a version that will do.
    pub fn export(&self, interface: &InterfaceName, version: impl Fn(&Version) -> bool) -> Option<&ExportedInterface> {
        self.exports.iter().find(|export| export.name.interface == *interface && version(&export.name.version))
    }

    /// Tells it from every other, also of the same version.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    pub(super) fn pre(&self) -> &InstancePre<CallState> {
        &self.pre
    }

    pub(super) fn proxy(&self) -> Option<&ProxyIndices> {
        self.proxy.as_ref()
    }

    /// The topics that it may publish.
    pub fn topics(&self) -> &[Box<str>] {
        &self.topics
    }

    /// Its namespaces of shared data.
    pub fn namespaces(&self) -> &[Own] {
        &self.namespaces
    }

    /// The kinds of notifications that it may send.
    pub fn notifies(&self) -> &[Box<str>] {
        &self.notifies
    }

    pub fn tables(&self) -> &Arc<PluginTables> {
        &self.tables
    }
}

impl Drop for PreparedPlugin {
    /// Neither a snapshot nor a call holds it any longer: its machine code goes with it.
    fn drop(&mut self) {
        tracing::debug!(plugin = %self.key, "plugin released");
    }
}

fn link(component: &Component, services: &[ImportedInterface]) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(component.engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    linker.allow_shadowing(true);
    p2::clocks::wall_clock::add_to_linker::<CallState, WasiClocks>(&mut linker, CallState::clocks)?;
    p2::clocks::monotonic_clock::add_to_linker::<CallState, WasiClocks>(&mut linker, CallState::clocks)?;
    linker.allow_shadowing(false);
    crate::capability::outbound::add_to_linker(&mut linker, CallState::header_bytes)?;
    crate::capability::context::add_to_linker(&mut linker, CallState::identity)?;
    crate::capability::sql::add_to_linker(&mut linker, CallState::sql)?;
    crate::capability::events::add_to_linker(&mut linker, CallState::events)?;
    crate::capability::shared_data::add_to_linker(&mut linker, CallState::shared_data)?;
    crate::capability::notifications::add_to_linker(&mut linker, CallState::notifications)?;
    crate::capability::config::add_to_linker(&mut linker, CallState::config)?;
    crate::capability::keyvalue::add_to_linker(&mut linker, CallState::keyvalue)?;
    crate::capability::logging::add_to_linker(&mut linker, CallState::logging)?;
    for (index, service) in services.iter().enumerate() {
        forward::add_to_linker(&mut linker, index, service)?;
        deferred::add_to_linker(&mut linker, index, service)?;
    }
    Ok(linker)
}

fn serves_http(component: &Component) -> bool {
    let engine = component.engine();
    component.component_type().exports(engine).any(|(name, _)| name.starts_with("wasi:http/incoming-handler@0.2"))
}
