//! The socket of a connection, with a bound on how far its client may fall behind, and a close that does not lose
//! the answer.
//!
//! The system throws an answer away when a socket is closed while bytes lie in it that nobody read, such as
//! the rest of a body that is too large. So the way out is closed first, and what still comes in is read and
//! dropped until the client closes too, for `linger` at most.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::drain::Draining;
use super::places::Peer;
use crate::config::HttpConfig;

pub struct Stream {
    socket: TcpStream,
    peer: Arc<Peer>,
    draining: Draining,
    /// How far the client may be behind with what there is for it, and what it is to take to keep up.
    write_timeout: Duration,
    bytes_per_s_min: u64,
    /// Runs from when the socket takes nothing more until it has taken everything.
    blocked: Option<Pin<Box<Sleep>>>,
    /// How long the client may take to close after us.
    linger: Duration,
    closing: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub fn new(socket: TcpStream, peer: Arc<Peer>, draining: Draining, config: &HttpConfig) -> Self {
        let (write_timeout, bytes_per_s_min) = (config.write_timeout(), config.write_bytes_per_s_min);
        let linger = config.linger();
        Self { socket, peer, draining, write_timeout, bytes_per_s_min, blocked: None, linger, closing: None }
    }

    /// Passes the socket's word on, unless its client is too far behind.
    fn bounded(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(wrote) = wrote {
            if self.blocked.is_some() {
                self.peer.set_blocked(false);
                self.peer.pace().took(*wrote.as_ref().unwrap_or(&0), self.bytes_per_s_min);
            }
            return Poll::Ready(wrote);
        }
        self.peer.pace().ready();
        self.peer.set_blocked(true);
        let timeout = self.write_timeout;
        let blocked = self.blocked.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        loop {
            ready!(blocked.as_mut().poll(cx));
            let left = timeout.saturating_sub(self.peer.pace().behind());
            if left.is_zero() {
                break;
            }
            // It took something meanwhile.
            blocked.as_mut().reset(Instant::now() + left);
        }
        let message = format!(
            "the client is {} ms behind with its answer, at {} bytes a second",
            timeout.as_millis(),
            self.bytes_per_s_min
        );
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, message)))
    }

    /// Reads and drops until the client has closed, or long enough.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        /// Read at one go, lest a flood keep the thread.
        const READS: usize = 16;

        let mut scratch = [0; 16 * 1024];
        for _ in 0..READS {
            let mut dropped = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.socket).poll_read(cx, &mut dropped) {
                Poll::Ready(Ok(())) if !dropped.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                // Whoever stops has no time for clients that may say more.
                Poll::Pending if self.draining.begun() => return Poll::Ready(()),
                Poll::Pending => return self.poll_closing(cx),
            }
        }
        cx.waker().wake_by_ref();
        self.poll_closing(cx)
    }

    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger;
        self.closing.get_or_insert_with(|| Box::pin(tokio::time::sleep(linger))).as_mut().poll(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.bounded(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.bounded(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has written all it had.
        if self.blocked.take().is_some() {
            self.peer.pace().done();
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        }
        self.poll_linger(cx).map(Ok)
    }
}
