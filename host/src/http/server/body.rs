//! A request's body that must arrive in time.
//!
//! The time runs from the first read that has to wait, so it bounds how long a client can hold up whoever
//! reads the body, however slowly the bytes drip in. A body that is already there costs no timer.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::places::{Late, Peer};

/// The request's body did not arrive in time. To the client this is 408.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request body did not arrive within {} ms", .0.as_millis())]
pub struct BodyTimeout(pub Duration);

impl BodyTimeout {
    /// Whether this is what lies at the bottom of an error that reading a body gave.
    pub fn caused(error: &(dyn Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<Self>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// Bounds the time `incoming` may take, and tells the connection's place when it is waited for.
pub(super) fn timed(incoming: Incoming, timeout: Duration, peer: &Arc<Peer>) -> Body {
    if incoming.is_end_stream() {
        return Body::empty();
    }
    Body::new(Timed { incoming, timeout, deadline: None, peer: peer.clone(), late: None })
}

struct Timed {
    incoming: Incoming,
    timeout: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    peer: Arc<Peer>,
    late: Option<Late>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            self.late = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        if self.late.is_none() {
            self.late = Some(self.peer.late());
        }
        let timeout = self.timeout;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        deadline.as_mut().poll(cx).map(|()| Some(Err(BodyTimeout(timeout).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
