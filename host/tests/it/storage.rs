//! What a plugin's database may take of the disk, measured on the disk while it is attacked.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;
use serde_json::json;
use tokio::task::JoinSet;

use crate::common::{Answer, Client, Host};

const STORAGE: u64 = 1 << 20;
const LOG: u64 = 2 << 20;
const TEMPORARY: u64 = 2 << 20;
const PAGE: u64 = 4096;

async fn run(client: &Client, how: &str, statement: &str, parameters: &[&str]) -> Answer {
    client.post(&format!("/plugins/probe/{how}"), json!({ "statement": statement, "parameters": parameters })).await
}

fn refusal(answer: &Answer) -> String {
    let details = &answer.refusal(400, "sql")["details"];
    format!("{}: {}", details["kind"].as_str().unwrap_or_default(), details["message"].as_str().unwrap_or_default())
}

/// The most that was ever seen of each kind of file.
#[derive(Debug, Default)]
struct Most {
    database: u64,
    log: u64,
    index: u64,
    temporary: u64,
    looks: u64,
}

/// Looks at the files again and again until it is told to stop.
fn watch(data: &Path, process: u32, stop: &AtomicBool) -> Most {
    let file = data.join("tenants/demo/probe.sqlite");
    let beside = |suffix: &str| data.join(format!("tenants/demo/probe.sqlite-{suffix}"));
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let mut most = Most::default();
    while !stop.load(Ordering::Relaxed) {
        most.database = most.database.max(bytes(&file));
        most.log = most.log.max(bytes(&beside("wal")));
        most.index = most.index.max(bytes(&beside("shm")));
        most.temporary = most.temporary.max(temporary(process));
        most.looks += 1;
    }
    most
}

/// The bytes of SQLite's temporary files, which have no name any longer but are open. The files cannot all be looked at in
/// one moment, so it is what those had at least that were there both times: so much there was between the two looks.
fn temporary(process: u32) -> u64 {
    let (before, after) = (unnamed(process), unnamed(process));
    before.iter().filter_map(|(file, bytes)| Some(*bytes.min(after.get(file)?))).sum()
}

/// By number and time of birth, because numbers are used again.
fn unnamed(process: u32) -> HashMap<(u64, SystemTime), u64> {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let unnamed = open.filter(|file| {
        std::fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy().contains("/etilqs_"))
    });
    let found = unnamed.filter_map(|file| std::fs::metadata(file.path()).ok());
    found.map(|found| ((found.ino(), found.created().unwrap_or(SystemTime::UNIX_EPOCH)), found.len())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_32_writers_and_endless_sorts_stay_within_their_bytes_on_the_disk() {
    let config = format!(
        "log.filter = \"error\"\nlimits.wall_deadline_ms = 15000\nsql.storage_bytes = {STORAGE}\n\
         sql.log_bytes = {LOG}\nsql.temporary_bytes = {TEMPORARY}"
    );
    let host = Host::with_config(&["probe"], &config).await;
    let stop = Arc::new(AtomicBool::new(false));
    let watching = {
        let (data, process, stop) = (host.scratch().data(), host.id(), stop.clone());
        std::thread::spawn(move || watch(&data, process, &stop))
    };
    let begun = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..32 {
        writers.spawn(fill(host.tenant("demo"), writer, 20_000));
    }
    let mut sorters = JoinSet::new();
    for _ in 0..3 {
        let (client, stop) = (host.tenant("demo"), stop.clone());
        sorters.spawn(async move {
            let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c ORDER BY -x";
            let mut refused = 0;
            while !stop.load(Ordering::Relaxed) {
                let told = refusal(&run(&client, "query", endless, &[]).await);
                // A writer that waits for readers may keep them away for a while.
                assert!(told.starts_with("quota: temporary bytes: at most 2097152") || told == "busy: ", "{told}");
                refused += u64::from(told != "busy: ");
            }
            refused
        });
    }
    let written: u64 = writers.join_all().await.into_iter().sum();
    stop.store(true, Ordering::Relaxed);
    let sorts: u64 = sorters.join_all().await.into_iter().sum();
    let most = watching.join().unwrap();
    println!(
        "{written} rows from 32 writers, {sorts} endless sorts, in {:.1?}; on disk at most {most:?}",
        begun.elapsed()
    );

    assert!(most.database <= STORAGE && most.log <= LOG && most.temporary <= TEMPORARY, "{most:?}");
    assert!(most.index <= 64 << 10, "{most:?}");
    // The test can see what it looks for.
    assert!(most.log > LOG / 32 && most.temporary > TEMPORARY / 4 && sorts > 0 && most.looks > 10, "{most:?}");
    // Exact: small rows fill what is left, to the last page.
    let written = written + fill(host.tenant("demo"), 32, 500).await;
    let told = refusal(&run(&host, "execute", INSERT, &[&"x".repeat(5_000)]).await);
    let full = format!("quota: storage: the database of this plugin is full with {STORAGE} bytes; delete rows or ask");
    assert!(told.starts_with(&full), "{told}");
    let count = run(&host, "query", "SELECT count(*) FROM note", &[]).await;
    assert_eq!(*count.data(200), json!([[written.to_string()]]));
    let file = Connection::open(host.scratch().data().join("tenants/demo/probe.sqlite")).unwrap();
    let pages: i64 = file.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let pages = pages.cast_unsigned();
    assert!(pages <= STORAGE / PAGE && pages + 2 >= STORAGE / PAGE, "{pages} pages");

    // Another tenant has its own bytes, and deleting makes room.
    run(&host.tenant("other"), "execute", INSERT, &["mine"]).await.data(200);
    let gone = run(&host, "execute", "DELETE FROM note", &[]).await;
    assert_eq!(*gone.data(200), written);
    run(&host, "execute", INSERT, &[&"x".repeat(20_000)]).await.data(200);
}

const INSERT: &str = "INSERT INTO note (text) VALUES ($1)";

/// Writes until the database is full. Gives how many rows were written.
async fn fill(client: Client, writer: u32, bytes: usize) -> u64 {
    let end = Instant::now() + Duration::from_secs(60);
    let mut written = 0;
    loop {
        assert!(Instant::now() < end, "the database is never full");
        let text = format!("{writer} {written} {}", "x".repeat(bytes));
        let answer = run(&client, "execute", INSERT, &[&text]).await;
        if answer.status == 200 {
            written += 1;
            continue;
        }
        let told = refusal(&answer);
        if told.starts_with("quota: storage: ") {
            return written;
        }
        // So many writers wait for each other.
        assert!(told == "busy: ", "{told}");
    }
}

#[tokio::test]
async fn a_transaction_larger_than_the_log_says_so_and_leaves_nothing() {
    let host = Host::with_config(&["probe"], &format!("sql.log_bytes = {LOG}")).await;
    let insert = format!("INSERT INTO note (text) VALUES ('{}' || $1)", "x".repeat(30_000));
    let statements: Vec<String> = (0..60).map(|n| insert.replace("$1", &format!("'{n}'"))).collect();
    let answer = host.post("/plugins/probe/transact", json!({ "statements": statements, "commit": true })).await;
    let told = refusal(&answer);
    assert!(told.starts_with("quota: transaction bytes: what one transaction changes must fit into 2097152"), "{told}");
    assert_eq!(*run(&host, "query", "SELECT count(*) FROM note", &[]).await.data(200), json!([["0"]]));
    for statement in statements {
        run(&host, "execute", &statement, &[]).await.data(200);
        let log = host.scratch().data().join("tenants/demo/probe.sqlite-wal");
        assert!(std::fs::metadata(log).unwrap().len() <= LOG);
    }
    assert_eq!(*run(&host, "query", "SELECT count(*) FROM note", &[]).await.data(200), json!([["60"]]));
}

#[tokio::test]
async fn a_statement_that_would_take_gigabytes_of_memory_is_refused() {
    let host = Host::with_config(&["probe"], "limits.wall_deadline_ms = 25000\nlimits.cpu_budget_ms = 25000").await;
    let columns: Vec<String> = (0..400).map(|n| format!("$1 || '{n}'")).collect();
    let columns = format!("SELECT {}", columns.join(", "));
    let numbers = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 6000) SELECT ";
    let cache = format!("(SELECT count(*) FROM (SELECT DISTINCT '{}' || x FROM c) AS d)", "x".repeat(190));
    let caches = numbers.to_owned() + &vec![cache; 100].join(", ");
    for (statement, parameters) in [(columns, vec!["x".repeat(1_000_000)]), (caches, Vec::new())] {
        let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
        let told = refusal(&run(&host, "query", &statement, &parameters).await);
        assert_eq!(
            told,
            "quota: memory: at most 67108864 bytes for one statement; ask for fewer or smaller columns and subqueries"
        );
        // The connection works as before.
        assert_eq!(*run(&host, "query", "SELECT count(*) FROM note", &[]).await.data(200), json!([["0"]]));
    }
}
