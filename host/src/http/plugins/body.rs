//! The body of a request, unpacked.
//!
//! `http.body_bytes` bounds what comes in and what comes out of decompression alike. It is counted while both
//! happen, so ten megabytes that unfold to ten gigabytes cost what the limit costs. What all bodies take together
//! is bounded by `http.bodies_bytes`: clients that begin many and finish none do not fill the memory.

use std::io::{self, Write};
use std::sync::Arc;

use axum::body::Body as Incoming;
use bytes::{Bytes, BytesMut};
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::envelope::ApiError;
use crate::http::server::BodyTimeout;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    /// In a zlib wrapper, as RFC 9110 has it.
    Deflate,
}

/// A body that was read, and what it takes of the room for all of them.
pub struct Body {
    pub bytes: Bytes,
    pub held: Held,
}

impl Body {
    pub fn none(room: &Arc<Semaphore>) -> Self {
        Self { bytes: Bytes::new(), held: Held::new(room) }
    }
}

/// A part of `http.bodies_bytes`, counted in KiB, until it is dropped.
pub struct Held {
    room: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    fn new(room: &Arc<Semaphore>) -> Self {
        Self { room: room.clone(), permit: None }
    }

    /// Makes it enough for so many bytes.
    fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(1024).saturating_sub(held);
        if more == 0 {
            return Ok(());
        }
        let more = self.room.clone().try_acquire_many_owned(u32::try_from(more).unwrap_or(u32::MAX));
        let more = more.map_err(|_| {
            let message = "the host reads as much as it can hold (http.bodies_bytes); try again";
            let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
            error.with_header(RETRY_AFTER, HeaderValue::from_static("1"))
        })?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

/// Reads the whole body and unpacks it. The headers then speak of what was read.
///
/// # Errors
///
/// 413 when it is larger than the limit, packed or unpacked; 408 when it does not come in time; 415 for a coding
/// that is not taken; 400 for one that is broken; 503 when all bodies together take all of `room`.
pub async fn read(
    headers: &mut HeaderMap,
    body: Incoming,
    limit: usize,
    room: &Arc<Semaphore>,
) -> Result<Body, ApiError> {
    let coding = coding(headers)?;
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let (body, mut held) = (Limited::new(body, limit), Held::new(room));
    let bytes = match coding {
        None => collect(body, limit, &mut held).await?,
        Some(coding) => {
            let unpacked = unpack(coding, body, limit, &mut held).await?;
            headers.remove(CONTENT_ENCODING);
            if headers.contains_key(CONTENT_LENGTH) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(unpacked.len()));
            }
            unpacked
        }
    };
    Ok(Body { bytes, held })
}

/// As it comes; a body in one piece is not copied.
async fn collect(mut body: Limited<Incoming>, limit: usize, held: &mut Held) -> Result<Bytes, ApiError> {
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| unread(&*error, limit))?.into_data() else { continue };
        held.grow(first.len() + all.len() + data.len())?;
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        all.extend_from_slice(&std::mem::take(&mut first));
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// The one coding of a body, if it has any.
pub fn coding(headers: &HeaderMap) -> Result<Option<Coding>, ApiError> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let (Some(value), others) = (values.next(), values.next()) else { return Ok(None) };
    let name = value.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    match (name.as_str(), others) {
        ("identity", None) => Ok(None),
        ("gzip" | "x-gzip", None) => Ok(Some(Coding::Gzip)),
        ("deflate", None) => Ok(Some(Coding::Deflate)),
        _ => {
            let message = "a body may be packed once, with Content-Encoding gzip or deflate; send it so, or as it is";
            let error = ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message);
            Err(error.with_header(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate")))
        }
    }
}

async fn unpack(coding: Coding, mut body: Limited<Incoming>, limit: usize, held: &mut Held) -> Result<Bytes, ApiError> {
    let mut unpacker = Unpacker::new(coding, limit);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unread(&*error, limit))?;
        if let Ok(data) = frame.into_data() {
            unpacker.push(&data).map_err(|broken| broken.told(coding, limit))?;
            held.grow(unpacker.unpacked())?;
        }
    }
    unpacker.finish().map_err(|broken| broken.told(coding, limit))
}

/// Unpacks a body as it comes.
pub struct Unpacker(Decoder);

enum Decoder {
    Gzip(MultiGzDecoder<Bounded>),
    Deflate(ZlibDecoder<Bounded>),
}

/// Why a body cannot be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    TooLarge,
    Malformed,
}

impl Unpacker {
    pub fn new(coding: Coding, limit: usize) -> Self {
        let bounded = Bounded { bytes: Vec::new(), limit, over: false };
        Self(match coding {
            Coding::Gzip => Decoder::Gzip(MultiGzDecoder::new(bounded)),
            Coding::Deflate => Decoder::Deflate(ZlibDecoder::new(bounded)),
        })
    }

    /// Takes some more bytes.
    ///
    /// # Errors
    ///
    /// When they are not of the coding, or go on behind its end, or unfold to more than the limit.
    pub fn push(&mut self, packed: &[u8]) -> Result<(), Broken> {
        let pushed = match &mut self.0 {
            Decoder::Gzip(decoder) => decoder.write_all(packed),
            Decoder::Deflate(decoder) => decoder.write_all(packed),
        };
        pushed.map_err(|_| self.broken())
    }

    /// How much has come out so far.
    fn unpacked(&self) -> usize {
        self.bounded().bytes.len()
    }

    /// Everything unpacked.
    ///
    /// # Errors
    ///
    /// When the end is missing, or the checksum is another.
    pub fn finish(mut self) -> Result<Bytes, Broken> {
        let finished = match &mut self.0 {
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Deflate(decoder) => decoder.try_finish(),
        };
        finished.map_err(|_| self.broken())?;
        let bounded = match &mut self.0 {
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Deflate(decoder) => decoder.get_mut(),
        };
        Ok(Bytes::from(std::mem::take(&mut bounded.bytes)))
    }

    fn broken(&self) -> Broken {
        if self.bounded().over { Broken::TooLarge } else { Broken::Malformed }
    }

    fn bounded(&self) -> &Bounded {
        match &self.0 {
            Decoder::Gzip(decoder) => decoder.get_ref(),
            Decoder::Deflate(decoder) => decoder.get_ref(),
        }
    }
}

impl Broken {
    fn told(self, coding: Coding, limit: usize) -> ApiError {
        match self {
            Self::TooLarge => too_large(limit),
            Self::Malformed => {
                let name = if coding == Coding::Gzip { "gzip" } else { "deflate (in a zlib wrapper)" };
                let message = format!("the body is not what Content-Encoding says: {name}, whole and once");
                ApiError::new(StatusCode::BAD_REQUEST, "bad_encoding", message)
            }
        }
    }
}

/// Takes no more than its limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    over: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            self.over = true;
            return Err(io::Error::other("larger than the limit"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the body is larger than the {limit} bytes allowed (http.body_bytes)");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
}

fn unread(error: &(dyn std::error::Error + Send + Sync + 'static), limit: usize) -> ApiError {
    if error.is::<LengthLimitError>() {
        too_large(limit)
    } else if BodyTimeout::caused(error) {
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", error.to_string())
    } else {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_request", error.to_string())
    }
}

#[cfg(test)]
mod tests;
