//! The load: many tenants at a steady rate, and one that does not keep to its share.
//!
//! Each side has a thread and connections of its own, so that what is measured is the host and not a client
//! that waits for the other. Requests are sent when they are due, whether or not earlier ones were answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::common::{Client, Host, ask};

/// How many tenants keep to their share.
pub const ORDINARY: u32 = 99;

/// How often each of them asks: so that in a debug build, in which a request takes a millisecond and more, all of them
/// together keep one processor busy for two fifths of the time.
pub const EVERY: Duration = Duration::from_millis(300);

/// How much more often the one asks that does not keep to its share. Ten times is what is promised.
pub const TIMES_ITS_SHARE: u32 = 15;

/// What the ordinary tenants ask for: rows from a database of their own.
pub const ENDPOINT: &str = "/plugins/crm/contacts?take=5";

/// What counts as the time of a request that failed, as on a machine that is far too busy it may.
pub const FAILED: Duration = Duration::from_secs(60);

/// A thread that sends.
pub struct Sender(Option<Runtime>);

impl Sender {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self(Some(runtime))
    }

    pub fn run<T: Send + 'static>(&self, load: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.0.as_ref().expect("taken only by drop").spawn(load)
    }
}

impl Drop for Sender {
    /// Within a runtime, another must not be waited for.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// One client for each ordinary tenant.
pub fn tenants(host: &Host) -> Vec<Client> {
    (0..ORDINARY).map(|index| host.tenant(&format!("tenant-{index}"))).collect()
}

/// Every tenant asks once, some at a time.
pub async fn make_databases(tenants: Vec<Client>) {
    for some in tenants.chunks(16) {
        let answers = futures::future::join_all(some.iter().map(|tenant| tenant.get(ENDPOINT))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:#?}");
    }
}

/// Every tenant asks at its rate, in turn; how long each answer took.
pub async fn steady(tenants: Vec<Client>, lasting: Duration) -> Vec<Duration> {
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for (place, client) in (0..).zip(tenants) {
        let offset = EVERY * place / ORDINARY;
        asking.spawn(async move {
            let mut due = interval_at(begun + offset, EVERY);
            let mut answers = JoinSet::new();
            while due.tick().await < begun + lasting {
                let client = client.clone();
                answers.spawn(async move {
                    let sent = Instant::now();
                    let answer = client.get(ENDPOINT).await;
                    if answer.status == 200 {
                        return sent.elapsed();
                    }
                    println!("an ordinary tenant's request was answered {}: {}", answer.status, answer.text);
                    FAILED
                });
            }
            answers.join_all().await
        });
    }
    asking.join_all().await.into_iter().flatten().collect()
}

/// Computes until the request's processor time for statements is used up.
const ENDLESS: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
static WRITTEN: AtomicU32 = AtomicU32::new(0);

/// What the one tenant does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// What the others do.
    Requests,
    /// Computes until its CPU budget is used up.
    Spinning,
    /// Keeps instances waiting.
    Sleeping,
    /// Makes values of megabytes cross.
    BigResults,
    /// Has the database compute, on threads of its own.
    Queries,
    /// Writes many rows, one by one and each batch durable.
    Writes,
    /// A connection for each request, and many more that say nothing.
    Connections,
}

impl Noise {
    pub const ALL: [Self; 7] = [
        Self::Requests,
        Self::Spinning,
        Self::Sleeping,
        Self::BigResults,
        Self::Queries,
        Self::Writes,
        Self::Connections,
    ];

    fn what(self) -> (Method, &'static str, Value) {
        match self {
            Self::Requests | Self::Connections => (Method::GET, ENDPOINT, Value::Null),
            Self::Spinning => (Method::POST, "/plugins/probe/spin", json!({})),
            Self::Sleeping => (Method::POST, "/plugins/probe/sleep", json!({ "milliseconds": 3000 })),
            Self::BigResults => (Method::POST, "/plugins/probe/big", json!({ "bytes": 1 << 20 })),
            Self::Queries => (Method::POST, "/plugins/probe/query", json!({ "statement": ENDLESS, "parameters": [] })),
            Self::Writes => {
                let first = WRITTEN.fetch_add(100, Ordering::Relaxed);
                let insert = |number| format!("INSERT INTO note (text) VALUES ('row {number}')");
                let statements: Vec<String> = (first..first + 100).map(insert).collect();
                (Method::POST, "/plugins/probe/transact", json!({ "statements": statements, "commit": true }))
            }
        }
    }

    /// How it is answered where it does what it is for. Besides, it may be told that there is no room for more.
    fn status(self) -> u16 {
        match self {
            Self::Requests | Self::Connections | Self::Sleeping | Self::BigResults | Self::Writes => 200,
            Self::Spinning => 503,
            Self::Queries => 400,
        }
    }

    /// Whether these answers, so many of each status, are those of this noise. There are some where none takes long: what
    /// computes for as long as it may is made to wait, and often has no answer by then.
    pub fn was_made(self, answers: &BTreeMap<u16, u32>) -> bool {
        let refused = [429, 503];
        let is_quick = matches!(self, Self::Requests | Self::Connections);
        (!is_quick || answers.contains_key(&self.status()))
            && answers.keys().all(|status| *status == self.status() || refused.contains(status))
    }

    async fn once(self, client: Client, address: SocketAddr) -> u16 {
        if self == Self::Connections {
            return over_its_own_connection(address).await;
        }
        let (method, path, body) = self.what();
        let request = client.request(method.clone(), path);
        ask(if method == Method::POST { request.json(&body) } else { request }).await.status
    }
}

/// The noise for that long; how often each status was answered. Requests that wait are then taken back.
pub async fn noise(noise: Noise, client: Client, address: SocketAddr, lasting: Duration) -> BTreeMap<u16, u32> {
    let idle: Vec<TcpStream> = match noise {
        Noise::Connections => {
            futures::future::try_join_all((0..300).map(|_| TcpStream::connect(address))).await.unwrap()
        }
        _ => Vec::new(),
    };
    let begun = Instant::now();
    let mut due = interval_at(begun, EVERY / TIMES_ITS_SHARE);
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut answers = JoinSet::new();
    let mut statuses = BTreeMap::new();
    while due.tick().await < begun + lasting {
        answers.spawn(noise.once(client.clone(), address));
        while let Some(status) = answers.try_join_next() {
            *statuses.entry(status.unwrap()).or_default() += 1;
        }
    }
    drop(idle);
    statuses
}

async fn over_its_own_connection(address: SocketAddr) -> u16 {
    let request =
        format!("GET {ENDPOINT} HTTP/1.1\r\nHost: localhost\r\nX-Tenant-ID: noisy\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_string(&mut answer).await
    };
    timeout(Duration::from_secs(30), exchange).await.expect("an answer in time").unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {answer}"))
}
