//! What HTTP/2 gives an attacker: streams, resets, windows, compressed headers, frames that cost nothing to send.

pub mod frames;

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use self::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Http2, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, code,
    field, frame, request,
};
use super::wire::{Neighbour, PATIENCE};
use super::{memory_kib, with_mirror};
use crate::common::Host;

/// `:status 200` in HPACK's static table.
const OK: Option<u8> = Some(0x88);
const ENHANCE_YOUR_CALM: u32 = 11;
const INITIAL_WINDOW_SIZE: u16 = 4;

#[tokio::test]
async fn a_connection_by_hand_is_served() {
    let host = Host::with_plugins(&["crm"]).await;
    let mut client = Http2::connect(&host, &[]).await;
    for stream in [1, 3, 5] {
        let get = client.get(stream, "/plugins/crm/contacts");
        client.wire.send(get).await;
        assert_eq!(client.status(stream).await, OK);
    }
}

#[tokio::test]
async fn requests_taken_back_as_fast_as_they_are_made_end_the_connection() {
    let host = Host::with_config(&["crm"], "http.linger_ms = 100").await;
    let neighbour = Neighbour::of(&host);
    let attacks = (0..8).map(async |_| {
        let mut client = Http2::connect(&host, &[]).await;
        let mut burst = Vec::new();
        for stream in (1..20_000).step_by(2) {
            burst.extend(client.get(stream, "/plugins/crm/contacts"));
            burst.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
        // The host need not take all of it.
        client.wire.send(burst).await;
        client.end().await
    });
    for told in join_all(attacks).await {
        assert!(told.is_none_or(|code| code == ENHANCE_YOUR_CALM), "GOAWAY {told:?}");
    }
    neighbour.served().await;
}

#[tokio::test]
async fn headers_without_an_end_are_cut_off() {
    let host = Host::with_config(&["crm"], "http.linger_ms = 100").await;
    let neighbour = Neighbour::of(&host);
    let filler: Vec<u8> = (0..120).flat_map(|_| field("x-filler", &"x".repeat(100))).collect();
    for piece in [filler.as_slice(), &[]] {
        let mut client = Http2::connect(&host, &[]).await;
        let head = request("GET", &client.host, "/health/live");
        client.wire.send(frame(HEADERS, END_STREAM, 1, &head)).await;
        let begun = Instant::now();
        let pieces = frame(CONTINUATION, 0, 1, piece).repeat(100);
        while client.wire.send(&pieces).await {
            assert!(begun.elapsed() < PATIENCE, "it takes pieces of {} bytes without end", piece.len());
        }
    }
    neighbour.served().await;
}

#[tokio::test]
async fn a_small_block_of_headers_that_unfolds_is_refused() {
    let host = Host::with_plugins(&["crm"]).await;
    let neighbour = Neighbour::of(&host);
    let before = memory_kib(&host);
    let mut client = Http2::connect(&host, &[]).await;
    // 4,000 bytes in the table, and 16,000 references of one byte each.
    let mut block = request("GET", &client.host, "/health/live");
    block.extend_from_slice(&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e]);
    block.extend_from_slice(&[b'x'; 4_000]);
    let small = block.len();
    block.resize(small + 12_000, 0xbe);
    client.wire.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await;
    assert_ne!(client.status(1).await, OK);
    // The same without the bomb passes, so it was made as meant.
    let mut client = Http2::connect(&host, &[]).await;
    client.wire.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block[..small + 2])).await;
    assert_eq!(client.status(1).await, OK);
    let grown = memory_kib(&host).saturating_sub(before);
    assert!(grown < 30 << 10, "the host took {grown} KiB for 48 MB of headers in 16 KB");
    neighbour.served().await;
}

#[tokio::test]
async fn floods_of_frames_that_ask_for_nothing_harm_nobody() {
    let host = Host::with_plugins(&["crm"]).await;
    let neighbour = Neighbour::of(&host);
    let empty_data = frame(DATA, 0, 1, &[]);
    for flood in [
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, 0, 0, &[]),
        frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]),
        frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
        frame(0x42, 0, 0, &[0; 64]),
        frame(2, 0, 1, &[0, 0, 0, 0, 16]),
        empty_data,
    ] {
        let mut client = Http2::connect(&host, &[]).await;
        let head = frame(HEADERS, END_HEADERS, 1, &request("POST", &client.host, "/plugins/crm/contacts"));
        client.wire.send(head).await;
        // Nothing is read while it lasts; a host that waits for us with that is right, too.
        let burst = flood.repeat(20_000);
        let _ = tokio::time::timeout(Duration::from_millis(500), client.wire.send(burst)).await;
    }
    neighbour.served().await;
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused_and_the_rest_is_served() {
    let host = Host::with_config(&["probe"], "http.http2_streams_max = 10\nlimits.wall_deadline_ms = 25000").await;
    let neighbour = Neighbour::of(&host);
    let mut client = Http2::connect(&host, &[]).await;
    let body = br#"{"milliseconds":300}"#;
    // So that the host's settings are known, and there is no excuse.
    let get = client.get(1, "/health/live");
    client.wire.send(get).await;
    assert_eq!(client.status(1).await, OK);
    let mut burst = Vec::new();
    for stream in (3..43).step_by(2) {
        burst.extend(frame(HEADERS, END_HEADERS, stream, &request("POST", &client.host, "/plugins/probe/sleep")));
        burst.extend(frame(DATA, END_STREAM, stream, body));
    }
    client.wire.send(burst).await;
    let (mut served, mut refused) = (0, 0);
    while served + refused < 20 {
        let Some(frame) = client.next().await else { break };
        match frame.kind {
            HEADERS => served += 1,
            RST_STREAM => refused += 1,
            _ => {}
        }
    }
    assert!(refused >= 1 && served <= 10 + refused, "{served} served, {refused} refused");
    neighbour.served().await;
}

#[tokio::test]
async fn a_window_that_never_opens_ends_its_streams() {
    let host = Host::with_config(&["probe"], "http.write_timeout_ms = 400").await;
    let neighbour = Neighbour::of(&host);
    let body = br#"{"bytes":4000000}"#;
    // No window at all, and one that takes a part of the answer.
    let attacks = [0, 1, 65_535].map(async |window| {
        let mut client = Http2::connect(&host, &[(INITIAL_WINDOW_SIZE, window)]).await;
        for stream in [1, 3, 5, 7] {
            let head = request("POST", &client.host, "/plugins/probe/big");
            client.wire.send(frame(HEADERS, END_HEADERS, stream, &head)).await;
            client.wire.send(frame(DATA, END_STREAM, stream, body)).await;
        }
        let (mut data, mut reset) = (0, 0);
        while reset < 4
            && let Some(frame) = client.next().await
        {
            data += if frame.kind == DATA { frame.payload.len() } else { 0 };
            reset += usize::from(frame.kind == RST_STREAM);
        }
        assert_eq!(reset, 4);
        assert!(data <= 4 * 65_535, "{data} bytes through windows of {window}");
    });
    join_all(attacks).await;
    neighbour.served().await;
}

#[tokio::test]
async fn a_connection_that_asks_nothing_more_is_ended() {
    let host = Host::with_config(&["crm"], "http.header_read_timeout_ms = 400\nhttp.write_timeout_ms = 400").await;
    let mut client = Http2::connect(&host, &[]).await;
    let get = client.get(1, "/health/live");
    client.wire.send(get).await;
    assert_eq!(client.status(1).await, OK);
    assert_eq!(client.end().await, Some(0), "it was ended in order");
    // A stream whose last bytes are never taken keeps it no longer.
    let mut client = Http2::connect(&host, &[(INITIAL_WINDOW_SIZE, 1)]).await;
    let get = client.get(1, "/health/live");
    client.wire.send(get).await;
    assert_eq!(client.status(1).await, OK);
    client.end().await;
}

#[tokio::test]
async fn headers_that_belong_to_http1_or_contradict_are_refused() {
    let host = with_mirror(&[], "").await;
    let path = "/plugins/mirror/";
    for extra in [
        field("transfer-encoding", "chunked"),
        field("connection", "x-a"),
        field("keep-alive", "5"),
        field("proxy-connection", "close"),
        field("upgrade", "h2c"),
        field("te", "gzip"),
        field("host", "example.com"),
        field("content-length", "5"),
        field("X-Upper", "1"),
        field("x-a", "1\r\nx-tenant-id: acme"),
        field("x-a", "1\0"),
        field("x a", "1"),
        field("", "1"),
        field(":path", "/other"),
        field(":method", "POST"),
        field(":unknown", "1"),
    ] {
        let mut client = Http2::connect(&host, &[]).await;
        let block = [request("GET", &client.host, path), extra.clone()].concat();
        client.wire.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await;
        let status = client.status(1).await;
        assert_ne!(status, OK, "{:?}", String::from_utf8_lossy(&extra));
    }
    for (method, authority, path) in [
        ("CONNECT", "", "/plugins/mirror/"),
        ("TRACE", "", "/plugins/mirror/"),
        ("GET", "x@", "/plugins/mirror/"),
        ("GET", "", "/plugins/mirror/../crm/"),
        ("GET", "", "plugins/mirror/"),
        ("GET", "", ""),
        ("G T", "", "/plugins/mirror/"),
    ] {
        let mut client = Http2::connect(&host, &[]).await;
        let block = request(method, &format!("{authority}{}", client.host), path);
        client.wire.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await;
        assert_ne!(client.status(1).await, OK, "{method} {authority} {path}");
    }
    let mut client = Http2::connect(&host, &[]).await;
    let get = client.get(1, path);
    client.wire.send(get).await;
    assert_eq!(client.status(1).await, OK, "and it is none of the rest");
}

#[tokio::test]
async fn a_body_of_another_length_than_told_reaches_no_plugin() {
    let host = with_mirror(&[], "").await;
    for body in ["{}", "{\"a\":1}"] {
        let mut client = Http2::connect(&host, &[]).await;
        let block = [request("POST", &client.host, "/plugins/mirror/"), field("content-length", "5")].concat();
        client.wire.send(frame(HEADERS, END_HEADERS, 1, &block)).await;
        client.wire.send(frame(DATA, END_STREAM, 1, body.as_bytes())).await;
        let mut reset = None;
        while let Some(frame) = client.next().await {
            assert!(frame.kind != HEADERS || frame.payload[0] != 0x88, "{body} was served");
            if frame.kind == RST_STREAM {
                reset = Some(code(&frame.payload));
                break;
            }
        }
        assert_eq!(reset, Some(1), "a protocol error");
    }
}
