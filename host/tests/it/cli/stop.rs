//! How a host stops.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

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

/// A statement keeps its thread, where nobody can break it off.
const STATEMENT: &str = "tenon:host/sql, its thread";

/// A host in which one call of this function never returns.
async fn with_a_thread_that_hangs(function: &str, config: &str) -> Host {
    let mut scratch = Scratch::with_plugins(&["probe"]);
    let config = scratch.file("tenon.toml", &format!("limits.cpu_budget_ms = 500\n{config}"));
    let fault = scratch.file("fault", "");
    scratch.set_environment(&[("TENON_FAULT_FILE", "fault")]);
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let insert = |text: &str| {
        let statement = format!("INSERT INTO note (text) VALUES ('{text}')");
        host.request(Method::POST, "/plugins/probe/execute").json(&json!({ "statement": statement, "parameters": [] }))
    };
    assert_eq!(insert("before").send().await.unwrap().status(), 200);
    std::fs::write(&fault, format!("hang: {function}")).unwrap();
    // Its answer comes with the deadline, or never.
    tokio::spawn(insert("hanging").send());
    logged(&host, "a thread hangs").await;
    std::fs::write(&fault, "").unwrap();
    host
}

async fn logged(host: &Host, text: &str) {
    let look = async || std::fs::read_to_string(host.scratch().log()).unwrap().contains(text).then_some(());
    eventually(&format!("{text:?} in the log"), look).await;
}

#[tokio::test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs `--features tenon/fault-injection`, as `cargo just test` has"
)]
async fn a_thread_that_never_ends_keeps_the_host_for_no_longer_than_the_grace() {
    // One request is still waited for and has to be cut off. The other is answered, and leaves nothing but its thread.
    for (deadline_ms, said) in [(60_000, "cut off"), (1_000, "the host ends without them")] {
        let config = format!("limits.wall_deadline_ms = {deadline_ms}\nhttp.shutdown_grace_ms = 3000");
        let mut host = with_a_thread_that_hangs(STATEMENT, &config).await;
        host.terminate();
        host.ended().await;
        logged(&host, said).await;
    }
}

#[tokio::test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs `--features tenon/fault-injection`, as `cargo just test` has"
)]
async fn a_second_signal_ends_the_host_whatever_its_threads_do() {
    // The other one keeps a thread that serves requests.
    for function in [STATEMENT, "tenon:host/sql.execute"] {
        for drain_ms in [0, 600_000] {
            let http = format!("http.drain_ms = {drain_ms}\nhttp.shutdown_grace_ms = 600000");
            let config = format!("limits.wall_deadline_ms = 1000\n{http}");
            let mut host = with_a_thread_that_hangs(function, &config).await;
            host.terminate();
            logged(&host, "stopping: requests under way").await;
            host.terminate();
            host.ended().await;
            logged(&host, "stopping at once").await;
        }
    }
}

/// What became of the requests of one client. Each writes something of its own, by which is told whether it was done.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    /// Notes that were found after the stops.
    notes: usize,
    /// An answer began and did not end.
    lost: usize,
    /// The connection had served before and was closed before any byte of the next answer came: what RFC 9112 (9.3.1)
    /// says a client has to expect of a connection that is kept, for a request that was never taken.
    raced: usize,
    /// The same for the first request: the host may never have seen the connection.
    unseen: usize,
    /// What the requests without an answer would have written.
    unanswered: Vec<(Kind, String)>,
    /// What was written nevertheless.
    done_unanswered: Vec<(Kind, String)>,
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Contact,
    /// A note that is written slowly.
    Slow,
    /// A note with a long answer.
    Long,
}

impl Kind {
    /// A request that writes this name, which nobody else writes.
    fn request(self, name: &str) -> (&'static str, serde_json::Value) {
        match self {
            Self::Contact => {
                let email = format!("{name}@example.com");
                ("/plugins/crm/contacts", json!({ "firstName": "Ada", "lastName": name, "email": email }))
            }
            Self::Slow => {
                let rows = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000)";
                let insert = format!(
                    "INSERT INTO note (text) SELECT '{name}' FROM ({rows} SELECT max(n) AS m FROM c) AS s WHERE m > 0"
                );
                ("/plugins/probe/transact", json!({ "statements": [insert], "commit": true }))
            }
            Self::Long => {
                let statement = "INSERT INTO note (text) VALUES ($1) RETURNING text, $2";
                ("/plugins/probe/query", json!({ "statement": statement, "parameters": [name, "x".repeat(200_000)] }))
            }
        }
    }

    /// Whether the request that would have written this name did.
    async fn is_done(self, host: &Host, name: &str) -> bool {
        if self == Self::Contact {
            return host.get(&format!("/plugins/crm/contacts?search={name}")).await.total() > 0;
        }
        let query = json!({ "statement": "SELECT 1 FROM note WHERE text = $1", "parameters": [name] });
        !host.post("/plugins/probe/query", query).await.rows().is_empty()
    }
}

/// Asks without a pause until the host takes no more connections.
async fn load(host: &Host, kind: Kind, progress: Arc<AtomicUsize>) -> Tally {
    let address = host.address().strip_prefix("http://").unwrap().to_owned();
    let mut tally = Tally::default();
    while let Some(mut wire) = Wire::try_connect(&address).await {
        for request in 0.. {
            let name = uuid::Uuid::new_v4().simple().to_string();
            let (path, body) = kind.request(&name);
            let body = body.to_string();
            let length = body.len();
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            );
            wire.send(head).await;
            let Some(answer) = wire.answer().await else {
                match (wire.left(), request) {
                    (1.., _) => tally.lost += 1,
                    (0, 0) => tally.unseen += 1,
                    (0, _) => tally.raced += 1,
                }
                tally.unanswered.push((kind, name));
                break;
            };
            let expected = if kind == Kind::Contact { 201 } else { 200 };
            assert_eq!(answer.status, expected, "{path}: {}", answer.text());
            tally.answered += 1;
            progress.fetch_add(1, Ordering::Relaxed);
            if header(&answer.head, "connection") == Some("close") {
                break;
            }
        }
    }
    tally
}

/// Stops a host this often under load, on the same data each time, and looks what became of each request.
async fn stopped_again_and_again(times: u32) -> Tally {
    let mut host = Host::with_config(&["crm", "probe"], "http.drain_ms = 50").await;
    let mut all = Tally::default();
    for _ in 0..times {
        let progress = Arc::new(AtomicUsize::new(0));
        let kinds = [Kind::Contact, Kind::Slow, Kind::Long];
        let clients = join_all(kinds.map(|kind| load(&host, kind, progress.clone())));
        let stopping = async {
            eventually("the clients to be served", async || (progress.load(Ordering::Relaxed) > 10).then_some(()))
                .await;
            host.terminate();
        };
        let (tallies, ()) = tokio::join!(clients, stopping);
        host.ended().await;
        host.start_again().await;
        for tally in tallies {
            all.answered += tally.answered;
            all.lost += tally.lost;
            all.raced += tally.raced;
            all.unseen += tally.unseen;
            for (kind, name) in tally.unanswered {
                if kind.is_done(&host, &name).await {
                    all.done_unanswered.push((kind, name));
                }
            }
        }
        // So that the next round finds no more than this one. What was written and answered is there until now.
        let count = json!({ "statement": "SELECT count(*) FROM note", "parameters": [] });
        let count = host.post("/plugins/probe/query", count).await.rows()[0][0].as_str().unwrap().to_owned();
        all.notes += count.parse::<usize>().unwrap();
        let delete = json!({ "statement": "DELETE FROM note", "parameters": [] });
        host.post("/plugins/probe/execute", delete).await.data(200);
    }
    let log = std::fs::read_to_string(host.scratch().log()).unwrap();
    assert!(!log.contains("cut off"), "no request may take so long that it meets the end of the grace: {log}");
    let stored = usize::try_from(host.get("/plugins/crm/contacts").await.total()).unwrap() - 4;
    let done = all.done_unanswered.len();
    assert_eq!(stored + all.notes, all.answered + done, "what was done is not what was answered: {all:?}");
    all
}

#[tokio::test]
async fn no_accepted_request_is_lost_however_often_the_host_stops() {
    let times = rounds(100_u32, 2_000).div_ceil(4);
    let tallies = join_all((0..4).map(|_| stopped_again_and_again(times))).await;
    for tally in &tallies {
        assert_eq!((tally.lost, tally.done_unanswered.as_slice()), (0, [].as_slice()), "{tally:?}");
        // Requests that were never taken, as what they would have written shows. A loaded machine may let a client sleep
        // through the time it has: not in most of the stops.
        assert!(tally.raced + tally.unseen <= times as usize / 2, "of {times} stops: {tally:?}");
    }
    eprintln!("{} stops under load: {tallies:?}", 4 * times);
}
