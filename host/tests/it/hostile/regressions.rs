//! Mistakes that hosts of this kind have made, one test each.
//!
//! Others have their tests elsewhere. A deadline in epochs that counts waiting: `waiting_uses_up_no_cpu_budget` in
//! `limits`. Limits set only after the instance is made: the attacks before the first function is called, in
//! `attacks/memory`. The outbound client that wasi-http has by default: `a_plugin_reaches_nothing_outside` in
//! `wasi_http`.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::common::memory::peak_kib;
use crate::common::{Client, Host, Process, Scratch};

/// The host is started with arguments, variables, a directory and standard streams; a plugin sees none of them.
#[tokio::test]
async fn a_plugin_inherits_nothing_of_the_hosts_process() {
    let scratch = Scratch::with_plugins(&["hostile-curious"]);
    let mut command = scratch.serve();
    command.arg("--dev").env("HOSTS_SECRET", "canary");
    let process = Process::start(&scratch, command).await;
    let seen = Client::new(process.address()).post("/plugins/hostile-curious/look", json!({})).await;
    assert_eq!(*seen.data(200), json!([]));
}

/// A call whose future was dropped while it waited has spoilt its store: no later call may get it.
#[tokio::test]
async fn the_store_of_a_call_that_was_given_up_is_used_by_nobody() {
    let scratch = Scratch::with_plugins(&["hostile-curious"]);
    let config = scratch.file("tenon.toml", "limits.wall_deadline_ms = 1500\npool.instances = 2\nlimits.depth_max = 0");
    let mut command = scratch.serve();
    command.args(["--dev", "--config", config.to_str().unwrap()]);
    let process = Process::start(&scratch, command).await;
    let client = Client::new(process.address());
    let count = async |milliseconds: u64| {
        client.post("/plugins/hostile-curious/count", json!({ "milliseconds": milliseconds })).await
    };
    for _ in 0..2 {
        // Given up by the host, at the deadline, in every place of the pool.
        for answer in join_all([count(60_000), count(60_000)]).await {
            answer.refusal(504, "deadline");
        }
        // Given up by the client.
        let impatient = client.request(reqwest::Method::POST, "/plugins/hostile-curious/count");
        let impatient = impatient.json(&json!({ "milliseconds": 60_000 })).timeout(Duration::from_millis(50)).send();
        assert!(impatient.await.is_err(), "it was answered");
        for answer in join_all([count(0), count(0), count(0)]).await {
            assert_eq!(*answer.data(200), Value::from(1), "calls in this instance");
        }
    }
}

/// Each call of a chain holds an instance while it waits for the next. With one instance for each depth, and far more
/// chains and trees of calls than that, nobody waits for somebody who waits for it.
#[tokio::test]
async fn more_nested_calls_than_instances_end_in_answers_or_errors_and_never_in_a_deadlock() {
    let scratch = Scratch::with_plugins(&["ping", "pong", "hostile-fan", "hostile-fan-back"]);
    let config = "pool.instances = 9\nlimits.depth_max = 8\nlimits.wall_deadline_ms = 3000";
    let config = scratch.file("tenon.toml", config);
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let begun = Instant::now();
    let chains = join_all((0..40).map(|_| host.get("/plugins/ping/ping/8")));
    let trees = join_all((0..8).map(|_| host.post("/plugins/hostile-fan/spread", json!({ "width": 8 }))));
    let (chains, trees) = tokio::join!(chains, trees);
    for answer in chains.iter().chain(&trees) {
        assert!([200, 503, 504].contains(&answer.status), "{answer:?}");
    }
    // Far beyond the deadline, and far below what the client waits.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(chains.iter().any(|answer| answer.status == 200), "no chain at all came to its end: {:?}", chains[0]);
    assert_eq!(*host.get("/plugins/ping/ping/8").await.data(200), 8);
}

/// What a call may have is meant for each call, and a request may make many at once. But memory costs when it is
/// written to, and all calls of a request have one CPU budget: it ends long before the memory of all of them does. How long before depends on the machine; half is sure.
#[tokio::test]
async fn the_cpu_budget_bounds_the_memory_that_a_request_can_write_to_in_all_its_calls() {
    // The budget alone is to end it.
    let config = "limits.cpu_budget_ms = 50\nlimits.hop_cpu_min_percent = 0\nbreaker.failures = 1000000";
    let host = Host::with_config(&["hostile-fan", "hostile-fan-back"], config).await;
    let fill = async |calls: u32, mebibytes: u32| {
        host.post("/plugins/hostile-fan/keep", json!({ "calls": calls, "mebibytes": mebibytes })).await
    };
    fill(1, 1_000).await.data(200);
    let before = peak_kib(host.id());
    fill(32, 60).await.refusal(503, "cpu_budget");
    let more = (peak_kib(host.id()) - before) / 1024;
    println!("a request that asked for 1920 MiB in 32 calls made the host {more} MiB larger");
    assert!(more < 960, "it had {more} MiB");
}
