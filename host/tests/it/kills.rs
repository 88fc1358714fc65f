//! `kill -9` while several clients write. What was answered is there exactly once, and nothing is there by half.
//!
//! A ledger in this process notes what was sent and what was answered. A round kills the host at a random moment,
//! starts it again on the same directories, and compares. Rounds of one tenant build on each other; every few rounds a
//! new tenant begins, so that making a database and its migrations are killed too. The seed is printed, and
//! `TENON_KILL_SEED` repeats the moments of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::common::{Client, Host, rounds};

const TAGS: [&str; 3] = ["a", "b", "c"];
/// Rounds that one tenant's databases live through.
const ROUNDS_OF_A_TENANT: u32 = 5;
const CONFIG: &str = "log.filter = \"error\"\npool.instances = 24";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_kill_9_exactly_once_and_nothing_is_there_by_half() {
    let seed = std::env::var("TENON_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    println!("TENON_KILL_SEED={seed}");
    let begun = Instant::now();
    let each = rounds(100_u32, 1_000).div_ceil(2);
    let (one, other) = tokio::join!(one_host(seed, each), one_host(!seed, each));
    let (sent, acknowledged) = (one.0 + other.0, one.1 + other.1);
    println!("{} kills, {sent} writes sent, {acknowledged} acknowledged, in {:.1?}", 2 * each, begun.elapsed());
    assert!(acknowledged > u64::from(each), "hardly anything was written: {acknowledged}");
}

/// Kills one host so often. Gives how many writes were sent and how many acknowledged.
async fn one_host(seed: u64, rounds: u32) -> (u64, u64) {
    let mut moments = Moments(seed);
    let mut host = Host::with_config(&["crm", "probe"], CONFIG).await;
    let (mut sent, mut acknowledged) = (0, 0);
    let mut ledger = Arc::<Mutex<Ledger>>::default();
    for round in 0..rounds {
        if round % ROUNDS_OF_A_TENANT == 0 {
            ledger = Arc::default();
        }
        let tenant = format!("t{}", round / ROUNDS_OF_A_TENANT);
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            writers.spawn(write(host.tenant(&tenant), ledger.clone(), writer, format!("{round}-{writer}")));
        }
        tokio::time::sleep(Duration::from_millis(20 + moments.next() % 130)).await;
        host.process().kill();
        writers.join_all().await;
        host.start_again().await;
        let noted = ledger.lock().unwrap().clone();
        let databases = host.scratch().data().join("tenants").join(&tenant);
        if let Err(wrong) = compare(&host.tenant(&tenant), &databases, &noted).await {
            panic!("seed {seed}, round {round}, tenant {tenant}: {wrong}");
        }
        if (round + 1) % ROUNDS_OF_A_TENANT == 0 || round + 1 == rounds {
            sent += noted.len() as u64;
            acknowledged += noted.values().filter(|acknowledged| **acknowledged).count() as u64;
        }
    }
    sound(&host.scratch().data().join("control.db")).unwrap();
    (sent, acknowledged)
}

/// What was sent, by the kind of write and its name, and whether it was answered with a success.
type Ledger = BTreeMap<(Kind, String), bool>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Contact,
    Deal,
    /// Two notes in one transaction.
    Pair,
}

/// Writes one thing after the other, until the host is gone.
async fn write(client: Client, ledger: Arc<Mutex<Ledger>>, writer: u32, prefix: String) {
    for number in 0.. {
        let name = format!("{prefix}-{number}");
        let (kind, path, body) = match writer {
            0 | 1 => {
                let email = format!("{name}@example.com");
                let contact = json!({ "firstName": "Ada", "lastName": name, "email": email, "tags": TAGS });
                (Kind::Contact, "/plugins/crm/contacts", contact)
            }
            2 => (Kind::Deal, "/plugins/crm/deals", json!({ "title": name, "value": 12.5 })),
            _ => {
                let insert = |side| format!("INSERT INTO note (text) VALUES ('{name} {side}')");
                let pair = json!({ "statements": [insert("left"), insert("right")], "commit": true });
                (Kind::Pair, "/plugins/probe/transact", pair)
            }
        };
        ledger.lock().unwrap().insert((kind, name.clone()), false);
        let Ok(answer) = client.request(Method::POST, path).json(&body).send().await else { return };
        let status = answer.status();
        // An answer that breaks off is none.
        let Ok(text) = answer.text().await else { return };
        assert!(status.is_success(), "{kind:?} {name}: {status} {text}");
        ledger.lock().unwrap().insert((kind, name), true);
    }
}

async fn compare(client: &Client, databases: &Path, ledger: &Ledger) -> Result<(), String> {
    let contacts = all(client, "/plugins/crm/contacts").await;
    for contact in &contacts {
        if contact["tags"] != json!(TAGS) {
            return Err(format!("a contact without its tags: {contact}"));
        }
    }
    let deals = all(client, "/plugins/crm/deals").await;
    let query = json!({ "statement": "SELECT text FROM note ORDER BY id", "parameters": [] });
    let notes = client.post("/plugins/probe/query", query).await;
    let notes: Vec<&str> = notes.rows().iter().filter_map(|row| row[0].as_str()).collect();
    let mut halves: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, side) in notes.iter().filter_map(|note| note.split_once(' ')) {
        halves.entry(name).or_default().push(side);
    }
    if let Some(half) = halves.iter().find(|(_, sides)| **sides != ["left", "right"]) {
        return Err(format!("a transaction by half: {half:?}"));
    }
    let named = |rows: &[Value], field: &str| -> Vec<String> {
        rows.iter().filter_map(|row| row[field].as_str()).map(str::to_owned).collect()
    };
    agrees(ledger, Kind::Contact, &named(&contacts, "lastName"))?;
    agrees(ledger, Kind::Deal, &named(&deals, "title"))?;
    agrees(ledger, Kind::Pair, &halves.keys().map(ToString::to_string).collect::<Vec<_>>())?;
    for plugin in ["crm.sqlite", "probe.sqlite"] {
        sound(&databases.join(plugin))?;
    }
    Ok(())
}

/// Whatever was acknowledged is there, nothing is there twice, and nothing that nobody sent.
fn agrees(ledger: &Ledger, kind: Kind, found: &[String]) -> Result<(), String> {
    let once: BTreeSet<&String> = found.iter().collect();
    if once.len() != found.len() {
        return Err(format!("{kind:?}: something is there twice: {found:?}"));
    }
    for ((_, name), acknowledged) in ledger.iter().filter(|((of, _), _)| *of == kind) {
        if *acknowledged && !once.contains(name) {
            return Err(format!("{kind:?} {name} was acknowledged and is gone"));
        }
    }
    match found.iter().find(|name| !ledger.contains_key(&(kind, (*name).clone()))) {
        Some(unknown) => Err(format!("{kind:?} {unknown} was never sent")),
        None => Ok(()),
    }
}

/// Every row of a list, page by page.
async fn all(client: &Client, path: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    loop {
        let page = client.get(&format!("{path}?skip={}&take=100", rows.len())).await;
        rows.extend_from_slice(page.rows());
        if rows.len() as u64 >= page.total() {
            return rows;
        }
    }
}

/// SQLite's own word on whether a file is whole.
fn sound(file: &Path) -> Result<(), String> {
    let connection = Connection::open(file).map_err(|error| error.to_string())?;
    let told: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(|error| error.to_string())?;
    let mut keys = connection.prepare("PRAGMA foreign_key_check").map_err(|error| error.to_string())?;
    match told == "ok" && !keys.exists([]).map_err(|error| error.to_string())? {
        true => Ok(()),
        false => Err(format!("{}: {told}", file.display())),
    }
}

/// Random numbers that a seed repeats (SplitMix64).
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
