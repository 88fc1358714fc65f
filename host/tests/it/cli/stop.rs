//! How a host stops.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;

use crate::common::{Client, Host, Scratch, eventually, rounds};
use crate::hostile_clients::wire::{Wire, header};

const ADA: &str = r#"{"firstName":"Ada","lastName":"Lovelace","email":"ada@example.com"}"#;

/// A connection on which the host has begun to wait for the body of a request.
async fn under_way(host: &Host) -> BufReader<TcpStream> {
    let address = host.address().strip_prefix("http://").unwrap();
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    let head = format!(
        "POST /plugins/crm/contacts HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        ADA.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = String::new();
    timeout(Duration::from_secs(30), stream.read_line(&mut line)).await.unwrap().unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream
}

/// Waits until the host takes no more connections.
async fn refuses_connections(host: &Host) {
    let address = host.address().strip_prefix("http://").unwrap();
    eventually("the host to take no more connections", async || TcpStream::connect(address).await.err()).await;
}

#[tokio::test]
async fn a_request_under_way_is_finished_before_the_host_stops() {
    let mut host = Host::with_plugins(&["crm"]).await;
    let mut stream = under_way(&host).await;
    host.process().terminate();
    refuses_connections(&host).await;

    stream.write_all(ADA.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.contains("HTTP/1.1 201 Created") && answer.contains("\"contact-5\""), "{answer}");
    assert_eq!(host.process().ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_connection_without_a_request_does_not_keep_the_host() {
    let mut host = Host::with_plugins(&["crm"]).await;
    host.get("/health").await.data(200);
    let address = host.address().strip_prefix("http://").unwrap().to_owned();
    let mut silent = TcpStream::connect(&address).await.unwrap();
    host.process().terminate();
    assert_eq!(host.process().ended().await.code(), Some(0));
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0, "it was closed");
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_off_after_the_grace() {
    let scratch = Scratch::with_plugins(&["crm"]);
    let config = scratch.file("tenon.toml", "[http]\nshutdown_grace_ms = 100\n");
    let mut host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let mut stream = under_way(&host).await;
    host.process().terminate();
    assert_eq!(host.process().ended().await.code(), Some(0));
    let mut rest = String::new();
    let _ = stream.read_to_string(&mut rest).await;
    assert!(!rest.contains("HTTP/1.1 201"), "{rest}");
    let log = std::fs::read_to_string(host.scratch().log()).unwrap();
    assert!(log.contains("cut off"), "the log says so: {log}");
}

#[tokio::test]
async fn readiness_goes_off_first_and_requests_are_served_until_nothing_is_accepted() {
    let mut host = Host::with_config(&["crm"], "http.drain_ms = 1500").await;
    host.get("/health/ready").await.data(200);
    host.process().terminate();
    let fresh = || Client::new(host.address());
    eventually("readiness to go off", async || (fresh().get("/health/ready").await.status == 503).then_some(())).await;
    fresh().get("/health/ready").await.refusal(503, "stopping");
    let served = fresh().get("/plugins/crm/contacts").await;
    assert_eq!((served.total(), served.header("connection")), (4, "close"));
    assert_eq!(fresh().get("/health/live").await.status, 200);
    assert_eq!(fresh().http2().get("/plugins/crm/contacts").await.total(), 4);
    refuses_connections(&host).await;
    assert_eq!(host.process().ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_the_host_at_once() {
    let config = "http.drain_ms = 600000\nhttp.shutdown_grace_ms = 600000\nhttp.request_body_timeout_ms = 600000";
    let mut host = Host::with_config(&["crm"], config).await;
    let mut stream = under_way(&host).await;
    host.process().terminate();
    eventually("readiness to go off", async || (host.get("/health/ready").await.status == 503).then_some(())).await;
    host.process().terminate();
    assert_eq!(host.process().ended().await.code(), Some(0));
    let mut rest = String::new();
    let _ = stream.read_to_string(&mut rest).await;
    assert_eq!(rest.trim(), "", "its request was not finished");
}

/// What became of the requests of one client.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    created: usize,
    /// An answer began and did not end.
    lost: usize,
    /// The connection had served before and was closed before any byte of the next answer came: what RFC 9112 (9.3.1)
    /// says a client has to expect of a connection that is kept.
    raced: usize,
    /// The same for the first request: the host may never have seen the connection.
    unseen: usize,
}

/// Asks without a pause until the host takes no more connections.
async fn load(host: &Host, client: usize, progress: Arc<AtomicUsize>) -> Tally {
    let address = host.address().strip_prefix("http://").unwrap().to_owned();
    let mut tally = Tally::default();
    let mut number = 0;
    while let Some(mut wire) = Wire::try_connect(&address).await {
        for request in 0.. {
            number += 1;
            let (path, body) = match client {
                0 => ("/plugins/crm/contacts", ada(&format!("{}-{number}", uuid::Uuid::new_v4()))),
                1 => ("/plugins/probe/sleep", r#"{"milliseconds":20}"#.to_owned()),
                _ => ("/plugins/probe/big", r#"{"bytes":200000}"#.to_owned()),
            };
            let length = body.len();
            let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n{body}");
            wire.send(head).await;
            let Some(answer) = wire.answer().await else {
                match (wire.left(), request) {
                    (1.., _) => tally.lost += 1,
                    (0, 0) => tally.unseen += 1,
                    (0, _) => tally.raced += 1,
                }
                break;
            };
            assert_eq!(answer.status, if client == 0 { 201 } else { 200 }, "{path}: {}", answer.text());
            tally.answered += 1;
            tally.created += usize::from(client == 0);
            progress.fetch_add(1, Ordering::Relaxed);
            if header(&answer.head, "connection") == Some("close") {
                break;
            }
        }
    }
    tally
}

fn ada(unique: &str) -> String {
    format!(r#"{{"firstName":"Ada","lastName":"Lovelace","email":"{unique}@example.com"}}"#)
}

/// Stops a host this often under load, on the same data each time, and checks that nothing accepted was lost.
async fn stopped_again_and_again(times: u32) -> Tally {
    let mut host = Host::with_config(&["crm", "probe"], "http.drain_ms = 50").await;
    let mut all = Tally::default();
    for _ in 0..times {
        let progress = Arc::new(AtomicUsize::new(0));
        let clients = join_all((0..3).map(|client| load(&host, client, progress.clone())));
        let stopping = async {
            eventually("the clients to be served", async || (progress.load(Ordering::Relaxed) > 10).then_some(()))
                .await;
            host.terminate();
        };
        let (tallies, ()) = tokio::join!(clients, stopping);
        for tally in tallies {
            all.answered += tally.answered;
            all.created += tally.created;
            all.lost += tally.lost;
            all.raced += tally.raced;
            all.unseen += tally.unseen;
        }
        host.ended().await;
        host.start_again().await;
    }
    let stored = usize::try_from(host.get("/plugins/crm/contacts").await.total()).unwrap() - 4;
    let unknown = all.lost + all.raced + all.unseen;
    assert!((all.created..=all.created + unknown).contains(&stored), "{stored} contacts are there: {all:?}");
    all
}

#[tokio::test]
async fn no_accepted_request_is_lost_however_often_the_host_stops() {
    let times = rounds(100_u32, 2_000).div_ceil(4);
    let tallies = join_all((0..4).map(|_| stopped_again_and_again(times))).await;
    for tally in &tallies {
        assert_eq!(tally.lost, 0, "{tally:?}");
        // A loaded machine may let a client sleep through the time it has: seldom.
        assert!(tally.raced + tally.unseen <= times as usize / 4 + 1, "of {times} stops: {tally:?}");
    }
    eprintln!("{} stops under load: {tallies:?}", 4 * times);
}
