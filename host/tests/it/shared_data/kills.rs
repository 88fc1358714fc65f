//! `kill -9` while shared data is changed: what was acknowledged is there, counted once, and heard of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{NEWS, OPEN, get, hearing, sharers, start};
use crate::common::{Client, eventually, rounds};

const CONFIG: &str = "log.filter = \"error\"\nlimits.cpu_budget_ms = 5000\nlimits.sql_cpu_ms = 20000\n\
    events.backoff_first_ms = 20\nevents.backoff_most_ms = 200\nevents.attempts = 1000\nevents.lease_ms = 2000\n\
    events.handler_deadline_ms = 1500\n";

#[derive(Default)]
struct Ledger {
    /// The value that was acknowledged last under each key.
    set: BTreeMap<String, u64>,
    /// The versions of the changes that were acknowledged.
    versions: BTreeSet<u64>,
    adds_sent: u64,
    adds: u64,
}

async fn write(client: Client, ledger: Arc<Mutex<Ledger>>, writer: String) {
    let send = async |path: &str, body: Value| {
        let request = client.request(Method::POST, &format!("/plugins/sharer-a/{path}")).json(&body);
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        assert!(status.is_success(), "{path}: {status} {text}");
        Some(serde_json::from_str::<Value>(&text).unwrap()["data"].clone())
    };
    for number in 1_u64.. {
        let key = format!("{writer}-{}", number % 5);
        let body = json!({ "namespace": NEWS, "key": key, "value": number.to_string() });
        let Some(version) = send("set", body).await else { return };
        {
            let mut ledger = ledger.lock().unwrap();
            ledger.set.insert(key, number);
            ledger.versions.insert(version.as_u64().unwrap());
            ledger.adds_sent += 1;
        }
        if send("add", json!({ "namespace": OPEN, "key": "sum" })).await.is_none() {
            return;
        }
        ledger.lock().unwrap().adds += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_kill_9_and_is_heard_of() {
    let mut host = start(sharers(hearing), CONFIG).await;
    let ledger = Arc::<Mutex<Ledger>>::default();
    for round in 0..rounds(5_u64, 200) {
        let mut writers = JoinSet::new();
        for writer in 0..3 {
            writers.spawn(write((*host).clone(), ledger.clone(), format!("{round}-{writer}")));
        }
        // Not to wait for anything: the moment of the kill.
        tokio::time::sleep(Duration::from_millis(80 + round * 37 % 200)).await;
        host.process().kill();
        writers.join_all().await;
        host.start_again().await;
    }
    let ledger = std::mem::take(&mut *ledger.lock().unwrap());
    assert!(ledger.set.len() > 4, "hardly anything was written");
    for (key, number) in &ledger.set {
        let found = get(&host, "c", NEWS, key).await.data(200)["value"].as_str().unwrap().parse::<u64>().unwrap();
        // What was sent last may be there too.
        assert!(found == *number || found == number + 5, "{key}: {found}, {number} was acknowledged");
    }
    let sum = get(&host, "b", OPEN, "sum").await.data(200)["value"].as_str().map_or(0, |sum| sum.parse().unwrap());
    assert!((ledger.adds..=ledger.adds_sent).contains(&sum), "{sum} of {} to {}", ledger.adds, ledger.adds_sent);
    eventually("every change to be heard of", async || {
        let heard = host.get("/plugins/sharer-c/heard").await.rows().to_vec();
        let heard: BTreeSet<u64> = heard
            .iter()
            .map(|event| serde_json::from_str::<Value>(event.as_str().unwrap()).unwrap()["version"].as_u64().unwrap())
            .collect();
        ledger.versions.is_subset(&heard).then_some(())
    })
    .await;
    println!("{} keys, {} changes and {} sums acknowledged", ledger.set.len(), ledger.versions.len(), ledger.adds);
}
