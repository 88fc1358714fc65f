//! Clients that are slow on purpose, and sockets that are only held open.

use std::time::Duration;

use futures::future::join_all;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::wire::{Neighbour, PATIENCE, Wire, address};
use crate::common::{Host, eventually};

#[tokio::test]
async fn slow_headers_and_slow_bodies_end_at_their_times() {
    let config = "http.header_read_timeout_ms = 400\nhttp.request_body_timeout_ms = 400\nhttp.linger_ms = 100";
    let host = Host::with_config(&["crm"], config).await;
    let neighbour = Neighbour::of(&host);
    let beginnings =
        ["", "G", "GET / HT", "GET /health/live HTTP/1.1\r\nHost: x\r\nX-A", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    let headers = (0..200).map(async |number| {
        let mut wire = Wire::connect(address(&host)).await;
        wire.send(beginnings[number % beginnings.len()]).await;
        let drips = ["a", "X-A: 1\r\n"][number % 2];
        drip(&mut wire, drips).await;
        wire.closed().await;
    });
    let bodies = (0..100).map(async |number| {
        let mut wire = Wire::connect(address(&host)).await;
        let framing = ["Content-Length: 1000", "Transfer-Encoding: chunked"][number % 2];
        wire.send(format!("POST /plugins/crm/contacts HTTP/1.1\r\nHost: {}\r\n{framing}\r\n\r\n", address(&host)))
            .await;
        if number % 2 == 1 {
            wire.send("3e8\r\n").await;
        }
        drip(&mut wire, " ").await;
        let answer = wire.answer().await.expect("an answer to a slow body");
        assert_eq!(answer.status, 408, "{}", answer.text());
        wire.closed().await;
    });
    tokio::join!(join_all(headers), join_all(bodies));
    neighbour.served().await;
}

/// A little at a time, until the time for it is over or nobody takes more.
async fn drip(wire: &mut Wire, drops: &str) {
    let (begun, mut ticks) = (Instant::now(), tokio::time::interval(Duration::from_millis(50)));
    while begun.elapsed() < Duration::from_millis(700) && wire.send(drops).await {
        ticks.tick().await;
    }
}

#[tokio::test]
async fn a_client_that_never_reads_its_answer_is_cut_off() {
    let host = Host::with_config(&["probe"], "http.write_timeout_ms = 400").await;
    let neighbour = Neighbour::of(&host);
    let body = r#"{"bytes":4000000}"#;
    let request = format!(
        "POST /plugins/probe/big HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
        address(&host),
        body.len()
    );
    let readers = (0..6).map(async |_| {
        let mut wire = Wire::connect(address(&host)).await;
        // Four answers in a row, so that they fit into no socket's buffer.
        wire.send(request.repeat(4)).await;
        eventually("the connection to end", async || (!wire.send("x").await).then_some(())).await;
    });
    join_all(readers).await;
    // Whoever reads has all of it.
    let mut wire = Wire::connect(address(&host)).await;
    wire.send(&request).await;
    assert!(wire.answer().await.unwrap().body.len() > 4_000_000);
    neighbour.served().await;
}

#[tokio::test]
async fn ten_thousand_half_open_sockets_shut_nobody_out() {
    let host = Host::with_plugins(&["crm"]).await;
    // Both ends need a descriptor for each, in two processes; the host raises its own limit.
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let most: usize = 10_000;
    let count = usize::try_from(limit.saturating_sub(3_000)).unwrap().min(most + 1_000);
    if count <= most {
        eprintln!("only {count} sockets: the hard limit on open files is {limit}");
    }
    let neighbour = Neighbour::of(&host);
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        let begun = sockets.len();
        let some = (begun..count.min(begun + 100)).map(|number| half_open(number, address(&host)));
        sockets.extend(join_all(some).await);
    }
    // All places are taken by now, and those who mean well still get one.
    for _ in 0..20 {
        let mut wire = Wire::connect(address(&host)).await;
        wire.send(format!("GET /plugins/crm/contacts HTTP/1.1\r\nHost: {}\r\n\r\n", address(&host))).await;
        assert_eq!(wire.answer().await.unwrap().status, 200);
    }
    if count > most {
        let oldest = &sockets[0];
        eventually("the oldest socket to be closed for another", async || ended(oldest).then_some(())).await;
    }
    neighbour.served().await;
}

/// From several addresses, because one has too few ports.
async fn half_open(number: usize, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("127.0.0.{}:0", 2 + number % 8).parse().unwrap()).unwrap();
    let connected = tokio::time::timeout(PATIENCE, socket.connect(address.parse().unwrap())).await;
    let stream = connected.expect("nobody accepts").unwrap();
    // Half of them begin to say something.
    if number.is_multiple_of(2) {
        let _ = stream.try_write(b"GET / HTTP/1.1\r\nHost:");
    }
    stream
}

fn ended(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[tokio::test]
async fn when_every_place_is_taken_those_that_wait_for_their_client_go_first() {
    let config = "http.connections_max = 16\nhttp.linger_ms = 100";
    let host = Host::with_config(&["crm"], config).await;
    let neighbour = Neighbour::of(&host);
    let mut held = Vec::new();
    for number in 0..96 {
        let mut wire = Wire::connect(address(&host)).await;
        let says = match number % 4 {
            0 => String::new(),
            1 => "GET /health/live HTTP/1.1\r\nHo".to_owned(),
            2 => format!("GET /health/live HTTP/1.1\r\nHost: {}\r\n\r\n", address(&host)),
            _ => {
                format!("POST /plugins/crm/contacts HTTP/1.1\r\nHost: {}\r\nContent-Length: 9\r\n\r\n[", address(&host))
            }
        };
        wire.send(says).await;
        held.push(wire);
        if number % 8 == 0 {
            assert_eq!(crate::common::Client::new(host.address()).get("/plugins/crm/contacts").await.total(), 4);
        }
    }
    neighbour.served().await;
}

#[tokio::test]
async fn a_flood_of_requests_on_one_connection_is_answered_in_turn() {
    let host = Host::with_plugins(&["crm"]).await;
    let neighbour = Neighbour::of(&host);
    let request = format!("GET /health/live HTTP/1.1\r\nHost: {}\r\n\r\n", address(&host));
    let mut wire = Wire::connect(address(&host)).await;
    let first = wire.exchange("", request.repeat(2_000).into_bytes()).await.unwrap();
    assert_eq!(first.status, 200);
    for _ in 1..2_000 {
        assert_eq!(wire.answer().await.unwrap().status, 200);
    }
    neighbour.served().await;
}
