//! Answers that their clients do not take, or hardly, all of them together.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use super::http2::frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, Http2, RST_STREAM, WINDOW_UPDATE, code, field, frame, request,
};
use super::wire::{Neighbour, PATIENCE, address};
use super::{memory_now_kib, memory_settled};
use crate::common::{Host, eventually};

/// The text of one large answer, which no two sockets' buffers take whole.
const LARGE: usize = 6_000_000;

/// 32 MiB, of which 24 are for large answers: four of them. Nobody is given up for being slow alone.
const ROOM: &str = "http.answers_bytes = 33554432\nhttp.write_timeout_ms = 600000\nhttp.linger_ms = 100";

fn large(host: &Host, tenant: &str, bytes: usize) -> String {
    let body = format!(r#"{{"bytes":{bytes}}}"#);
    format!(
        "POST /plugins/probe/big HTTP/1.1\r\nHost: {}\r\nX-Tenant-Id: {tenant}\r\nContent-Length: {}\r\n\r\n{body}",
        address(host),
        body.len()
    )
}

/// Asks for an answer, reads the status line and nothing more. The socket takes only a part of a large one.
async fn reader(host: &Host, tenant: &str, bytes: usize) -> (TcpStream, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(256 << 10).unwrap();
    let mut stream = socket.connect(address(host).parse().unwrap()).await.unwrap();
    stream.write_all(large(host, tenant, bytes).as_bytes()).await.unwrap();
    let mut status = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut status)).await.expect("no answer begins").unwrap();
    (stream, String::from_utf8_lossy(&status).into_owned())
}

/// How much comes until it ends, up to so many bytes.
async fn rest(stream: &mut TcpStream, most: usize) -> usize {
    let (mut count, mut chunk) = (0, vec![0; 64 * 1024]);
    while count < most {
        match timeout(PATIENCE, stream.read(&mut chunk)).await.expect("neither more nor an end") {
            Ok(read @ 1..) => count += read,
            _ => break,
        }
    }
    count
}

async fn served_whole(host: &Host, tenant: &str) {
    let (mut stream, status) = reader(host, tenant, LARGE).await;
    assert_eq!(status, "HTTP/1.1 200", "{tenant}");
    assert!(rest(&mut stream, LARGE).await >= LARGE, "{tenant}");
}

#[tokio::test]
async fn many_who_do_not_read_hold_no_more_than_the_room_and_shut_no_other_tenant_out() {
    const READERS: usize = 40;

    let host = Host::with_config(&["probe"], &format!("{ROOM}\nhttp.wait_min_ms = 0")).await;
    let neighbour = Neighbour::of(&host);
    served_whole(&host, "other").await;
    let before = memory_now_kib(&host);
    let mut readers = Vec::new();
    for number in 0..READERS {
        let (stream, status) = reader(&host, "hoarder", LARGE).await;
        assert_eq!(status, "HTTP/1.1 200", "its newest takes the room of its oldest");
        readers.push(stream);
        if number % 8 == 7 {
            served_whole(&host, "other").await;
        }
    }
    // As much again for what is being made, and what the allocator keeps; all of them together are 240 MB.
    memory_settled(&host, before + (64 << 10)).await;
    eprintln!("{READERS} readers: memory {before} KiB before, {} KiB with them", memory_now_kib(&host));
    neighbour.served().await;
    let taken = join_all(readers.iter_mut().map(|stream| rest(stream, LARGE))).await;
    let whole = taken.iter().filter(|count| **count >= LARGE).count();
    assert!(whole <= 4, "{whole} answers were still there: {taken:?}");
    assert!(taken[READERS - 2] >= LARGE || taken[READERS - 1] >= LARGE, "the newest were given up: {taken:?}");
}

#[tokio::test]
async fn when_nobody_is_behind_yet_an_answer_without_room_is_refused() {
    let host = Host::with_config(&["probe"], &format!("{ROOM}\nhttp.wait_min_ms = 60000")).await;
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(reader(&host, "hoarder", LARGE).await.0);
    }
    let refused = host.tenant("other").post("/plugins/probe/big", json!({ "bytes": LARGE })).await;
    assert!(refused.message(503, "busy").contains("http.answers_bytes"), "{refused:?}");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(!refused.header("x-correlation-id").is_empty());
    // Small ones have room of their own.
    host.tenant("other").post("/plugins/probe/big", json!({ "bytes": 10_000 })).await.data(200);
    drop(readers);
    let free = async || {
        let answer = host.tenant("other").post("/plugins/probe/big", json!({ "bytes": LARGE })).await;
        (answer.status == 200).then_some(())
    };
    eventually("the room to be free", free).await;
}

#[tokio::test]
async fn a_reader_that_takes_a_little_now_and_then_is_cut_off() {
    /// More than the system takes over for a client, by seconds at the client's rate.
    const BYTES: usize = 14_000_000;

    let config = "http.write_timeout_ms = 1000\nhttp.write_bytes_per_s_min = 33554432\nhttp.linger_ms = 100\n\
                  limits.hostcall_bytes = 16777216\nlimits.cpu_budget_ms = 2000";
    let host = Host::with_config(&["probe"], config).await;
    let neighbour = Neighbour::of(&host);
    let readers = (0..2).map(async |_| {
        let (mut stream, status) = reader(&host, "trickle", BYTES).await;
        assert_eq!(status, "HTTP/1.1 200");
        let (mut count, mut chunk) = (0, vec![0; 64 * 1024]);
        let (begun, mut ticks) = (Instant::now(), tokio::time::interval(Duration::from_millis(20)));
        // 3 MB a second: less than the least, but never a second without progress.
        while begun.elapsed() < Duration::from_secs(4)
            && let Ok(Ok(read @ 1..)) = timeout(PATIENCE, stream.read(&mut chunk)).await
        {
            count += read;
            ticks.tick().await;
        }
        // What the system has taken over still comes, and then the end.
        count += rest(&mut stream, BYTES).await;
        assert!(count < BYTES, "it was served on, at its leisure");
    });
    join_all(readers).await;
    // Whoever takes what there is has all of it.
    let (mut stream, _) = reader(&host, "hurry", BYTES).await;
    assert!(rest(&mut stream, BYTES).await >= BYTES);
    neighbour.served().await;
}

/// A request for a large answer on an HTTP/2 stream.
fn large_stream(client: &Http2, stream: u32) -> Vec<u8> {
    let head = [request("POST", &client.host, "/plugins/probe/big"), field("x-tenant-id", "hoarder")].concat();
    let body = format!(r#"{{"bytes":{LARGE}}}"#);
    [frame(HEADERS, END_HEADERS, stream, &head), frame(DATA, END_STREAM, stream, body.as_bytes())].concat()
}

#[tokio::test]
async fn a_stream_that_stalls_is_reset_alone() {
    let host = Host::with_config(&["probe"], "http.write_timeout_ms = 400").await;
    let mut client = Http2::connect(&host, &[]).await;
    // The connection's window is wide open, that of each stream takes 64 KiB.
    client.wire.send(frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())).await;
    let asked = [large_stream(&client, 1), large_stream(&client, 3)].concat();
    client.wire.send(asked).await;
    let mut reset = Vec::new();
    let begun = Instant::now();
    while reset.len() < 2 {
        let frame = client.next().await.expect("the connection goes on");
        assert!(begun.elapsed() < PATIENCE, "only {reset:?} were reset");
        if frame.kind == RST_STREAM {
            reset.push((frame.stream, code(&frame.payload)));
        }
    }
    reset.sort_unstable();
    const CANCEL: u32 = 8;
    assert_eq!(reset, [(1, CANCEL), (3, CANCEL)]);
    let get = client.get(5, "/health/live");
    client.wire.send(get).await;
    assert_eq!(client.status(5).await, Some(0x88), "200 on the same connection");
}

#[tokio::test]
async fn streams_that_hold_the_room_give_it_up_one_by_one() {
    const STREAMS: u32 = 12;

    let host = Host::with_config(&["probe"], &format!("{ROOM}\nhttp.wait_min_ms = 0")).await;
    let neighbour = Neighbour::of(&host);
    let mut client = Http2::connect(&host, &[]).await;
    client.wire.send(frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())).await;
    let mut reset = Vec::new();
    for number in 0..STREAMS {
        let asked = large_stream(&client, 2 * number + 1);
        client.wire.send(asked).await;
        loop {
            let frame = client.next().await.expect("the connection goes on");
            match frame.kind {
                RST_STREAM => reset.push(frame.stream),
                HEADERS if frame.stream == 2 * number + 1 => break assert_eq!(frame.payload[0], 0x88),
                _ => {}
            }
        }
    }
    served_whole(&host, "other").await;
    // Pings come as long as nothing else does.
    let begun = Instant::now();
    while reset.len() < STREAMS as usize - 4 {
        let frame = client.next().await.expect("the connection goes on");
        reset.extend((frame.kind == RST_STREAM).then_some(frame.stream));
        assert!(begun.elapsed() < PATIENCE, "only {reset:?} were given up");
    }
    assert!(reset.contains(&1) && !reset.contains(&(2 * STREAMS - 1)), "{reset:?}");
    neighbour.served().await;
}
