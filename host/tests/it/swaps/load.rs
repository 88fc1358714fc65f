//! Swaps while requests come in: none fails, each answer is of one version, and the old ones go.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinHandle;

use super::{NEVER, host_with, replace};
use crate::common::memory::Memory;
use crate::common::{Client, Host, eventually, rounds};
use crate::files::with_section;
use crate::loader::testdata;

const GREETING: &str = "/plugins/greeter/greetings/Ada";
const ASKED: &str = "/plugins/caller/ask/Ada";

/// How many of these versions the host says it has let go of.
fn released(host: &Host, plugin: &str) -> usize {
    let log = fs::read_to_string(host.scratch().log()).unwrap();
    log.lines().filter(|line| line.contains("plugin released") && line.contains(plugin)).count()
}

/// Asks until it is told to stop, and counts the answers of each version.
fn asking(client: Client, path: &'static str, over: Arc<AtomicBool>) -> JoinHandle<BTreeMap<String, usize>> {
    tokio::spawn(async move {
        let mut answers = BTreeMap::new();
        while !over.load(Ordering::Relaxed) {
            let answer = client.get(path).await;
            let data = answer.data(200);
            // The text of a greeting, or what the caller was told.
            let told = data["text"].as_str().or(data.as_str()).unwrap_or_else(|| panic!("{answer:#?}"));
            *answers.entry(told.to_owned()).or_default() += 1;
        }
        answers
    })
}

/// Puts a version in place and waits until both paths have it; gives how long the first took.
async fn swap(host: &Host, version: &str, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    replace(host, "greeter.wasm", bytes);
    let expected = format!("{version} greets Ada");
    eventually(&format!("{version} to answer"), async || {
        (host.get(GREETING).await.data(200)["text"] == expected).then_some(())
    })
    .await;
    let took = begun.elapsed();
    assert_eq!(*host.get(ASKED).await.data(200), expected, "both were linked in one step");
    took
}

#[tokio::test]
async fn no_request_fails_while_a_plugin_is_swapped_again_and_again_and_nothing_is_left_of_the_old_ones() {
    let config = format!("{NEVER}\nlog.filter = \"info,tenon::runtime=debug\"");
    let versions = [("1.0.0", testdata("greeter-1-0")), ("1.1.0", testdata("greeter-1-1"))];
    let host = host_with(&[("caller.wasm", &testdata("caller")), ("greeter.wasm", &versions[0].1)], &config).await;
    // Both are compiled, and what fills once is filled.
    let mut number = 0;
    let next = |number: &mut usize| {
        *number += 1;
        &versions[*number % 2]
    };
    for _ in 0..4 {
        let (version, bytes) = next(&mut number);
        swap(&host, version, bytes).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        [GREETING, ASKED, GREETING, ASKED].map(|path| asking(host.tenant("acme"), path, over.clone())).into();
    let warm = rounds(10, 100);
    let mut before = None;
    let mut took = Vec::new();
    let swaps = rounds(50, 1000);
    for done in 0..swaps {
        if done == warm {
            before = Some(Memory::settled(host.id()).await);
        }
        let (version, bytes) = next(&mut number);
        took.push(swap(&host, version, bytes).await);
    }
    over.store(true, Ordering::Relaxed);
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    for client in clients {
        for (told, count) in client.await.expect("no request failed") {
            *answers.entry(told).or_default() += count;
        }
    }
    let whole = ["1.0.0 greets Ada", "1.1.0 greets Ada"];
    assert_eq!(answers.keys().collect::<Vec<_>>(), whole, "each answer is of one version");
    // One is left, of all that were loaded: the first, the four of the beginning and the others.
    eventually("all old versions to be let go", async || (released(&host, "greeter") == 4 + swaps).then_some(())).await;
    took.sort();
    let (before, after) = (before.unwrap(), Memory::settled(host.id()).await);
    println!(
        "{swaps} swaps, {answers:?}; from rename to answer p50 {:?}, p99 {:?}; memory {before}, then {after}",
        took[swaps / 2],
        took[swaps * 99 / 100]
    );
    assert!(after.is_no_more_than(before), "{swaps} swaps: {before} before, {after} after");
}

#[tokio::test]
async fn a_new_build_is_compiled_and_answers_soon_after_it_was_renamed_into_place() {
    let host = host_with(&[("greeter.wasm", &testdata("greeter-1-0"))], NEVER).await;
    let builds = rounds(4, 50);
    let mut took = Vec::new();
    for build in 0..builds {
        // Other bytes each time, and another version in turn, so that none is in the cache and the answer tells.
        let (name, version) = [("greeter-1-1", "1.1.0"), ("greeter-1-0", "1.0.0")][build % 2];
        let bytes = with_section(&testdata(name), "build", &build.to_string());
        let begun = Instant::now();
        replace(&host, "greeter.wasm", &bytes);
        eventually("the new build to answer", async || {
            (host.get(GREETING).await.data(200)["text"] == format!("{version} greets Ada")).then_some(())
        })
        .await;
        took.push(begun.elapsed());
    }
    took.sort();
    let (p50, p99) = (took[builds / 2], took[builds * 99 / 100]);
    println!("{builds} builds; from rename to answer, compiling included, p50 {p50:?}, p99 {p99:?}");
    assert!(p99 < Duration::from_secs(30), "p50 {p50:?}, p99 {p99:?}");
}

#[tokio::test]
async fn a_call_under_way_ends_on_the_version_it_began_with_which_is_let_go_after_that() {
    let config = format!("{NEVER}\nlog.filter = \"info,tenon::runtime=debug\"");
    let host = Arc::new(Host::with_config(&["probe"], &config).await);
    let sha256 = async || host.get("/api/v1/plugins/probe").await.data(200)["versions"][0]["sha256"].clone();
    let builds = ["one", "the other"].map(|note| with_section(&testdata("probe"), "note", note));
    // Each is compiled once, so that a swap takes no longer than the call.
    let mut before = sha256().await;
    for build in &builds {
        replace(&host, "probe.wasm", build);
        before = eventually("the build to be taken", async || Some(sha256().await).filter(|now| *now != before)).await;
    }
    eventually("the others to be let go", async || (released(&host, "probe") == 2).then_some(())).await;
    let slow = {
        let host = host.clone();
        tokio::spawn(async move { host.post("/plugins/probe/sleep", json!({ "milliseconds": 3000 })).await })
    };
    // When so many have been answered, one after the other, the one before them has long begun.
    for _ in 0..50 {
        host.get("/plugins/probe/context").await.data(200);
    }
    replace(&host, "probe.wasm", &builds[0]);
    eventually("the next build to be taken", async || (sha256().await != before).then_some(())).await;
    let early = released(&host, "probe") > 2;
    assert!(slow.is_finished() || !early, "it was let go of while a call ran on it");
    slow.await.unwrap().data(200);
    eventually("the old build to be let go", async || (released(&host, "probe") == 3).then_some(())).await;
}
