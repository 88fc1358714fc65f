//! Processor time and threads that statements may take, for one request and for one tenant. How much others notice of it
//! is measured in `tests/shares`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::common::{Answer, Client, Host, eventually};

const ENDLESS: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
const INSERT: &str = "INSERT INTO note (text) VALUES ('x')";
const WRITE: &str = "UPDATE note SET text = 'y' WHERE text = 'x'";
const COUNT: &str = "SELECT count(*) FROM note";

async fn run(client: &Client, how: &str, statement: &str) -> Answer {
    client.post(&format!("/plugins/probe/{how}"), json!({ "statement": statement, "parameters": [] })).await
}

/// `written`, or which error it was.
fn ended(answer: &Answer) -> String {
    if answer.status == 200 {
        return "written".to_owned();
    }
    let details = &answer.refusal(400, "sql")["details"];
    format!("{}: {}", details["kind"].as_str().unwrap_or_default(), details["message"].as_str().unwrap_or_default())
}

async fn rows(client: &Client) -> Value {
    run(client, "query", COUNT).await.data(200)[0][0].clone()
}

/// Time for everything but the statements themselves.
const PATIENT: &str = "limits.wall_deadline_ms = 25000\nlimits.cpu_budget_ms = 20000";

#[tokio::test]
async fn statements_stop_when_the_requests_processor_time_for_them_is_used_up() {
    let host = Host::with_config(&["probe"], &format!("{PATIENT}\nlimits.sql_cpu_ms = 10")).await;
    let spent =
        "quota: processor time: at most 10 ms for the statements of one request; read fewer rows, or add an index";
    let endless = format!("INSERT INTO note (text) {}", ENDLESS.replace("count(*)", "x"));
    for (how, statement) in [("query", ENDLESS), ("execute", &endless)] {
        assert_eq!(ended(&run(&host, how, statement).await), spent, "{statement}");
    }
    // Many short ones of one request count together, and a transaction that gets no further leaves nothing.
    let many: Vec<&str> = [INSERT].into_iter().chain(std::iter::repeat_n(WRITE, 3_000)).collect();
    let many = json!({ "statements": many, "commit": true });
    assert_eq!(ended(&host.post("/plugins/probe/transact", many).await), spent);
    assert_eq!(rows(&host).await, "0");
    // Each request has its own.
    assert_eq!(ended(&run(&host, "execute", INSERT).await), "written");
    assert_eq!(rows(&host).await, "1");
}

#[tokio::test]
async fn setting_a_database_up_is_not_taken_from_the_request_that_happens_to_come_first() {
    let host = Host::with_config(&["crm"], &format!("{PATIENT}\nlimits.sql_cpu_ms = 10")).await;
    let contacts = host.tenant("demo").get("/plugins/crm/contacts?take=5").await;
    assert!(!contacts.data(200).as_array().unwrap().is_empty(), "{contacts:?}");
}

#[tokio::test]
async fn one_tenant_has_so_many_statements_on_threads_at_once_and_others_have_theirs() {
    let config = "limits.wall_deadline_ms = 2000\nlimits.sql_cpu_ms = 20000\ntenant.sql_threads = 1";
    let host = Host::with_config(&["probe"], config).await;
    let (loud, other) = (host.tenant("loud"), host.tenant("other"));
    for client in [&loud, &other] {
        assert_eq!(ended(&run(client, "execute", INSERT).await), "written");
    }
    let mut reading = JoinSet::new();
    for _ in 0..2 {
        let loud = loud.clone();
        reading.spawn(async move {
            loop {
                let told = ended(&run(&loud, "query", ENDLESS).await);
                assert_eq!(told, "timeout: ");
            }
        });
    }
    // Its one thread is taken for longer than a request may take.
    eventually("a statement that waits for its tenant's thread", async || {
        (ended(&run(&loud, "execute", WRITE).await) == "timeout: ").then_some(())
    })
    .await;
    for _ in 0..20 {
        assert_eq!(ended(&run(&other, "execute", WRITE).await), "written");
    }
    reading.shutdown().await;
    eventually("the thread of a statement whose caller went away", async || {
        (ended(&run(&loud, "execute", WRITE).await) == "written").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tenant_over_its_share_goes_on_in_turns_to_the_end_of_its_statements() {
    let config = "limits.wall_deadline_ms = 25000\nlimits.sql_cpu_ms = 200";
    let host = Host::with_config(&["probe"], config).await;
    let (loud, other) = (host.tenant("loud"), host.tenant("other"));
    let mut statements = JoinSet::new();
    // As many as may read at once.
    for _ in 0..4 {
        let loud = loud.clone();
        statements.spawn(async move { ended(&run(&loud, "query", ENDLESS).await) });
    }
    let alive = async {
        loop {
            assert_eq!(ended(&run(&other, "execute", WRITE).await), "written");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let all = tokio::select! {
        all = statements.join_all() => all,
        () = alive => unreachable!("it never ends"),
    };
    assert!(all.iter().all(|told| told.starts_with("quota: processor time: at most 200 ms")), "{all:?}");
}
