//! Taking storage and the database's time: floods, queries and sorts without end, answers and statements without
//! measure. What a database takes of the disk meanwhile is measured in `storage.rs`, one level up.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::attack::{Attack, Outcome};
use crate::common::{Answer, Client};

const ENDLESS: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)";

pub fn table() -> Vec<Attack> {
    let deep = format!("SELECT {}1{}", "(SELECT ".repeat(900), ")".repeat(900));
    let doubling = "WITH RECURSIVE c(x) AS (SELECT 'x' UNION ALL SELECT x || x FROM c) SELECT max(length(x)) FROM c";
    let trimming = doubled(17, "SELECT length(rtrim(x, y || 'a')) FROM c WHERE n = 17");
    let replacing = doubled(19, "SELECT length(replace(x, substr(x, 1, 262144) || 'b', 'c')) FROM c WHERE n = 19");
    let finding = doubled(19, "SELECT instr(x, substr(x, 1, 262144) || 'b') FROM c WHERE n = 19");
    let like = doubled(19, &format!("SELECT x || x || x || x LIKE '%{}b' FROM c WHERE n = 19", "a".repeat(250)));
    let ilike = doubled(17, &format!("SELECT count(*) FROM c, c AS d WHERE c.x ILIKE '%{}b'", "_".repeat(250)));
    vec![
        endless("a query without end", format!("{ENDLESS} SELECT count(*) FROM c"), PROCESSOR).times(2, 2),
        Attack::run_by("a change without end", change_without_end).with_plugin("probe"),
        query("an answer of a million rows", format!("{ENDLESS} SELECT x FROM c LIMIT 1000000"), ROWS).times(4, 2),
        endless("a sort without end", format!("{ENDLESS} SELECT x FROM c ORDER BY -x"), TEMPORARY).times(2, 2),
        endless("groups without end", format!("{ENDLESS} SELECT x FROM c GROUP BY x"), TEMPORARY).times(2, 2),
        query("a text that doubles without end", doubling.to_owned(), "quota: size: "),
        soon("a long text trimmed by many characters", "query", trimming).times(2, 2),
        soon("a long text looked for at each place of another", "query", replacing).times(2, 2),
        query("the same by a function that is not on the list", finding, "denied: function instr: "),
        soon("a pattern compared at each place of the longest text", "query", like).times(2, 2),
        soon("the same in the steps of a join", "query", ilike).times(2, 2),
        query("a statement of a megabyte", format!("SELECT '{}'", "x".repeat(1 << 20)), "quota: statement bytes: "),
        query("a statement of 900 queries in each other", deep, "denied: nesting: "),
        Attack::run_by("a flood from 32 writers", flood).with_plugin("probe").times(64, 32),
        Attack::run_by("one more row than the flood left room for", one_more).with_plugin("probe"),
        Attack::run_by("a row too many in a transaction", in_a_transaction).with_plugin("probe"),
        soon("a change that trims a long text", "execute", change_by_trimming()).times(2, 2),
        Attack::run_by("all of it deleted, and begun again", again).with_plugin("probe"),
    ]
}

/// The deadline of a request and some more, in which the other attacks of a busy machine run as well.
const SOON: Duration = Duration::from_secs(12);
const ROWS: &str = "quota: result rows: at most 10000; page with LIMIT and OFFSET";
const PROCESSOR: &str = "quota: processor time: at most 500 ms for the statements of one request";
const TEMPORARY: &str = "quota: temporary bytes: at most 4194304 ";
const FULL: &str = "quota: storage: the database of this plugin is full with 4194304 bytes; delete rows";

/// A query that must be refused with this.
fn query(name: &'static str, statement: String, refusal: &'static str) -> Attack {
    query_either(name, statement, vec![refusal])
}

/// The same for what meets a limit soon, or on a busy machine its deadline before that.
fn endless(name: &'static str, statement: String, limit: &'static str) -> Attack {
    // On a slow machine the time for statements is over before the files are full.
    query_either(name, statement, vec![limit, PROCESSOR, "timeout: "])
}

fn query_either(name: &'static str, statement: String, refusals: Vec<&'static str>) -> Attack {
    let deed = move |client: Client| {
        let body = json!({ "statement": statement, "parameters": [] });
        let refusals = refusals.clone();
        async move { ends_as(&client.post("/plugins/probe/query", body).await, &refusals) }
    };
    Attack::run_by(name, deed).with_plugin("probe")
}

/// What used to hold a thread within one step, where neither deadline nor budget could stop it: it runs to its end, or is
/// stopped at once when its time is over.
fn soon(name: &'static str, how: &'static str, statement: String) -> Attack {
    let deed = move |client: Client| {
        let body = json!({ "statement": statement, "parameters": [] });
        async move {
            let began = Instant::now();
            let answer = client.post(&format!("/plugins/probe/{how}"), body).await;
            match began.elapsed() < SOON {
                true => ends_as(&answer, &["written", PROCESSOR, "timeout: "]),
                false => Err(format!("it took {:?}: {:.300}", began.elapsed(), answer.text)),
            }
        }
    };
    Attack::run_by(name, deed).with_plugin("probe")
}

/// A statement over texts of 2 to the power of `times` characters, `x` of a and `y` of b.
fn doubled(times: u32, rest: &str) -> String {
    format!(
        "WITH RECURSIVE c(n, x, y) AS (SELECT 0, 'a', 'b' UNION ALL SELECT n + 1, x || x, y || y FROM c WHERE n < {times}) \
         {rest}"
    )
}

fn change_by_trimming() -> String {
    let trimmed = "UPDATE note SET text = text WHERE text = (SELECT rtrim(x, y || 'a') FROM c WHERE n = 17)";
    doubled(17, trimmed)
}

async fn change_without_end(client: Client) -> Outcome {
    let statement = format!("INSERT INTO note (text) {ENDLESS} SELECT 'x' FROM c WHERE x < 0");
    let body = json!({ "statement": statement, "parameters": [] });
    ends_as(&client.post("/plugins/probe/execute", body).await, &[PROCESSOR, "timeout: "])
}

/// Each is written, or told that it is full or that others write.
async fn flood(client: Client) -> Outcome {
    ends_as(&insert(&client).await, &["written", FULL, "busy: "])
}

async fn one_more(client: Client) -> Outcome {
    ends_as(&insert(&client).await, &[FULL])
}

async fn in_a_transaction(client: Client) -> Outcome {
    let insert = format!("INSERT INTO note (text) VALUES ('{}')", "y".repeat(60_000));
    let statements: Vec<String> = (0..30).map(|n| insert.replace("('", &format!("('{n} "))).collect();
    let body = json!({ "statements": statements, "commit": true });
    ends_as(&client.post("/plugins/probe/transact", body).await, &[FULL])
}

async fn again(client: Client) -> Outcome {
    let body = json!({ "statement": "DELETE FROM note", "parameters": [] });
    ends_as(&client.post("/plugins/probe/execute", body).await, &["written"])?;
    ends_as(&insert(&client).await, &["written"])
}

async fn insert(client: &Client) -> Answer {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let text = format!("{} {}", NUMBER.fetch_add(1, Ordering::Relaxed), "x".repeat(100_000));
    let body = json!({ "statement": "INSERT INTO note (text) VALUES ($1)", "parameters": [text] });
    client.post("/plugins/probe/execute", body).await
}

/// Whether an answer of the probe's ended as one of these: `written`, or the beginning of a refusal.
fn ends_as(answer: &Answer, expected: &[&str]) -> Outcome {
    let details = &answer.json["error"]["details"];
    let ended = match (answer.status, details["kind"].as_str(), details["message"].as_str()) {
        (200, ..) => "written".to_owned(),
        (400, Some(kind), Some(message)) => format!("{kind}: {message}"),
        _ => format!("{} {:.300}", answer.status, answer.text),
    };
    match expected.iter().any(|expected| ended.starts_with(expected)) {
        true => Ok(()),
        false => Err(format!("expected {expected:?}: {ended:.300}")),
    }
}
