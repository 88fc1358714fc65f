//! Accepts connections and serves the router on them, HTTP/1.1 and HTTP/2 without TLS on one port.
//!
//! Every wait for what a client sends is bounded by [`HttpConfig`]: for the first request, for headers, for a
//! body, for a ping's answer. A client that does not read its answer is bounded only by the number of
//! connections. So is what it can hold: connections, streams, header bytes. One connection more than
//! allowed is not accepted, it waits in the system's queue. No connection outlives [`serve`].

mod body;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::future::RouteFuture;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service;

pub use self::body::BodyTimeout;
use crate::config::HttpConfig;

/// How [`serve`] came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every request under way was answered.
    Finished,
    /// The grace ran out, and these connections were cut off.
    Cut { connections: usize },
}

/// Serves `router` until `shutdown` is ready; then accepts nothing more, lets requests under way finish for
/// `shutdown_grace_ms`, and cuts off what is left.
///
/// The router finds the client's address as `ConnectInfo<SocketAddr>` in the request's extensions. A body
/// that arrives too slowly ends in an error that [`BodyTimeout::caused`] recognises. Dropping the future cuts off
/// every connection.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &HttpConfig,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let server = Arc::new(Server {
        builder: builder(config),
        router,
        first_request_timeout: config.header_read_timeout(),
        body_timeout: config.request_body_timeout(),
    });
    let slots = Arc::new(Semaphore::new(config.connections_max));
    let (phase, _) = watch::channel(Phase::Serving);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        // The semaphore is never closed; were it, nothing more could be accepted.
        let Ok((stream, peer, slot)) = accepted else { break };
        let (server, phase) = (server.clone(), phase.subscribe());
        tokio::spawn(async move {
            connection(&server, stream, peer, phase).await;
            drop(slot);
        });
    }
    drop(listener);
    drain(phase, config.shutdown_grace()).await
}

/// What all connections share.
struct Server {
    builder: auto::Builder<TokioExecutor>,
    router: Router,
    first_request_timeout: Duration,
    body_timeout: Duration,
}

/// What the server asks of its connections.
#[derive(Clone, Copy)]
enum Phase {
    Serving,
    Draining,
    Cut,
}

fn builder(config: &HttpConfig) -> auto::Builder<TokioExecutor> {
    /// What hyper counts without being told, and then on the stack instead of the heap.
    const HEADERS_BUILT_IN: usize = 100;

    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(config.header_read_timeout()).max_buf_size(config.header_bytes);
    if config.headers_max != HEADERS_BUILT_IN {
        http1.max_headers(config.headers_max);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.http2_streams_max)
        .max_header_list_size(u32::try_from(config.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(config.http2_pending_resets_max)
        .keep_alive_interval(config.http2_ping_interval())
        .keep_alive_timeout(config.http2_ping_timeout());
    builder
}

/// Waits for a free slot, then for a connection. When the system has no descriptor or memory left it tries
/// again at growing intervals, because asking at once would only burn a core.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Result<(TcpStream, SocketAddr, OwnedSemaphorePermit), AcquireError> {
    const PAUSE_MIN: Duration = Duration::from_millis(10);
    const PAUSE_MAX: Duration = Duration::from_secs(1);

    let slot = slots.clone().acquire_owned().await?;
    let mut pause = PAUSE_MIN;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Ok((stream, peer, slot)),
            Err(error) if is_the_clients_doing(&error) => {}
            Err(error) => {
                tracing::warn!(%error, ?pause, "cannot accept a connection; trying again after a pause");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// It went away between its handshake and our accept.
fn is_the_clients_doing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(server: &Server, stream: TcpStream, peer: SocketAddr, mut phase: watch::Receiver<Phase>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot switch off Nagle's algorithm");
    }
    let requested = AtomicBool::new(false);
    let requests = Requests { server, peer, requested: &requested };
    let mut connection = pin!(server.builder.serve_connection(TokioIo::new(stream), requests));
    // hyper starts its own header timer only once it knows the version, and has none for HTTP/2. Until the
    // first request is there, this one stands in.
    let mut first_request = pin!(tokio::time::sleep(server.first_request_timeout));
    let mut watching = true;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "connection ended early");
                }
                return;
            }
            () = first_request.as_mut(), if watching => {
                if !requested.load(Ordering::Relaxed) {
                    tracing::debug!(%peer, "connection closed: it sent no request in time");
                    return;
                }
                watching = false;
            }
            changed = phase.changed() => match changed.map(|()| *phase.borrow_and_update()) {
                Ok(Phase::Serving) => {}
                Ok(Phase::Draining) => connection.as_mut().graceful_shutdown(),
                // An error says that `serve` itself was dropped.
                Ok(Phase::Cut) | Err(_) => return,
            }
        }
    }
}

async fn drain(phase: watch::Sender<Phase>, grace: Duration) -> Drained {
    phase.send_replace(Phase::Draining);
    if tokio::time::timeout(grace, phase.closed()).await.is_ok() {
        return Drained::Finished;
    }
    let connections = phase.receiver_count();
    tracing::warn!(connections, ?grace, "requests did not finish in time; their connections are cut off");
    phase.send_replace(Phase::Cut);
    phase.closed().await;
    Drained::Cut { connections }
}

/// The requests of one connection, handed to the router.
struct Requests<'a> {
    server: &'a Server,
    peer: SocketAddr,
    /// Whether a request has arrived.
    requested: &'a AtomicBool,
}

impl hyper::service::Service<Request<Incoming>> for Requests<'_> {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.requested.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        // A router is always ready, and its clone is a reference count.
        self.server.router.clone().call(request.map(|body| body::timed(body, self.server.body_timeout)))
    }
}

#[cfg(test)]
mod tests;
