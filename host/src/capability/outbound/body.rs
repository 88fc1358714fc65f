//! The bodies of a request and of its answer: bounded in bytes, and the answer's in time.
//!
//! An answer's bytes count twice: as they come, and unpacked where the host unpacks them. Packed bytes are unpacked
//! [`STEP`] at a time, so that of a body a thousand times as large as it comes never more than a thousand steps' worth
//! is there, and the bound is met before the next. While the plugin takes nothing, nothing is taken from the host
//! outside.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use wasmtime_wasi_http::{Error, WasiBody};

use super::error::OutboundError;

/// Packed bytes unpacked at once.
const STEP: usize = 1 << 10;

/// A request's body, which ends with an error when it is larger than it may be.
pub struct RequestBody {
    pub body: WasiBody,
    pub limit: u64,
    pub left: u64,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(cx).map(|frame| {
            let length = match &frame {
                Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.len() as u64),
                _ => 0,
            };
            match self.left.checked_sub(length) {
                Some(left) => {
                    self.left = left;
                    frame
                }
                None => Some(Err(Error::HttpRequestBodySize(Some(self.limit)))),
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The time that an answer's body may take.
pub struct Patience {
    deadline: Pin<Box<Sleep>>,
    /// Between two pieces of it, if the plugin says so.
    between: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Patience {
    pub fn new(deadline: Instant, between: Option<Duration>) -> Self {
        let between = between.map(|between| (between, Box::pin(sleep(between))));
        Self { deadline: Box::pin(sleep_until(deadline)), between }
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let between = self.between.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready());
        self.deadline.as_mut().poll(cx).is_ready() || between
    }

    fn begin_again(&mut self) {
        if let Some((between, sleep)) = &mut self.between {
            sleep.as_mut().reset(Instant::now() + *between);
        }
    }
}

/// The body of an answer.
pub struct ResponseBody<T> {
    incoming: Incoming,
    patience: Patience,
    limit: u64,
    /// Of the bytes as they come.
    left: u64,
    unpacker: Option<Unpacker>,
    is_over: bool,
    /// Told of what goes wrong.
    tell: T,
}

impl<T: Fn(&OutboundError) + Unpin> ResponseBody<T> {
    pub fn new(incoming: Incoming, patience: Patience, limit: u64, unpacks: bool, tell: T) -> Self {
        let unpacker = unpacks.then(|| Unpacker::new(limit));
        Self { incoming, patience, limit, left: limit, unpacker, is_over: false, tell }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, OutboundError>> {
        loop {
            if let Some(unpacked) = self.unpacker.as_mut().map(Unpacker::step).transpose()?.flatten() {
                return Poll::Ready(Ok(Some(Frame::data(unpacked))));
            }
            let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Pending if self.patience.is_over(cx) => return Poll::Ready(Err(OutboundError::Timeout)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(frame) => frame.transpose().map_err(OutboundError::Incomplete)?,
            };
            self.patience.begin_again();
            let data = match frame.map(Frame::into_data) {
                Some(Ok(data)) => data,
                Some(Err(trailers)) => return Poll::Ready(Ok(Some(trailers))),
                None => {
                    self.is_over = true;
                    let last = self.unpacker.take().map(Unpacker::finish).transpose()?.flatten();
                    return Poll::Ready(Ok(last.map(Frame::data)));
                }
            };
            let left = self.left.checked_sub(data.len() as u64);
            self.left = left.ok_or(OutboundError::ResponseBody { limit: self.limit })?;
            match &mut self.unpacker {
                Some(unpacker) => unpacker.packed = data,
                None => return Poll::Ready(Ok(Some(Frame::data(data)))),
            }
        }
    }
}

impl<T: Fn(&OutboundError) + Unpin> Body for ResponseBody<T> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.next(cx).map(|frame| {
            let frame = frame.inspect_err(|error| {
                self.is_over = true;
                (self.tell)(error);
            });
            frame.map_err(|error| error.code()).transpose()
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || (self.unpacker.is_none() && self.incoming.is_end_stream())
    }
}

/// Unpacks gzip as it comes.
struct Unpacker {
    decoder: MultiGzDecoder<Vec<u8>>,
    packed: Bytes,
    begun: bool,
    limit: u64,
    /// Of the unpacked bytes.
    left: u64,
}

impl Unpacker {
    fn new(limit: u64) -> Self {
        let decoder = MultiGzDecoder::new(Vec::new());
        Self { decoder, packed: Bytes::new(), begun: false, limit, left: limit }
    }

    /// Unpacks until there is something, or nothing packed is left.
    fn step(&mut self) -> Result<Option<Bytes>, OutboundError> {
        while !self.packed.is_empty() {
            self.begun = true;
            let step = self.packed.split_to(STEP.min(self.packed.len()));
            self.decoder.write_all(&step).map_err(|_| OutboundError::Coding)?;
            if let Some(unpacked) = self.unpacked()? {
                return Ok(Some(unpacked));
            }
        }
        Ok(None)
    }

    /// The rest. A body of no bytes at all is none that was packed.
    fn finish(mut self) -> Result<Option<Bytes>, OutboundError> {
        if self.begun {
            self.decoder.try_finish().map_err(|_| OutboundError::Coding)?;
        }
        self.unpacked()
    }

    fn unpacked(&mut self) -> Result<Option<Bytes>, OutboundError> {
        let unpacked = Bytes::from(std::mem::take(self.decoder.get_mut()));
        let left = self.left.checked_sub(unpacked.len() as u64);
        self.left = left.ok_or(OutboundError::ResponseBody { limit: self.limit })?;
        Ok(Some(unpacked).filter(|unpacked| !unpacked.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn packed(content: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap().into()
    }

    fn unpack(pieces: impl IntoIterator<Item = Bytes>, limit: u64) -> Result<(Vec<u8>, usize), OutboundError> {
        let (mut unpacker, mut whole, mut largest) = (Unpacker::new(limit), Vec::new(), 0);
        for piece in pieces {
            unpacker.packed = piece;
            while let Some(unpacked) = unpacker.step()? {
                largest = largest.max(unpacked.len());
                whole.extend(unpacked);
            }
        }
        whole.extend(unpacker.finish()?.unwrap_or_default());
        Ok((whole, largest))
    }

    #[test]
    fn what_was_packed_comes_out_whatever_pieces_it_comes_in() {
        let content: Vec<u8> = (0..100_000_u32).flat_map(|number| number.to_le_bytes()).collect();
        let whole = packed(&content);
        for size in [1, 7, 1024, 100_000] {
            let pieces = whole.chunks(size).map(Bytes::copy_from_slice);
            assert!(unpack(pieces, 1 << 20).unwrap().0 == content, "pieces of {size}");
        }
        let twice = [packed(b"one "), packed(b"two")].concat().into();
        assert_eq!(unpack([twice], 100).unwrap().0, b"one two");
        assert_eq!(unpack([], 100).unwrap().0, b"");
    }

    #[test]
    fn a_bomb_ends_at_the_limit_and_is_never_there_as_a_whole() {
        let bomb = packed(&vec![0; 64 << 20]);
        assert!(bomb.len() < 80_000);
        assert!(
            matches!(unpack([bomb.clone()], 8 << 20), Err(OutboundError::ResponseBody { limit }) if limit == 8 << 20)
        );
        let (whole, largest) = unpack([bomb], 65 << 20).unwrap();
        assert_eq!(whole.len(), 64 << 20);
        assert!(largest < 2 << 20, "{largest}");
    }

    #[test]
    fn what_is_no_gzip_or_breaks_off_is_an_error() {
        let mut cut = packed(b"some content").to_vec();
        cut.truncate(cut.len() - 5);
        assert!(matches!(unpack([cut.into()], 100), Err(OutboundError::Coding)));
        assert!(matches!(unpack([Bytes::from_static(b"plain text, no gzip")], 100), Err(OutboundError::Coding)));
    }
}
