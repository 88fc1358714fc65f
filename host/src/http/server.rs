//! Accepts connections and serves the router on them, HTTP/1.1 and HTTP/2 without TLS on one port.
//!
//! Every wait for a client is bounded by [`HttpConfig`]: for the first request, for headers, for a body, for the
//! next request, for a ping's answer, for room to write, for its close. So is what it can hold: connections,
//! streams, header bytes. When all places are taken, connections that wait for their clients give theirs up
//! ([`places`]). When answers that lie ready take all of their room, clients that are behind do ([`room`]). No
//! connection outlives [`serve`].

mod answer;
mod attend;
mod body;
mod connection;
mod drain;
mod pace;
mod places;
mod room;
mod stream;
mod waits;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::FutureExt;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub use self::body::BodyTimeout;
use self::connection::connection;
pub use self::drain::Draining;
use self::places::{Place, Places};
use self::room::Room;
pub use self::room::{Full, Lasting, Owner};
use self::waits::Streams;
use crate::config::HttpConfig;

/// How [`serve`] came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every request under way was answered.
    Finished,
    /// The grace ran out, and these connections were cut off.
    Cut { connections: usize },
}

/// What a host is told about its own end.
pub struct Stop<S, N> {
    /// Ready when it is to stop in order.
    pub stop: S,
    /// Ready when it is to stop at once.
    pub now: N,
}

/// Serves `router` until `stop` is ready. Then, in order: `draining` is told, and the answers close their HTTP/1
/// connections; after `drain_ms` nothing more is accepted; requests under way may finish for
/// `shutdown_grace_ms`; what is left is cut off.
///
/// The router finds the client's address as `ConnectInfo<SocketAddr>` in the request's extensions. A body
/// that arrives too slowly ends in an error that [`BodyTimeout::caused`] recognises. Dropping the future cuts off
/// every connection.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &HttpConfig,
    draining: Draining,
    stop: Stop<impl Future<Output = ()>, impl Future<Output = ()>>,
) -> Drained {
    let (builder, room) = (builder(config), Room::new(config));
    let server = Arc::new(Server { builder, router, config: config.clone(), draining, room });
    let places = Places::new(config.connections_max, config.wait_min());
    let (phase, _) = watch::channel(Phase::Serving);
    let (mut shutdown, mut now) = (pin!(closing(stop.stop, &server)), pin!(stop.now));
    let at_once = loop {
        let (stream, peer, place) = tokio::select! {
            biased;
            () = &mut now => break true,
            () = &mut shutdown => break false,
            accepted = accept(&listener, &places) => accepted,
        };
        spawn(&server, stream, peer, place, &phase);
    };
    for (stream, peer) in last(listener) {
        if let Some(place) = places.take().now_or_never() {
            spawn(&server, stream, peer, place, &phase);
        }
    }
    let grace = if at_once { Duration::ZERO } else { config.shutdown_grace() };
    drain(phase, grace, async { if at_once { std::future::pending().await } else { now.await } }).await
}

/// Those whose handshake the system has answered already. Whoever comes after them is refused by the system.
fn last(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    // Asked directly, because the executor may not have heard of them yet.
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let accepted = std::iter::from_fn(|| listener.accept().ok());
    let streams = accepted.filter_map(|(stream, peer)| {
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
    });
    streams.collect()
}

/// Waits for the order to stop, says so, and keeps the door open for as long as others need to hear of it.
async fn closing(stop: impl Future<Output = ()>, server: &Server) {
    stop.await;
    server.draining.begin();
    tokio::time::sleep(server.config.drain()).await;
}

fn spawn(server: &Arc<Server>, stream: TcpStream, peer: SocketAddr, place: Place, phase: &watch::Sender<Phase>) {
    let (server, phase) = (server.clone(), phase.subscribe());
    tokio::spawn(async move { connection(&server, stream, peer, &place, phase).await });
}

/// What all connections share.
struct Server {
    builder: auto::Builder<Streams>,
    router: Router,
    config: HttpConfig,
    draining: Draining,
    room: Arc<Room>,
}

/// What the server asks of its connections.
#[derive(Clone, Copy)]
enum Phase {
    Serving,
    Draining,
    Cut,
}

fn builder(config: &HttpConfig) -> auto::Builder<Streams> {
    /// What hyper counts without being told, and then on the stack instead of the heap.
    const HEADERS_BUILT_IN: usize = 100;

    let mut builder = auto::Builder::new(Streams);
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
        .max_send_buf_size(config.http2_send_buffer_bytes.min(u32::MAX as usize))
        .max_pending_accept_reset_streams(config.http2_pending_resets_max)
        .keep_alive_interval(config.http2_ping_interval())
        .keep_alive_timeout(config.http2_ping_timeout());
    builder
}

/// Waits for a connection, then for a place. When the system has no descriptor or memory left it tries
/// again at growing intervals, because asking at once would only burn a core.
async fn accept(listener: &TcpListener, places: &Arc<Places>) -> (TcpStream, SocketAddr, Place) {
    const PAUSE_MIN: Duration = Duration::from_millis(10);
    const PAUSE_MAX: Duration = Duration::from_secs(1);

    let mut pause = PAUSE_MIN;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, places.take().await),
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

async fn drain(phase: watch::Sender<Phase>, grace: Duration, now: impl Future<Output = ()>) -> Drained {
    phase.send_replace(Phase::Draining);
    let grace_over = async {
        tokio::select! {
            () = tokio::time::sleep(grace) => {}
            () = now => {}
        }
    };
    tokio::select! {
        biased;
        () = phase.closed() => return Drained::Finished,
        () = grace_over => {}
    }
    let connections = phase.receiver_count();
    tracing::warn!(connections, "requests did not finish in time; their connections are cut off");
    phase.send_replace(Phase::Cut);
    phase.closed().await;
    Drained::Cut { connections }
}

#[cfg(test)]
mod tests;
