//! `wasi:http/outgoing-handler`: requests to hosts outside, to those that the manifest asks for and an operator granted.
//!
//! In the order in which a request passes them: [`target`] reads its address in the one way it can be read, [`hosts`]
//! says whether the plugin may go there, [`headers`] what its head says, [`places`] how many there may be. Then the
//! name is looked up once ([`resolve`], [`dns`]), every address it has is looked at ([`address`]), and one of these
//! very addresses is connected to ([`connect`]). [`send`] carries the request, and [`body`] bounds what it carries.
//!
//! A redirect is an answer like another. Whoever follows it makes a new request, which passes all of this anew.
//!
//! What a plugin builds before it asks lies in the host's memory and not in its own, so each part of it is bounded
//! here.

mod address;
mod body;
mod connect;
pub(super) mod dns;
pub(super) mod error;
mod headers;
mod hosts;
mod places;
mod resolve;
mod send;
mod target;

use std::sync::Arc;
use std::time::Instant;

use semver::Version;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest as _, Method};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, WasiHttpView};

pub use self::hosts::{AskedHost, AskedPort, USUAL_PORT, grant_value};
pub use self::places::Room;

use self::connect::Connector;
use self::error::OutboundError;
use self::places::Rates;
use self::resolve::Resolver;
use crate::config::OutboundConfig;
use crate::id::{CorrelationId, PluginId, TenantId};
use crate::log::TenantLog;
use crate::tls;
use crate::usage::Meter;

/// What all requests to hosts outside share.
pub struct Outbound {
    config: OutboundConfig,
    resolver: Resolver,
    connector: Connector,
    room: Room,
    rates: Rates,
}

impl Outbound {
    /// # Errors
    ///
    /// When the file of certificates cannot be read, or the name server is none; in words.
    pub fn new(config: &OutboundConfig) -> Result<Arc<Self>, String> {
        let server = config.dns_server().map_err(|error| format!("outbound.resolver: {error}"))?;
        let vouching = tls::of_file(&config.ca_file).map_err(|error| format!("outbound.ca_file: {error}"))?;
        let openings = config.allow_private_networks.clone();
        if !openings.is_empty() {
            let open: Vec<String> = openings.iter().map(ToString::to_string).collect();
            tracing::warn!(open = open.join(", "), "plugins may reach what is not on the internet, if it is granted");
        }
        Ok(Arc::new(Self {
            resolver: Resolver::new(server),
            connector: Connector::new(openings, config.connect_timeout(), vouching),
            room: Room::new("outbound.requests", config.requests),
            rates: Rates::new(config),
            config: config.clone(),
        }))
    }
}

/// Whose requests they are: one call of one plugin.
pub struct Caller {
    pub plugin: PluginId,
    pub version: Version,
    pub tenant: TenantId,
    pub correlation: CorrelationId,
    /// What the plugin asks for, and what of it it was granted.
    pub hosts: Arc<[AskedHost]>,
    /// When the call has to have its answers.
    pub deadline: Instant,
    /// Places of the call, and of the tenant.
    pub room: Room,
    pub tenant_room: Room,
    pub meter: Arc<Meter>,
    pub log: Arc<TenantLog>,
}

impl Caller {
    /// Writes down why a request came to nothing. The host's name is the plugin's word.
    fn tell(&self, host: &str, error: &OutboundError) {
        let reason = error.to_string();
        if self.log.admits(&self.tenant, host.len() + reason.len()) {
            tracing::warn!(
                plugin = %format_args!("{} {}", self.plugin, self.version),
                tenant = %self.tenant,
                correlation = %self.correlation,
                host,
                reason,
                "a request to a host outside came to nothing"
            );
        }
    }
}

/// The capability's state in a store.
pub struct OutboundContext {
    outbound: Arc<Outbound>,
    caller: Arc<Caller>,
    /// What is kept of a body that a plugin writes until it is sent on.
    body_chunk_bytes: usize,
}

impl OutboundContext {
    pub fn new(outbound: Arc<Outbound>, caller: Caller, body_chunk_bytes: usize) -> Self {
        Self { outbound, caller: Arc::new(caller), body_chunk_bytes }
    }
}

type Transmission = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Transmission), Error>> + Send>;

impl WasiHttpHooks for OutboundContext {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _transmission: Transmission,
    ) -> Sending {
        crate::fault::point("wasi:http/outgoing-handler.handle");
        let sent = self.outbound.clone().send(self.caller.clone(), request, options);
        Box::new(async { sent.await.map_err(|error| error.code()) })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        self.body_chunk_bytes
    }
}

/// Adds `wasi:http`, with a bound on what the standard implementation keeps of any length: a request's method and
/// authority. Longer ones are refused as those are that do not parse.
pub fn add_to_linker<T: WasiHttpView + Send + 'static>(
    linker: &mut Linker<T>,
    limit_bytes: fn(&T) -> usize,
) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    let mut types = linker.instance("wasi:http/types@0.2.12")?;
    type Request = Resource<HostOutgoingRequest>;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        move |mut store, (request, method): (Request, Method)| {
            let long = matches!(&method, Method::Other(name) if name.len() > limit_bytes(store.data()));
            let set = if long { Err(()) } else { store.data_mut().http().set_method(request, method)? };
            Ok((set,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        move |mut store, (request, authority): (Request, Option<String>)| {
            let long = authority.as_ref().is_some_and(|authority| authority.len() > limit_bytes(store.data()));
            let set = if long { Err(()) } else { store.data_mut().http().set_authority(request, authority)? };
            Ok((set,))
        },
    )?;
    // The standard implementation knows only errors of the connection here, not those that its bodies end with.
    types.func_wrap("http-error-code", |mut store, (error,): (Resource<wasmtime::Error>,)| {
        let code = store.data_mut().http().table.get(&error)?.downcast_ref::<Error>().and_then(error::body_code);
        Ok((code,))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}
