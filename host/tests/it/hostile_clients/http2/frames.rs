//! HTTP/2 frames by hand.

use super::super::wire::{Wire, address};
use crate::common::Host;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A header as HPACK writes it without its tables.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        assert!(text.len() < 127, "longer texts need more than one byte for their length");
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// The headers of a request: method, scheme, authority, path.
pub fn request(method: &str, authority: &str, path: &str) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path)];
    pseudo.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// One connection.
pub struct Http2 {
    pub wire: Wire,
    pub host: String,
}

impl Http2 {
    /// With these settings, as pairs of identifier and value.
    pub async fn connect(host: &Host, settings: &[(u16, u32)]) -> Self {
        let mut wire = Wire::connect(address(host)).await;
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        wire.send(frame(SETTINGS, 0, 0, &payload)).await;
        Self { wire, host: address(host).to_owned() }
    }

    /// A request without a body.
    pub fn get(&self, stream: u32, path: &str) -> Vec<u8> {
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", &self.host, path))
    }

    /// The next frame. Pings and settings are acknowledged, as a client that means well does.
    pub async fn next(&mut self) -> Option<Frame> {
        let head = self.wire.bytes(9).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.wire.bytes(length).await?;
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        if frame.flags & ACK == 0 && (frame.kind == PING || frame.kind == SETTINGS) {
            let payload = if frame.kind == PING { &frame.payload[..] } else { &[] };
            self.wire.send(self::frame(frame.kind, ACK, 0, payload)).await;
        }
        Some(frame)
    }

    /// The first byte of the answer's headers on this stream, which is the status where it is a common one; none when
    /// the stream or the connection ended instead.
    pub async fn status(&mut self, stream: u32) -> Option<u8> {
        loop {
            let frame = self.next().await?;
            match frame.kind {
                HEADERS if frame.stream == stream => return frame.payload.first().copied(),
                RST_STREAM if frame.stream == stream => return None,
                GOAWAY if code(&frame.payload[4..]) != 0 => return None,
                _ => {}
            }
        }
    }

    /// Reads up to the end, and gives the code of the `GOAWAY` before it.
    pub async fn end(&mut self) -> Option<u32> {
        let mut told = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                told = Some(code(&frame.payload[4..]));
            }
        }
        told
    }
}

/// An error's code.
pub fn code(payload: &[u8]) -> u32 {
    u32::from_be_bytes([payload[0], payload[1], payload[2], payload[3]])
}
