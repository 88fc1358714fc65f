//! Callers that go away at every moment of a request: nothing of what the request held stays behind.
//!
//! What is left is looked at from outside: every place of the pool is there, because all of them can be taken at
//! once; the write lock is free, because a transaction works at the first try; no file is there that was not before;
//! and no descriptor.

mod awaits;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::common::{Client, Host, eventually, rounds};

/// Six instances for calls from outside, three for those below, three for those below these. Two sleeps of more than
/// half the deadline cannot be made one after the other.
const CONFIG: &str = "
log.filter = 'error'
pool.instances = 12
limits.depth_max = 2
limits.wall_deadline_ms = 9000
limits.hop_reserve_percent = 5
limits.cpu_budget_ms = 200
sql.busy_wait_ms = 300
";
const OUTSIDE: usize = 6;
const BELOW: usize = 3;
const MORE_THAN_HALF_MS: u64 = 5000;

const INSERT: &str = "INSERT INTO note (text) SELECT 'left behind ' || count(*) FROM note";

/// Answered by GET, piece by piece.
const STREAM: &str = "/plugins/hello/stream";

fn method(path: &str) -> &'static str {
    if path == STREAM { "GET" } else { "POST" }
}

/// A request to each thing that waits, or holds something, or both.
fn requests() -> Vec<(&'static str, Value)> {
    let long = 60_000;
    vec![
        ("/plugins/probe/sleep", json!({ "milliseconds": long })),
        ("/plugins/probe/spin", json!({})),
        ("/plugins/probe/query", json!({ "statement": "SELECT count(*) AS n FROM note", "parameters": [] })),
        ("/plugins/probe/execute", json!({ "statement": INSERT, "parameters": [] })),
        ("/plugins/probe/transact", json!({ "statements": [INSERT, INSERT], "commit": true })),
        ("/plugins/probe/hold", json!({ "statements": [INSERT, INSERT], "milliseconds": long })),
        ("/plugins/prober/through", json!({ "action": "sleep", "amount": long })),
        ("/plugins/prober/overlap", json!({ "milliseconds": long, "calls": 2 })),
        ("/plugins/prober/abandon", json!({ "milliseconds": long })),
        ("/plugins/probe/big", json!({ "bytes": 4 << 20 })),
        ("/plugins/hello/echo", json!({ "text": "x".repeat(2000) })),
        (STREAM, json!(null)),
    ]
}

/// How long after its request a caller goes away, in microseconds.
const TIMES_US: [u64; 9] = [0, 100, 300, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/// When the caller goes away.
#[derive(Clone, Copy)]
enum Moment {
    /// So many bytes of the request have been sent.
    Sent(usize),
    /// All but so many have been.
    SentAllBut(usize),
    /// All of it was sent so long ago.
    After(Duration),
    /// So many bytes of the answer have come, or nothing has for a while.
    Received(usize),
}

fn moments() -> Vec<Moment> {
    let after = TIMES_US.map(Duration::from_micros);
    let sent = [0, 1, 20, 100].map(Moment::Sent).into_iter().chain([20, 1].map(Moment::SentAllBut));
    sent.chain(after.map(Moment::After)).chain([1, 100, 100_000].map(Moment::Received)).collect()
}

async fn go_away(address: &str, path: &str, body: &Value, moment: Moment) {
    let body = body.to_string();
    let head = format!(
        "{} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        method(path),
        body.len()
    );
    let request = [head.as_bytes(), body.as_bytes()].concat();
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The host may answer and close at any moment: what it does then is not what is looked at.
    let _ = match moment {
        Moment::Sent(bytes) => stream.write_all(&request[..bytes]).await,
        Moment::SentAllBut(bytes) => stream.write_all(&request[..request.len() - bytes]).await,
        Moment::After(time) => {
            let sent = stream.write_all(&request).await;
            // The time is no wait for anything: it is when the caller goes away.
            tokio::time::sleep(time).await;
            sent
        }
        Moment::Received(bytes) => {
            let sent = stream.write_all(&request).await;
            let mut answer = vec![0; bytes];
            let _ = timeout(Duration::from_millis(30), stream.read_exact(&mut answer)).await;
            sent
        }
    };
    // Some say goodbye, some are just gone: a reset instead of an end.
    if matches!(moment, Moment::After(_)) {
        let _ = stream.set_zero_linger();
    }
}

/// The same for one stream of an HTTP/2 connection, which goes on for the others: the stream is reset.
async fn reset(client: &Client, path: &str, body: &Value, time: Duration) {
    let request = client.request(method(path).parse().unwrap(), path);
    let request = if body.is_null() { request } else { request.json(body) };
    let _ = timeout(time, async { request.send().await?.bytes().await }).await;
}

async fn storm(host: &Host) -> usize {
    let address = host.address().trim_start_matches("http://");
    let http2 = host.http2();
    let mut gone = 0;
    for (path, body) in requests() {
        let moments = moments();
        gone += moments.len();
        join_all(moments.into_iter().map(|moment| go_away(address, path, &body, moment))).await;
        gone += TIMES_US.len();
        join_all(TIMES_US.map(|time| reset(&http2, path, &body, Duration::from_micros(time)))).await;
    }
    gone
}

/// All files below a directory.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => drop(found.insert(entry.path())),
        }
    }
    found
}

fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

/// Takes all places at once, each as another tenant. If one were lost, somebody would wait longer than a call may.
async fn every_place_of_the_pool_is_there(host: &Host) {
    let sleep = json!({ "milliseconds": MORE_THAN_HALF_MS });
    let through = json!({ "action": "sleep", "amount": MORE_THAN_HALF_MS });
    let sleepers = (0..OUTSIDE).map(async |number| {
        let client = host.tenant(&format!("tenant-{number}"));
        match number < BELOW {
            true => client.post("/plugins/prober/through", through.clone()).await,
            false => client.post("/plugins/probe/sleep", sleep.clone()).await,
        }
    });
    for (number, answer) in join_all(sleepers).await.iter().enumerate() {
        let slept = if number < BELOW { json!(format!("slept {MORE_THAN_HALF_MS} ms")) } else { Value::Null };
        assert_eq!(*answer.data(200), slept, "the place of number {number}");
    }
}

async fn a_transaction_works_at_once(host: &Host) {
    let statements = ["DELETE FROM note", "INSERT INTO note (text) VALUES ('the only one')"];
    host.post("/plugins/probe/transact", json!({ "statements": statements, "commit": true })).await.data(200);
    let count = json!({ "statement": "SELECT count(*) AS n FROM note", "parameters": [] });
    assert_eq!(*host.post("/plugins/probe/query", count).await.data(200), json!([["1"]]));
}

/// The same requests, but none that lasts: each is one that the host understands, else the storm would be a breeze.
async fn every_request_is_a_good_one(host: &Host) {
    for (path, mut body) in requests() {
        for time in ["milliseconds", "amount"] {
            if body.get(time).is_some() {
                body[time] = json!(1);
            }
        }
        let answer = if path == STREAM { host.get(path).await } else { host.post(path, body).await };
        // Whatever becomes of it, on however busy a machine: 4xx would be the host's word for a request that is none.
        assert!(!(400..500).contains(&answer.status), "{path}: {answer:?}");
    }
}

/// Waits until at most so many are open. Whoever has gone away is noticed a moment later.
async fn descriptors_are_at_most(host: &Host, most: usize) -> usize {
    let what = format!("no more than {most} open descriptors");
    eventually(&what, async || Some(descriptors(host.id())).filter(|open| *open <= most)).await
}

#[tokio::test]
async fn callers_that_go_away_at_any_moment_leave_nothing_behind() {
    let host = Host::with_config(&["probe", "prober", "hello"], CONFIG).await;
    every_request_is_a_good_one(&host).await;
    // Each tenant's first call makes its database, which stays.
    every_place_of_the_pool_is_there(&host).await;
    let quiet = descriptors(host.id());
    // Opens what is opened once: the connections that read, two descriptors each.
    storm(&host).await;
    let before = descriptors_are_at_most(&host, quiet + 16).await;
    let known = files(&host.scratch().data());
    let mut gone = 0;
    for _ in 0..rounds(2, 100) {
        gone += storm(&host).await;
    }
    descriptors_are_at_most(&host, before + 4).await;
    a_transaction_works_at_once(&host).await;
    every_place_of_the_pool_is_there(&host).await;
    assert_eq!(files(&host.scratch().data()), known);
    println!("{gone} callers went away; {before} descriptors were open before them");
}
