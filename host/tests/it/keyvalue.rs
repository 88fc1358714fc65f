//! `wasi:keyvalue` from outside: 32 clients at once, kills, tenants and plugins apart, both drafts, every limit.

mod kills;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::common::{Answer, Client, Host};

const KEEPER: &str = "/plugins/hostile-keeper";

async fn keeper(client: &Client, path: &str, body: Value) -> Answer {
    client.post(&format!("{KEEPER}{path}"), body).await
}

async fn get(client: &Client, bucket: &str, key: &str) -> Value {
    keeper(client, "/get", json!({ "bucket": bucket, "key": key })).await.data(200).clone()
}

/// What the host answered the plugin.
fn refusal(answer: &Answer) -> &str {
    answer.message(400, "refused")
}

/// Patience for many writers on a machine that does other things: what is tested is what comes of it.
const PATIENT: &str = "
limits.cpu_budget_ms = 20000
limits.sql_cpu_ms = 20000
limits.wall_deadline_ms = 28000
sql.busy_wait_ms = 20000
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_clients_lose_no_increment() {
    let host = Host::with_config(&["hostile-keeper", "example-keyvalue"], PATIENT).await;
    let clients = (0..32).map(|client| {
        let host = &host;
        async move {
            let mut tries = 0;
            for round in 0..3 {
                let swapped = keeper(host, "/swap", json!({ "key": "sum" })).await;
                tries += swapped.data(200).as_u64().unwrap();
                let vote = json!({ "voter": format!("{client}.{round}") });
                host.post("/plugins/polls/polls/one/votes", vote).await.data(200);
            }
            tries
        }
    });
    let tries: u64 = join_all(clients).await.into_iter().sum();
    println!("96 swaps took {tries} tries");
    // Two digits: 96.
    assert_eq!(get(&host, "default", "sum").await, 2);
    assert_eq!(keeper(&host, "/swap", json!({ "key": "sum" })).await.data(200), 1);
    let tally = host.get("/plugins/polls/polls/one").await;
    let voters = tally.data(200)["voters"].as_array().unwrap();
    let mut once: Vec<&str> = voters.iter().filter_map(Value::as_str).collect();
    once.sort_unstable();
    once.dedup();
    assert_eq!((&tally.data(200)["votes"], voters.len(), once.len()), (&json!(96), 96, 96));
}

#[tokio::test]
async fn a_swap_fails_when_anybody_wrote_since_and_never_otherwise() {
    let host = Host::with_plugins(&["hostile-keeper"]).await;
    assert_eq!(*keeper(&host, "/race", json!({ "key": "raced" })).await.data(200), true);
    assert_eq!(get(&host, "default", "raced").await, "another's".len());
}

#[tokio::test]
async fn nobody_sees_the_keys_of_another_plugin_tenant_or_bucket() {
    let host = Host::with_plugins(&["hostile-keeper", "example-keyvalue"]).await;
    let (acme, beta) = (host.tenant("acme"), host.tenant("beta"));
    keeper(&acme, "/set", json!({ "bucket": "votes", "key": "mine", "bytes": 3 })).await.data(200);
    assert_eq!(get(&acme, "votes", "mine").await, 3);
    for (client, bucket) in [(&acme, "default"), (&beta, "votes"), (&host.tenant("acm"), "votes")] {
        assert_eq!(get(client, bucket, "mine").await, Value::Null);
        assert_eq!(*keeper(client, "/list", json!({ "bucket": bucket })).await.data(200), json!([1, 0]));
    }
    // The other plugin has a bucket of the same name.
    assert_eq!(*acme.get("/plugins/polls/polls").await.data(200), json!([]));
    acme.post("/plugins/polls/polls/theirs/votes", json!({ "voter": "x" })).await.data(200);
    assert_eq!(*keeper(&acme, "/list", json!({ "bucket": "votes" })).await.data(200), json!([1, 1]));
}

#[tokio::test]
async fn the_older_draft_works_as_it_was_published() {
    let host = Host::with_config(&["hostile-keeper"], "keyvalue.page_keys = 1").await;
    let told = keeper(&host, "/old", json!({ "key": "k" })).await;
    let told: Vec<&str> = told.rows().iter().filter_map(Value::as_str).collect();
    let over = told.iter().position(|told| told.starts_with("over Err(")).expect("a sum beyond u64 is refused");
    let told: Vec<&str> = told.iter().enumerate().filter(|(at, _)| *at != over).map(|(_, told)| *told).collect();
    assert_eq!(told, ["sum 42", "get Some(\"42\")", "many 2", "listed 3", "exists false"]);
}

#[tokio::test]
async fn a_value_is_no_larger_than_a_row_can_hold() {
    let host = Host::with_config(&["hostile-keeper"], "sql.value_bytes = 20000\nkeyvalue.key_bytes = 100").await;
    let (key, most) = ("k".repeat(100), 20_000 - 4_096 - 200);
    let set =
        async |bytes: usize| keeper(&host, "/set", json!({ "bucket": "default", "key": key, "bytes": bytes })).await;
    set(most).await.data(200);
    assert_eq!(get(&host, "default", &key).await, most);
    let told = set(most + 1).await;
    assert!(refusal(&told).starts_with(&format!("quota value bytes: a value has at most {most} bytes")), "{told:?}");
}

#[tokio::test]
async fn every_limit_is_told_by_its_name() {
    let config = "
        quotas.keys = 20
        keyvalue.key_bytes = 10
        keyvalue.value_bytes = 1000
        keyvalue.storage_bytes = 10000
        keyvalue.batch_keys = 8
        keyvalue.batch_bytes = 4000
        keyvalue.page_keys = 6
    ";
    let host = Host::with_config(&["hostile-keeper"], config).await;
    let set = async |bucket: &str, key: &str, bytes: u32| {
        keeper(&host, "/set", json!({ "bucket": bucket, "key": key, "bytes": bytes })).await
    };
    set("default", "0123456789", 1000).await.data(200);
    for (key, bytes, quota) in [
        ("0123456789a", 1, "quota key bytes: a key has at most 10 bytes, this one 11"),
        ("k", 1001, "quota value bytes: a value has at most 1000 bytes, this one 1001"),
    ] {
        assert!(refusal(&set("default", key, bytes).await).starts_with(quota), "{key}");
    }
    for bucket in ["", "no such", "a/b", &"x".repeat(65)] {
        assert_eq!(refusal(&set(bucket, "k", 1).await), "no such store", "{bucket:?}");
    }
    let batch = async |count: u32, bytes: u32| {
        keeper(&host, "/batch", json!({ "prefix": "b", "count": count, "bytes": bytes })).await
    };
    assert_eq!(*batch(8, 400).await.data(200), 8);
    assert!(refusal(&batch(9, 1).await).starts_with("quota batch keys: a batch has at most 8 keys, this one 9"));
    assert!(
        refusal(&batch(5, 900).await).starts_with("quota batch bytes: keys and values of one batch are at most 4000")
    );

    let filled = keeper(&host, "/fill", json!({ "prefix": "f", "bytes": 1000 })).await;
    let filled = filled.data(200).as_str().unwrap_or_default().to_owned();
    assert!(
        filled.starts_with("8: quota storage: the keys and values of this plugin may take 10000 bytes"),
        "{filled}"
    );
    let filled = keeper(&host, "/fill", json!({ "prefix": "g", "bytes": 1 })).await;
    let filled = filled.data(200).as_str().unwrap_or_default().to_owned();
    assert!(filled.starts_with("11: quota keys: at most 20 for this plugin and tenant"), "{filled}");
    // 20 keys of at most 6 a page.
    assert_eq!(*keeper(&host, "/list", json!({ "bucket": "default" })).await.data(200), json!([4, 20]));
    // Another tenant has room of its own.
    keeper(&host.tenant("acme"), "/set", json!({ "bucket": "default", "key": "k", "bytes": 1000 })).await.data(200);
    assert!(refusal(&keeper(&host, "/stale", json!({ "cursor": "mine" })).await).starts_with("invalid: "));
}

#[tokio::test]
async fn a_transaction_that_is_open_is_told_of_and_statements_are_charged() {
    let config = "sql.busy_wait_ms = 100\nlimits.sql_cpu_ms = 5\nlimits.cpu_budget_ms = 9000";
    let host = Host::with_config(&["hostile-keeper"], config).await;
    let busy = keeper(&host, "/in-transaction", json!({ "key": "k" })).await;
    assert!(refusal(&busy).starts_with("busy: others write, or this call has a transaction open"), "{busy:?}");
    // Writes without end meet the processor time of statements before anything else.
    let filled = keeper(&host, "/fill", json!({ "prefix": "f", "bytes": 10 })).await;
    let filled = filled.data(200).as_str().unwrap_or_default().to_owned();
    assert!(filled.contains("quota processor time: at most 5 ms for the statements of one request"), "{filled}");
}
