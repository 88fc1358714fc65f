//! One request, from its address to the body of its answer.
//!
//! Each has a connection of its own, which carries nothing else and is closed with the answer. Whatever a request
//! holds belongs to its future, its connection's task and its answer's body, and these belong to the call: when the
//! plugin lets go of them or the call ends, the connection is closed.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::{RequestOptions, WasiBody};

use super::body::{Patience, RequestBody, ResponseBody};
use super::connect::Wire;
use super::error::OutboundError;
use super::headers::{self, Unpacking};
use super::hosts;
use super::places::Places;
use super::target::{Target, shown};
use super::{Caller, Outbound, Transmission};
use crate::usage::Quota;

/// How much longer than its request a connection may live, so that the request ends for its own reason.
const GRACE: Duration = Duration::from_secs(1);

/// An answer whose head is there.
struct Answer {
    response: Response<Incoming>,
    unpacks: bool,
    /// The task that holds its connection. It is aborted when this is dropped.
    connection: JoinSet<()>,
}

impl Outbound {
    /// Sends a request, and gives the answer as soon as its head is there. What goes wrong, until the end of its body,
    /// is told here.
    pub(super) async fn send(
        self: Arc<Self>,
        caller: Arc<Caller>,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<(Response<WasiBody>, Transmission), OutboundError> {
        let host = shown(request.uri().authority().map_or("", |authority| authority.as_str()));
        let options = options.unwrap_or_default();
        let deadline = caller.deadline.min(std::time::Instant::now() + self.config.timeout()).into();
        let between = options.between_bytes_timeout;
        let asked = self.ask(&caller, request, &options, deadline).await;
        let Answer { response, unpacks, mut connection } = asked.inspect_err(|error| caller.tell(&host, error))?;
        let response = response.map(|incoming| {
            let tell = move |error: &OutboundError| caller.tell(&host, error);
            let patience = Patience::new(deadline, between);
            ResponseBody::new(incoming, patience, self.config.response_bytes, unpacks, tell).boxed_unsync()
        });
        let transmission = async move {
            connection.join_next().await;
            Ok(())
        };
        Ok((response, Box::new(transmission)))
    }

    async fn ask(
        &self,
        caller: &Caller,
        request: Request<WasiBody>,
        options: &RequestOptions,
        deadline: Instant,
    ) -> Result<Answer, OutboundError> {
        let (request, target, unpacking) = self.prepared(caller, request)?;
        let places = Places::take([&caller.room, &caller.tenant_room, &self.room])?;
        self.rates.take(&caller.tenant, &caller.plugin)?;
        caller.meter.take(Quota::OutboundRequests, 1).map_err(OutboundError::Quota)?;

        let (begun, connected) = (Instant::now(), self.connected(&target, &places));
        let wire = match timeout_at(sooner(deadline, options.connect_timeout), connected).await {
            Ok(wire) => wire?,
            Err(_late) => return Err(OutboundError::ConnectTimeout(begun.elapsed())),
        };
        let exchange = self.exchange(wire, request, places, deadline);
        let (mut response, connection) = match timeout_at(sooner(deadline, options.first_byte_timeout), exchange).await
        {
            Ok(answered) => answered?,
            Err(_late) => return Err(OutboundError::Timeout),
        };
        let has_body = !response.body().is_end_stream();
        let unpacks = has_body && unpacking == Unpacking::Gzip && is_gzip(response.headers());
        if unpacks {
            // They are about the body as it came.
            response.headers_mut().remove(CONTENT_ENCODING);
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        let limit = self.config.response_bytes;
        if response.body().size_hint().lower() > limit {
            return Err(OutboundError::ResponseBody { limit });
        }
        Ok(Answer { response, unpacks, connection })
    }

    /// The request as it is sent, if it may be.
    fn prepared(
        &self,
        caller: &Caller,
        request: Request<WasiBody>,
    ) -> Result<(Request<RequestBody>, Target, Unpacking), OutboundError> {
        let (mut parts, body) = request.into_parts();
        if matches!(parts.method, Method::CONNECT | Method::TRACE) {
            return Err(OutboundError::Method(parts.method));
        }
        let target = Target::of(&parts.uri)?;
        let allowed = hosts::allows(&caller.hosts, &target)?;
        let trace = allowed.trace.then_some(&caller.correlation);
        let unpacking = headers::to_host(&mut parts.headers, &target, trace)?;
        let limit = self.config.request_bytes;
        if content_length(&parts.headers).is_some_and(|length| length > limit) {
            return Err(OutboundError::RequestBody { limit });
        }
        // Only a proxy is told more than the path.
        parts.uri = path_of(&parts.uri);
        Ok((Request::from_parts(parts, RequestBody { body, limit, left: limit }), target, unpacking))
    }

    /// A connection to the host, after one lookup and a look at every address that it gave.
    async fn connected(&self, target: &Target, places: &Places) -> Result<Box<dyn Wire>, OutboundError> {
        let addresses = self.resolver.addresses(&target.host, places).await.map_err(OutboundError::Lookup)?;
        self.connector.check(target, &addresses)?;
        self.connector.connect(target, &addresses).await
    }

    /// Sends the request over this connection, which lives little longer than the deadline at most, whoever waits for
    /// what.
    async fn exchange(
        &self,
        wire: Box<dyn Wire>,
        request: Request<RequestBody>,
        places: Places,
        deadline: Instant,
    ) -> Result<(Response<Incoming>, JoinSet<()>), OutboundError> {
        let (header_bytes, request_bytes) = (self.config.header_bytes, self.config.request_bytes);
        let failed = |error| OutboundError::exchange(error, header_bytes, request_bytes);
        let mut builder = http1::Builder::new();
        let handshake = builder.max_buf_size(header_bytes).handshake(TokioIo::new(wire));
        let (mut sender, connection) = handshake.await.map_err(failed)?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // What goes wrong there is told to whoever waits for the answer or its body.
            let _ = timeout_at(deadline + GRACE, connection).await;
            drop(places);
        });
        Ok((sender.send_request(request).await.map_err(failed)?, task))
    }
}

fn sooner(deadline: Instant, wait: Option<Duration>) -> Instant {
    wait.and_then(|wait| Instant::now().checked_add(wait)).map_or(deadline, |end| end.min(deadline))
}

fn path_of(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned();
    path.map_or_else(Uri::default, Uri::from)
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let first = codings.next().is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"gzip"));
    first && codings.next().is_none()
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
