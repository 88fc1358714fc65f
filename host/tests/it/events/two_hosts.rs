//! Two hosts on one data directory, which both publish and deliver.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::task::JoinSet;

use super::kills::{Ledger, compare};
use super::second;
use crate::common::{Client, Host, Process, Scratch, rounds};

/// What the other host has left is found soon.
const CONFIG: &str = "log.filter = \"error\"\nevents.backoff_first_ms = 20\nevents.backoff_most_ms = 200\n\
    events.attempts = 1000\nevents.lease_ms = 4000\nevents.handler_deadline_ms = 3000\nsql.busy_wait_ms = 10000\n\
    limits.cpu_budget_ms = 5000\n";
const WRITERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_either_publishes_has_one_effect_and_keeps_its_order_also_when_one_is_killed() {
    let scratch = Scratch::with_plugins(&["crier"]);
    second(&scratch);
    let config = scratch.file("tenon.toml", CONFIG);
    let arguments = ["--dev", "--config", config.to_str().unwrap()];
    let host = Host::start(scratch, &arguments).await;
    let other = async || {
        let mut command = host.scratch().serve();
        command.args(arguments);
        Process::start(host.scratch(), command).await
    };
    let (ledger, each) = (Arc::<Mutex<Ledger>>::default(), rounds(25, 500));
    for round in 0..2 {
        let mut process = other().await;
        let clients = [(*host).clone(), Client::new(process.address())].map(|client| client.tenant("acme"));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write(clients.clone(), ledger.clone(), round, writer, each));
        }
        writers.join_all().await;
        // Whatever it has published and not delivered, the one that is left delivers.
        process.kill();
    }
    let ledger = std::mem::take(&mut *ledger.lock().unwrap());
    assert_eq!(ledger.acknowledged.len(), 2 * WRITERS * each as usize);
    for plugin in ["crier-a", "crier-b"] {
        compare(&host.tenant("acme"), plugin, &ledger).await;
    }
}

/// Publishes one event after the other under the writer's key, by the one host and by the other in turn.
async fn write(clients: [Client; 2], ledger: Arc<Mutex<Ledger>>, round: u64, writer: usize, count: u32) {
    for number in 0..count {
        let name = format!("{writer}:{:010}", round * 100_000 + u64::from(number));
        let data = json!({ "name": name }).to_string();
        let body = json!({ "topic": "news.plain", "key": format!("w{writer}"), "data": data });
        ledger.lock().unwrap().sent.insert(name.clone());
        let client = &clients[(number as usize + writer) % clients.len()];
        client.post("/plugins/crier-a/publish", body).await.data(200);
        ledger.lock().unwrap().acknowledged.insert(name);
    }
}
