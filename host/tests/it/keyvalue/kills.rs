//! `kill -9` while keys are set: what was acknowledged is there, whole, and what was counted is what was counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::{KEEPER, get};
use crate::common::{Client, Host, rounds};

/// Keys with the bytes that were acknowledged last, and how many votes were sent and acknowledged.
#[derive(Default)]
struct Ledger {
    set: BTreeMap<String, u64>,
    votes_sent: u64,
    votes: u64,
}

async fn write(client: Client, ledger: Arc<Mutex<Ledger>>, prefix: String) {
    let send = async |path: String, body| {
        let answer = client.request(Method::POST, &path).json(&body).send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        assert!(status.is_success(), "{path}: {status} {text}");
        Some(())
    };
    for number in 1_u64.. {
        let key = format!("{prefix}-{}", number % 7);
        let body = json!({ "bucket": "default", "key": key, "bytes": number });
        if send(format!("{KEEPER}/set"), body).await.is_none() {
            return;
        }
        ledger.lock().unwrap().set.insert(key, number);
        ledger.lock().unwrap().votes_sent += 1;
        let voted = send("/plugins/polls/polls/kill/votes".to_owned(), json!({ "voter": "v" })).await;
        if voted.is_none() {
            return;
        }
        ledger.lock().unwrap().votes += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_set_outlives_kill_9() {
    let config = "log.filter = \"error\"\nlimits.cpu_budget_ms = 5000\nlimits.sql_cpu_ms = 20000";
    let mut host = Host::with_config(&["hostile-keeper", "example-keyvalue"], config).await;
    let ledger = Arc::<Mutex<Ledger>>::default();
    for round in 0..rounds(6_u64, 300) {
        let mut writers = JoinSet::new();
        for writer in 0..3 {
            writers.spawn(write((*host).clone(), ledger.clone(), format!("{round}-{writer}")));
        }
        // Not to wait for anything: the moment of the kill.
        tokio::time::sleep(Duration::from_millis(60 + round * 37 % 200)).await;
        host.process().kill();
        writers.join_all().await;
        host.start_again().await;
        let (set, sent, acknowledged) = {
            let ledger = ledger.lock().unwrap();
            (ledger.set.clone(), ledger.votes_sent, ledger.votes)
        };
        for (key, bytes) in set.range(format!("{round}-")..) {
            // What was sent last may be there too.
            let found = get(&host, "default", key).await.as_u64().unwrap_or_default();
            assert!(found == *bytes || found == bytes + 7, "{key}: {found} bytes, {bytes} were acknowledged");
        }
        let tally = host.get("/plugins/polls/polls/kill").await;
        if acknowledged > 0 {
            let (votes, voters) = (&tally.data(200)["votes"], &tally.data(200)["voters"]);
            let (votes, voters) = (votes.as_u64().unwrap(), voters.as_array().unwrap().len() as u64);
            assert!((acknowledged..=sent).contains(&votes), "{votes} of {acknowledged} to {sent}");
            assert!((votes..=sent).contains(&voters), "{voters} voters, {votes} votes");
        }
    }
    let ledger = ledger.lock().unwrap();
    assert!(ledger.set.len() > 6, "hardly anything was written");
    println!("{} keys and {} votes acknowledged", ledger.set.len(), ledger.votes);
}
