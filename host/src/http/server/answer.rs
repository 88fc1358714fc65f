//! The body of an answer on its way to the client.
//!
//! While it lives, its request counts as under way. Its bytes hold their part of the room for answers until the last
//! of them is dropped, by whoever wrote it to the socket or gave it up. On HTTP/2 the body is also cut into pieces,
//! and its pace is kept here; over HTTP/1 the socket keeps it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::places::UnderWay;
use super::room::Held;
use super::waits::Wait;

/// A body, its request, and what it holds.
pub struct AnswerBody {
    body: Body,
    held: Option<Arc<Held>>,
    streamed: Option<Streamed>,
    // Last, so that the request is under way for as long as it may count as stalled.
    under_way: UnderWay,
}

/// An answer on one stream of an HTTP/2 connection.
pub struct Streamed {
    wait: Arc<Wait>,
    bytes_per_s_min: u64,
    /// What was taken from the body and is too large for one piece.
    rest: Bytes,
    stalled: bool,
}

impl AnswerBody {
    pub fn new(body: Body, under_way: UnderWay, held: Option<Held>, streamed: Option<Streamed>) -> Self {
        if streamed.is_some() {
            under_way.peer().set_stalled(true);
        }
        Self { body, held: held.map(Arc::new), streamed, under_way }
    }

    /// The client has something to take, or took all there was.
    fn set_stalled(&mut self, stalled: bool) {
        let Some(streamed) = &mut self.streamed else { return };
        let peer = self.under_way.peer();
        match stalled {
            _ if streamed.stalled != stalled => peer.set_stalled(stalled),
            true => peer.moved(),
            false => {}
        }
        streamed.stalled = stalled;
    }
}

impl Streamed {
    /// To be given to [`AnswerBody::new`].
    pub fn new(wait: Arc<Wait>, bytes_per_s_min: u64) -> Self {
        wait.pace.ready();
        Self { wait, bytes_per_s_min, rest: Bytes::new(), stalled: true }
    }

    /// One piece, so that what the client does not take stays with us and not in HTTP/2's own buffer.
    fn piece(&mut self, mut data: Bytes) -> Bytes {
        const PIECE_BYTES: usize = 16 * 1024;

        if data.len() > PIECE_BYTES {
            self.rest = data.split_off(PIECE_BYTES);
        }
        // It is asked for when the one before has been taken.
        self.wait.pace.ready();
        self.wait.pace.took(data.len(), self.bytes_per_s_min);
        data
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.set_stalled(false);
        if let Some(streamed) = &self.streamed {
            // The pace goes on for what lies in HTTP/2's buffer.
            streamed.wait.handed_over();
        }
    }
}

/// Bytes that hold room until nobody has them any more.
struct Holding {
    bytes: Bytes,
    _held: Arc<Held>,
}

impl AsRef<[u8]> for Holding {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if let Some(streamed) = &mut this.streamed
            && !streamed.rest.is_empty()
        {
            let rest = std::mem::take(&mut streamed.rest);
            let piece = streamed.piece(rest);
            this.set_stalled(true);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            // From here on the client waits for us.
            if let Some(streamed) = &this.streamed {
                streamed.wait.pace.done();
            }
            this.set_stalled(false);
            return Poll::Pending;
        };
        this.set_stalled(true);
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| match frame.into_data() {
                Ok(bytes) => {
                    let bytes = match &this.held {
                        Some(held) => Bytes::from_owner(Holding { bytes, _held: held.clone() }),
                        None => bytes,
                    };
                    match &mut this.streamed {
                        Some(streamed) => Frame::data(streamed.piece(bytes)),
                        None => Frame::data(bytes),
                    }
                }
                Err(other) => other,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.streamed.as_ref().is_none_or(|streamed| streamed.rest.is_empty()) && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.streamed.as_ref().map_or(0, |streamed| streamed.rest.len() as u64);
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
