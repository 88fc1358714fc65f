//! A plugin's own tables, seen through a plugin that runs whatever SQL it is told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::common::{Answer, Client, Host, eventually};

const QUERY: &str = "/plugins/probe/query";
const EXECUTE: &str = "/plugins/probe/execute";

async fn run(client: &Client, endpoint: &str, statement: &str, parameters: &[&str]) -> Answer {
    client.post(endpoint, json!({ "statement": statement, "parameters": parameters })).await
}

async fn rows(client: &Client, statement: &str) -> Value {
    run(client, QUERY, statement, &[]).await.data(200).clone()
}

async fn execute(client: &Client, statement: &str, parameters: &[&str]) -> u64 {
    run(client, EXECUTE, statement, parameters).await.data(200).as_u64().unwrap()
}

/// The host's error as `kind: message`.
#[track_caller]
fn refusal(answer: &Answer) -> String {
    let details = &answer.refusal(400, "sql")["details"];
    let (Some(kind), Some(message)) = (details["kind"].as_str(), details["message"].as_str()) else {
        panic!("expected an SQL error: {answer:#?}")
    };
    format!("{kind}: {message}")
}

async fn transact(client: &Client, statements: &[&str], commit: bool) -> Answer {
    client.post("/plugins/probe/transact", json!({ "statements": statements, "commit": commit })).await
}

/// Begins a transaction, runs the statement in it, waits and traps.
async fn hold(client: &Client, statement: &str, milliseconds: u64) -> Answer {
    client.post("/plugins/probe/hold", json!({ "statements": [statement], "milliseconds": milliseconds })).await
}

const TEXTS: &str = "SELECT text FROM note ORDER BY id";

/// Statements that try to leave the plugin's own tables, each with the kind of its refusal.
const ATTEMPTS: &[(&str, &str)] = &[
    ("denied", "ATTACH DATABASE '/etc/passwd' AS other"),
    ("denied", "ATTACH '../crm.sqlite' AS other"),
    ("denied", "DETACH main"),
    ("denied", "/* SELECT */ ATTACH '/x' AS x"),
    ("denied", "PRAGMA journal_mode = DELETE"),
    ("denied", "PRAGMA writable_schema = ON"),
    ("denied", "pragma table_info(note)"),
    ("denied", "SELECT * FROM pragma_table_info('note')"),
    ("denied", "SELECT * FROM pragma_database_list"),
    ("denied", "SELECT * FROM \"PRAGMA_DATABASE_LIST\""),
    ("denied", "SELECT load_extension('/tmp/x.so')"),
    ("denied", "SELECT \"load_extension\"('/tmp/x.so')"),
    ("denied", "SELECT 1; SELECT 2"),
    ("denied", "SELECT 1; DROP TABLE note"),
    ("denied", "SELECT 1;; PRAGMA user_version = 1"),
    ("denied", "SELECT 1 /* ; */ ; PRAGMA user_version = 1"),
    ("denied", "SELECT 1 --\n; DELETE FROM note"),
    ("denied", "--SELECT 1\nVACUUM"),
    ("denied", "VACUUM INTO '/tmp/tenon-stolen.sqlite'"),
    ("denied", "SELECT * FROM sqlite_master"),
    ("denied", "SELECT sql FROM \"SQLITE_Schema\""),
    ("denied", "SELECT text FROM note UNION SELECT sql FROM sqlite_master"),
    ("denied", "SELECT id FROM note WHERE text IN (SELECT name FROM sqlite_master)"),
    ("denied", "WITH x AS (SELECT * FROM sqlite_schema) SELECT * FROM x"),
    ("denied", "INSERT INTO note (text) VALUES ('x') RETURNING (SELECT sql FROM sqlite_master)"),
    ("denied", "UPDATE sqlite_schema SET sql = 'x'"),
    ("denied", "DELETE FROM sqlite_sequence"),
    ("denied", "SELECT * FROM sqlite_temp_master"),
    ("denied", "SELECT * FROM _tenon_migration"),
    ("denied", "SELECT (SELECT count(*) FROM \"_TENON_migration\")"),
    ("denied", "DELETE FROM _tenon_migration"),
    ("denied", "INSERT INTO _tenon_outbox (id) VALUES (1)"),
    ("denied", "SELECT * FROM main.note"),
    ("denied", "SELECT * FROM temp.note"),
    ("denied", "SELECT main.note.text FROM note"),
    ("denied", "SELECT * FROM demo.public.note"),
    ("denied", "SELECT * FROM information_schema.tables"),
    ("denied", "SELECT * FROM pg_catalog.pg_user"),
    ("denied", "CREATE TEMP TABLE x (a INTEGER)"),
    ("denied", "CREATE TABLE x (a INTEGER)"),
    ("denied", "CREATE TRIGGER x AFTER INSERT ON note BEGIN SELECT 1; END"),
    ("denied", "CREATE VIRTUAL TABLE x USING fts5(a)"),
    ("denied", "DROP TABLE note"),
    ("denied", "ALTER TABLE note RENAME TO x"),
    ("denied", "BEGIN IMMEDIATE"),
    ("denied", "COMMIT"),
    ("denied", "SAVEPOINT x"),
    ("denied", "REPLACE INTO note (text) VALUES ('x')"),
    ("denied", "EXPLAIN SELECT 1"),
    ("denied", "SELECT readfile('/etc/passwd')"),
    ("denied", "SELECT writefile('/tmp/tenon-x', 'y')"),
    ("denied", "SELECT zeroblob(2000000000)"),
    ("denied", "SELECT printf('%1000000000d', 1)"),
    ("denied", "SELECT * FROM generate_series(1, 1000000000)"),
    ("denied", "SELECT * FROM json_each('[1]')"),
    ("denied", "SELECT rowid FROM note"),
    ("denied", "COPY note FROM '/etc/passwd'"),
    ("syntax", "SELECT * FROM [sqlite_master]"),
    ("syntax", "SELECT * FROM `sqlite_master`"),
    ("syntax", "SELECT 'a\0b'"),
    // Tables of the CRM, which is loaded beside it and has the same tenant.
    ("invalid", "SELECT * FROM contact"),
    ("invalid", "DELETE FROM deal"),
];

#[tokio::test]
async fn no_statement_leaves_the_plugins_own_tables() {
    let host = Host::with_plugins(&["probe", "crm"]).await;
    // The CRM's tables are made, so that there is something to reach.
    assert_eq!(host.get("/plugins/crm/contacts").await.total(), 4);
    execute(&host, "INSERT INTO note (text) VALUES ('kept')", &[]).await;
    for (kind, statement) in ATTEMPTS {
        for endpoint in [QUERY, EXECUTE] {
            let refused = run(&host, endpoint, statement, &[]).await;
            assert!(refusal(&refused).starts_with(&format!("{kind}: ")), "{statement}: {refused:#?}");
        }
        assert_eq!(rows(&host, TEXTS).await, json!([["kept"]]), "after {statement}");
    }
    assert_eq!(host.get("/plugins/crm/contacts").await.total(), 4);
    assert!(!std::path::Path::new("/tmp/tenon-stolen.sqlite").exists());
}

#[tokio::test]
async fn a_transaction_is_no_way_out_either() {
    let host = Host::with_plugins(&["probe"]).await;
    for (kind, statement) in ATTEMPTS {
        let refused = transact(&host, &["INSERT INTO note (text) VALUES ('x')", statement], true).await;
        assert!(refusal(&refused).starts_with(&format!("{kind}: ")), "{statement}: {refused:#?}");
    }
    assert_eq!(rows(&host, TEXTS).await, json!([]));
}

#[tokio::test]
async fn a_query_without_end_stops_in_time_for_the_plugin_to_say_so() {
    let host = Host::with_config(&["probe"], "limits.wall_deadline_ms = 3000\nlimits.sql_cpu_ms = 60000").await;
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let begun = Instant::now();
    // As many as there are connections that read, and one more.
    let queries = (0..5).map(|_| run(&host, QUERY, endless, &[]));
    let watch = async {
        let alive = Instant::now();
        assert_eq!(host.get("/health/live").await.status, 200);
        assert_eq!(rows(&host.tenant("other"), TEXTS).await, json!([]));
        alive.elapsed()
    };
    let (answers, others) = tokio::join!(futures::future::join_all(queries), watch);
    assert!(others < Duration::from_millis(2200), "others waited {others:?}");
    for answer in answers {
        let told = refusal(&answer);
        assert!(told == "timeout: " || told == "busy: ", "{told}");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(rows(&host, TEXTS).await, json!([]));
}

#[tokio::test]
async fn a_broken_rule_is_told_by_its_kind_and_name() {
    let host = Host::with_plugins(&["probe"]).await;
    execute(&host, "INSERT INTO note (id, text) VALUES (1, $1)", &["a"]).await;
    for (statement, expected) in [
        ("INSERT INTO note (text) VALUES ('a')", "constraint: unique: note.text"),
        ("INSERT INTO note (id, text) VALUES (1, 'b')", "constraint: primary-key: note.id"),
        ("UPDATE note SET text = NULL", "constraint: not-null: note.text"),
        ("UPDATE note SET done = 7", "constraint: check: note_done_boolean"),
    ] {
        assert_eq!(refusal(&run(&host, EXECUTE, statement, &[]).await), expected, "{statement}");
    }
    assert_eq!(rows(&host, TEXTS).await, json!([["a"]]));
}

#[tokio::test]
async fn a_statement_that_cannot_be_read_is_told_with_its_place() {
    let host = Host::with_plugins(&["probe"]).await;
    let told = refusal(&run(&host, QUERY, "SELECT id\nFROM )", &[]).await);
    assert!(told.starts_with("syntax: 2:6: "), "{told}");
    for (statement, name) in [("SELECT nope FROM note", "nope"), ("SELECT 1 FROM missing", "missing")] {
        let told = refusal(&run(&host, QUERY, statement, &[]).await);
        assert!(told.starts_with("invalid: ") && told.contains(name), "{told}");
    }
    let told = refusal(&run(&host, QUERY, "SELECT $2", &["one"]).await);
    assert_eq!(told, "invalid: the statement has 2 parameters, 1 values were given");
    let told = refusal(&run(&host, QUERY, "UPDATE note SET done = TRUE", &[]).await);
    assert!(told.starts_with("invalid: the statement returns no rows"), "{told}");
}

#[tokio::test]
async fn a_text_is_never_read_as_sql() {
    let host = Host::with_plugins(&["probe"]).await;
    for hostile in ["'; DROP TABLE note; --", "' OR ''='", "\\', \"\0 \u{202e}äß漢字", ""] {
        execute(&host, "INSERT INTO note (text) VALUES ($1)", &[hostile]).await;
        let found = run(&host, QUERY, "SELECT text FROM note WHERE text = $1", &[hostile]).await;
        assert_eq!(*found.data(200), json!([[hostile]]), "{hostile:?}");
    }
    assert_eq!(rows(&host, "SELECT count(*) FROM note").await, json!([["4"]]));
}

#[tokio::test]
async fn booleans_and_nulls_come_back_as_they_were() {
    let host = Host::with_plugins(&["probe"]).await;
    execute(&host, "INSERT INTO note (id, text, done) VALUES (1, 'a', TRUE), (2, 'b', FALSE)", &[]).await;
    execute(&host, "INSERT INTO note (id, text) VALUES (3, 'c')", &[]).await;
    let all = "SELECT id, done, NULLIF(text, 'b') FROM note ORDER BY id";
    assert_eq!(rows(&host, all).await, json!([["1", "true", "a"], ["2", "false", null], ["3", "false", "c"]]));
    assert_eq!(rows(&host, "SELECT id FROM note WHERE done").await, json!([["1"]]));
}

#[tokio::test]
async fn a_commit_is_seen_by_the_next_call_and_a_dropped_transaction_by_none() {
    let host = Host::with_plugins(&["probe"]).await;
    let two = ["INSERT INTO note (text) VALUES ('a')", "INSERT INTO note (text) VALUES ('b')"];
    assert_eq!(*transact(&host, &two, false).await.data(200), 2);
    assert_eq!(rows(&host, TEXTS).await, json!([]));
    assert_eq!(*transact(&host, &two, true).await.data(200), 2);
    assert_eq!(rows(&host, TEXTS).await, json!([["a"], ["b"]]));
    // One that fails half way leaves nothing either.
    let failing = ["INSERT INTO note (text) VALUES ('c')", "INSERT INTO note (text) VALUES ('a')"];
    assert_eq!(refusal(&transact(&host, &failing, true).await), "constraint: unique: note.text");
    assert_eq!(rows(&host, TEXTS).await, json!([["a"], ["b"]]));
}

#[tokio::test]
async fn a_trap_within_a_transaction_rolls_it_back_and_frees_the_writer() {
    let host = Host::with_config(&["probe"], "sql.busy_wait_ms = 100").await;
    let holder = host.tenant("demo");
    let held = tokio::spawn(async move { hold(&holder, "INSERT INTO note (text) VALUES ('held')", 3_000).await });
    // A writer finds it busy as soon as it has begun. What was written until then is no matter.
    let busy = eventually("the writer to be held", async || {
        assert!(!held.is_finished(), "the transaction ended before anyone met it");
        let written = run(&host, EXECUTE, "UPDATE note SET done = TRUE", &[]).await;
        (written.status != 200).then_some(written)
    });
    assert_eq!(refusal(&busy.await), "busy: ");
    // Reads go on meanwhile, and see nothing of it.
    assert_eq!(rows(&host, TEXTS).await, json!([]));
    assert!(!held.is_finished(), "it was not held while others read");
    // So does another tenant's writer.
    execute(&host.tenant("other"), "INSERT INTO note (text) VALUES ('mine')", &[]).await;

    held.await.unwrap().refusal(502, "plugin_trapped");
    execute(&host, "INSERT INTO note (text) VALUES ('after')", &[]).await;
    assert_eq!(rows(&host, TEXTS).await, json!([["after"]]));
}

#[tokio::test]
async fn a_second_writer_waits_for_the_first() {
    let host = Host::with_config(&["probe"], "sql.busy_wait_ms = 20000\nlimits.wall_deadline_ms = 25000").await;
    let begun = Instant::now();
    let (first, second) = tokio::join!(
        hold(&host, "INSERT INTO note (text) VALUES ('first')", 300),
        hold(&host, "INSERT INTO note (text) VALUES ('second')", 300),
    );
    // Neither was busy: both came as far as their trap, one after the other.
    first.refusal(502, "plugin_trapped");
    second.refusal(502, "plugin_trapped");
    assert!(begun.elapsed() >= Duration::from_millis(600), "they held it together: {:?}", begun.elapsed());
    assert_eq!(rows(&host, TEXTS).await, json!([]));
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_transaction_with_it() {
    let config = "sql.busy_wait_ms = 10000\nlimits.wall_deadline_ms = 25000";
    let host = Host::with_config(&["probe"], config).await;
    // The database is there before, so that what is timed is the transaction.
    assert_eq!(rows(&host, TEXTS).await, json!([]));
    let leaving = hold(&host, "INSERT INTO note (text) VALUES ('held')", 24_000);
    assert!(timeout(Duration::from_millis(500), leaving).await.is_err(), "it did not hold");
    execute(&host, "INSERT INTO note (text) VALUES ('after')", &[]).await;
    assert_eq!(rows(&host, TEXTS).await, json!([["after"]]));
}

#[tokio::test]
async fn two_tenants_never_see_each_others_rows() {
    let host = Host::with_plugins(&["probe"]).await;
    let (acme, globex) = (host.tenant("acme"), host.tenant("globex"));
    let (mine, yours) = tokio::join!(
        async {
            for text in ["a1", "a2"] {
                execute(&acme, "INSERT INTO note (text) VALUES ($1)", &[text]).await;
            }
            rows(&acme, TEXTS).await
        },
        async {
            // The same key and text as the other's: no constraint reaches across.
            for text in ["a1", "g2"] {
                execute(&globex, "INSERT INTO note (text) VALUES ($1)", &[text]).await;
            }
            rows(&globex, TEXTS).await
        }
    );
    assert_eq!((mine, yours), (json!([["a1"], ["a2"]]), json!([["a1"], ["g2"]])));
    assert_eq!(execute(&acme, "DELETE FROM note", &[]).await, 2);
    assert_eq!(rows(&globex, TEXTS).await, json!([["a1"], ["g2"]]));
    assert_eq!(rows(&host, TEXTS).await, json!([]));
}

#[tokio::test]
async fn a_result_too_large_is_refused_with_the_way_to_page() {
    let config = "sql.result_rows = 100\nsql.result_bytes = 65536\nsql.value_bytes = 70000";
    let host = Host::with_config(&["probe"], config).await;
    let numbers = |most: u32| {
        format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most}) SELECT i FROM n")
    };
    let told = refusal(&run(&host, QUERY, &numbers(101), &[]).await);
    assert_eq!(told, "quota: result rows: at most 100; page with LIMIT and OFFSET");
    assert_eq!(rows(&host, &numbers(100)).await.as_array().unwrap().len(), 100);
    assert_eq!(rows(&host, &format!("{} LIMIT 2 OFFSET 100", numbers(500))).await, json!([["101"], ["102"]]));

    let long = "x".repeat(40_000);
    execute(&host, "INSERT INTO note (text) VALUES ($1)", &[&long]).await;
    execute(&host, "INSERT INTO note (text) VALUES ($1 || 'y')", &[&long]).await;
    let told = refusal(&run(&host, QUERY, TEXTS, &[]).await);
    assert_eq!(told, "quota: result bytes: at most 65536; ask for fewer rows or columns");
    let told = refusal(&run(&host, EXECUTE, "UPDATE note SET text = text || text", &[]).await);
    assert!(told.starts_with("quota: size: "), "{told}");
}

#[tokio::test]
async fn what_was_committed_outlives_a_restart() {
    let mut host = Host::with_plugins(&["probe"]).await;
    execute(&host, "INSERT INTO note (text, done) VALUES ('kept', TRUE)", &[]).await;
    host.restart().await;
    assert_eq!(rows(&host, "SELECT text, done FROM note").await, json!([["kept", "true"]]));
}
