//! `kill -9` again and again while events flow. Each event whose publication was answered has its effect, and none has two;
//! those of one key have theirs in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{data, second};
use crate::common::{Client, Host, Scratch, eventually, rounds};

const CONFIG: &str = "log.filter = \"off\"\nevents.backoff_first_ms = 20\nevents.backoff_most_ms = 200\nevents.attempts = 1000\n\
    events.lease_ms = 2000\nevents.handler_deadline_ms = 1500\n";

#[derive(Default)]
pub(super) struct Ledger {
    pub sent: BTreeSet<String>,
    pub acknowledged: BTreeSet<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_has_one_effect_and_keeps_its_order_however_often_the_host_is_killed() {
    let seed = std::env::var("TENON_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut seed: u64 = seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    println!("TENON_KILL_SEED={seed}");
    let (kills, begun) = (rounds(12, 60), Instant::now());
    let scratch = Scratch::with_plugins(&["crier"]);
    second(&scratch);
    let config = scratch.file("tenon.toml", CONFIG);
    let mut host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let ledger = Arc::<Mutex<Ledger>>::default();
    for round in 0..kills {
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            writers.spawn(write(host.tenant("acme"), ledger.clone(), round, writer));
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis(50 + (seed >> 33) % 400)).await;
        host.process().kill();
        writers.join_all().await;
        host.start_again().await;
    }
    let ledger = std::mem::take(&mut *ledger.lock().unwrap());
    let client = host.tenant("acme");
    for plugin in ["crier-a", "crier-b"] {
        compare(&client, plugin, &ledger).await;
    }
    let (sent, acknowledged) = (ledger.sent.len(), ledger.acknowledged.len());
    println!("{kills} kills, {sent} events sent, {acknowledged} acknowledged, in {:.1?}", begun.elapsed());
    assert!(acknowledged > kills as usize, "hardly anything was published: {acknowledged}");
}

/// Publishes one event after the other under the writer's key, until the host is gone: alone and in transactions.
async fn write(client: Client, ledger: Arc<Mutex<Ledger>>, round: u32, writer: u32) {
    for number in 0.. {
        let name = format!("{writer}:{:010}", u64::from(round) * 100_000 + number);
        let data = json!({ "name": name }).to_string();
        let body = json!({ "topic": "news.plain", "key": format!("w{writer}"), "data": data, "commit": true });
        let (path, body) = match writer.is_multiple_of(2) {
            true => ("/plugins/crier-a/transact", body),
            false => ("/plugins/crier-a/publish", without_commit(body)),
        };
        ledger.lock().unwrap().sent.insert(name.clone());
        let Ok(answer) = client.request(reqwest::Method::POST, path).json(&body).send().await else { return };
        let status = answer.status();
        let Ok(text) = answer.text().await else { return };
        assert!(status.is_success(), "{name}: {status} {text}");
        ledger.lock().unwrap().acknowledged.insert(name);
    }
}

fn without_commit(mut body: Value) -> Value {
    body.as_object_mut().unwrap().remove("commit");
    body
}

/// Waits until everything that was acknowledged is handled, and looks that nothing is there twice or out of order.
pub(super) async fn compare(client: &Client, plugin: &str, ledger: &Ledger) {
    let path = format!("/plugins/{plugin}/handled");
    let names = eventually("everything to be handled", async || {
        let handled = client.get(&path).await.rows().to_vec();
        let names: Vec<String> = handled.iter().map(|row| data(row)["name"].as_str().unwrap().to_owned()).collect();
        let once: BTreeSet<&String> = names.iter().collect();
        assert_eq!(once.len(), names.len(), "{plugin}: something had its effect twice");
        ledger.acknowledged.iter().all(|name| once.contains(name)).then_some(names)
    })
    .await;
    let mut keys: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for name in &names {
        assert!(ledger.sent.contains(name), "{plugin}: {name} was never sent");
        keys.entry(name.split(':').next().unwrap()).or_default().push(name);
    }
    for (key, names) in keys {
        assert!(names.is_sorted(), "{plugin}: events of the key w{key} are out of order");
    }
}
