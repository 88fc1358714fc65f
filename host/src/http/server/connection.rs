//! One connection, from its place to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use http::header::CONNECTION;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::answer::{AnswerBody, Streamed};
use super::attend::{Verdict, Watch};
use super::body;
use super::places::{Peer, Place, UnderWay};
use super::room::{Full, Lasting, Owner, Room};
use super::stream::Stream;
use super::waits::{Taker, Waits};
use super::{Phase, Server};
use crate::http::envelope::ApiError;
use crate::http::identity::CORRELATION;

/// Serves it until it ends, is closed, or the server is done.
pub(super) async fn connection(
    server: &Server,
    stream: TcpStream,
    address: SocketAddr,
    place: &Place,
    mut phase: watch::Receiver<Phase>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%address, %error, "cannot switch off Nagle's algorithm");
    }
    let (config, peer) = (&server.config, place.peer());
    let stream = Stream::new(stream, peer.clone(), server.draining.clone(), config);
    let waits = Arc::new(Waits::new());
    let requests = Requests { server, address, peer, waits: &waits };
    let mut connection = pin!(server.builder.serve_connection(TokioIo::new(stream), requests));
    let mut watch = Watch::new(config);
    let mut check = pin!(sleep(watch.next));
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%address, %error, "connection ended early");
                }
                return;
            }
            () = check.as_mut(), if !watch.over => {
                match watch.look(config, peer, &waits) {
                    Verdict::Serve => {}
                    Verdict::Finish => connection.as_mut().graceful_shutdown(),
                    Verdict::Close(why) => return tracing::debug!(%address, why, "connection closed"),
                }
                check.as_mut().reset(Instant::now() + watch.next);
            }
            () = peer.asked_to_give_up() => {
                if peer.ended() {
                    return tracing::debug!(%address, "connection closed: its answer's room is needed, and its client is behind");
                }
                if place.gives_up() {
                    return tracing::debug!(%address, "connection closed: its place is needed, and it waited for its client");
                }
            }
            changed = phase.changed() => match changed.map(|()| *phase.borrow_and_update()) {
                Ok(Phase::Serving) => {}
                // One that was just accepted gets the time to say what it came for.
                Ok(Phase::Draining) if !peer.requested() => {
                    watch.last_chance(config);
                    check.as_mut().reset(Instant::now() + watch.next);
                }
                Ok(Phase::Draining) => connection.as_mut().graceful_shutdown(),
                // An error says that `serve` itself was dropped.
                Ok(Phase::Cut) | Err(_) => return,
            }
        }
    }
}

/// The requests of one connection, handed to the router.
struct Requests<'a> {
    server: &'a Server,
    address: SocketAddr,
    peer: &'a Arc<Peer>,
    waits: &'a Arc<Waits>,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, Infallible>> + Send>>;

impl hyper::service::Service<Request<Incoming>> for Requests<'_> {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let under_way = self.peer.begin();
        let waits = (request.version() == Version::HTTP_2).then(|| self.waits.clone());
        if let Some(waits) = &waits {
            waits.use_them();
        }
        request.extensions_mut().insert(ConnectInfo(self.address));
        let timeout = self.server.config.request_body_timeout();
        // A router is always ready, and its clone is a reference count.
        let answer = self.server.router.clone().call(request.map(|body| body::timed(body, timeout, self.peer)));
        let (room, bytes_per_s_min) = (self.server.room.clone(), self.server.config.write_bytes_per_s_min);
        Box::pin(async move { Ok(hold(answer.await?, under_way, waits.as_deref(), &room, bytes_per_s_min)) })
    }
}

/// Takes room for an answer, or puts a refusal in its place.
fn hold(
    mut answer: Response<Body>,
    under_way: UnderWay,
    waits: Option<&Waits>,
    room: &Arc<Room>,
    bytes_per_s_min: u64,
) -> Response<AnswerBody> {
    if answer.body().is_end_stream() {
        return answer.map(|body| AnswerBody::new(body, under_way, None, None));
    }
    let owner = answer.extensions_mut().remove::<Owner>();
    let wait = waits.map(|waits| waits.add(under_way.peer()));
    let taker = match &wait {
        Some(wait) => Taker::Stream(wait.clone()),
        None => Taker::Connection(under_way.peer().clone()),
    };
    let lasting = answer.extensions_mut().remove::<Lasting>().map(|lasting| lasting.bytes as u64);
    let bytes = answer.body().size_hint().exact().or(lasting);
    let (answer, held) = match room.take(owner, bytes, taker) {
        Ok(held) => (answer, Some(held)),
        Err(full) => (refused(&answer, full), None),
    };
    let streamed = wait.map(|wait| Streamed::new(wait, bytes_per_s_min));
    answer.map(|body| AnswerBody::new(body, under_way, held, streamed))
}

/// What is said instead of an answer that found no room.
fn refused(answer: &Response<Body>, full: Full) -> Response<Body> {
    let mut refused = ApiError::from(full).into_response();
    for name in [CORRELATION, CONNECTION] {
        if let Some(value) = answer.headers().get(&name) {
            refused.headers_mut().insert(name, value.clone());
        }
    }
    refused
}
