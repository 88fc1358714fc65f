//! `kill -9` again and again while somebody listens, who comes back each time with the last id: each event and each
//! notification whose sending was answered is heard, none twice, and those of one sender in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Person;
use crate::common::{Client, Host, Listener, Scratch, eventually, rounds};

#[derive(Default)]
struct Ledger {
    sent: BTreeSet<String>,
    acknowledged: BTreeSet<String>,
    heard: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_heard_exactly_once_however_often_the_host_is_killed() {
    let seed = std::env::var("TENON_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut seed: u64 = seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    println!("TENON_KILL_SEED={seed}");
    let (kills, begun) = (rounds(8, 60), Instant::now());
    let scratch = Scratch::with_plugins(&["crier", "notifier"]);
    let config = scratch.file("tenon.toml", "log.filter = \"off\"\nstream.retry_ms = 1\nstream.heartbeat_ms = 200");
    let mut host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let ledger = Arc::<Mutex<Ledger>>::default();
    let (clients, hosts) = watch::channel(host.tenant("acme"));
    let listening = tokio::spawn(listen(hosts, ledger.clone()));
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
        clients.send_replace(host.tenant("acme"));
    }
    eventually("everything to be heard", async || {
        let ledger = ledger.lock().unwrap();
        let heard: BTreeSet<&String> = ledger.heard.iter().collect();
        ledger.acknowledged.iter().all(|name| heard.contains(name)).then_some(())
    })
    .await;
    listening.abort();
    let ledger = std::mem::take(&mut *ledger.lock().unwrap());
    let once: BTreeSet<&String> = ledger.heard.iter().collect();
    assert_eq!(once.len(), ledger.heard.len(), "something was heard twice");
    let mut writers: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for name in &ledger.heard {
        assert!(ledger.sent.contains(name), "{name} was never sent");
        writers.entry(name.split(':').next().unwrap()).or_default().push(name);
    }
    for (writer, names) in writers {
        assert!(names.is_sorted(), "what {writer} sent is out of order: {names:?}");
    }
    let (sent, acknowledged) = (ledger.sent.len(), ledger.acknowledged.len());
    println!("{kills} kills, {sent} sent, {acknowledged} acknowledged, in {:.1?}", begun.elapsed());
    assert!(acknowledged > kills as usize, "hardly anything was sent: {acknowledged}");
}

/// Listens for as long as it is let, and comes back with the last id.
async fn listen(mut hosts: watch::Receiver<Client>, ledger: Arc<Mutex<Ledger>>) {
    let mut last = String::from("0-0");
    loop {
        let client = hosts.borrow_and_update().clone();
        let person = Person::new(&client, "jo", "owner");
        let request = person.request(Method::GET, "/api/v1/stream?topics=news.*").header("Last-Event-ID", &last);
        let Ok(mut listener) = Listener::try_open(request).await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while let Some(message) = listener.try_message().await {
            assert_ne!(message.event, "reset");
            let name = match message.event.as_str() {
                "notification" => &message.data["title"],
                _ => &message.data["data"]["name"],
            };
            ledger.lock().unwrap().heard.push(name.as_str().unwrap().to_owned());
        }
        if let Some(id) = listener.last_id() {
            last = id.to_owned();
        }
    }
}

/// Sends one after the other until the host is gone: events and notifications, alone and in transactions.
async fn write(client: Client, ledger: Arc<Mutex<Ledger>>, round: u32, writer: u32) {
    for number in 0.. {
        let name = format!("{writer}:{:010}", u64::from(round) * 100_000 + number);
        let data = json!({ "name": name }).to_string();
        let notice = json!({ "kind": "news", "title": name });
        let (path, body) = match writer {
            0 => ("/plugins/crier-a/publish", json!({ "topic": "news.plain", "data": data })),
            1 => ("/plugins/crier-a/transact", json!({ "topic": "news.plain", "data": data, "commit": true })),
            2 => ("/plugins/notifier/send", json!({ "to": {}, "notice": notice })),
            _ => ("/plugins/notifier/transact", json!({ "to": { "user": "jo" }, "notice": notice, "commit": true })),
        };
        ledger.lock().unwrap().sent.insert(name.clone());
        let Ok(answer) = client.request(Method::POST, path).json(&body).send().await else { return };
        let status = answer.status();
        let Ok(text) = answer.text().await else { return };
        assert!(status.is_success(), "{name}: {status} {text}");
        ledger.lock().unwrap().acknowledged.insert(name);
    }
}
