//! Keeping more under keys than there is room for, asking for more than there is, and logging without end.

use serde_json::{Value, json};

use crate::attack::{Attack, Outcome};
use crate::common::{Answer, Client};

const KEEPER: &str = "/plugins/hostile-keeper";
/// A namespace of its own that nobody reads.
const OWN: &str = "hostile-keeper.own";

pub fn table() -> Vec<Attack> {
    let attack = |name, path, body| Attack::post(name, "hostile-keeper", path, body);
    let set = |key: &str, bytes: u32| json!({ "bucket": "default", "key": key, "bytes": bytes });
    let batch = |count: u32, bytes: u32| json!({ "prefix": "b", "count": count, "bytes": bytes });
    let shared = |namespace: &str, key: &str, bytes: u32| match bytes {
        0 => json!({ "namespace": namespace, "key": key }),
        bytes => json!({ "namespace": namespace, "key": key, "bytes": bytes }),
    };
    let path = json!({ "bucket": "../x", "key": "k", "bytes": 1 });
    let buckets = "plugin hostile-keeper held more than the 1000 resources a call may (limits.resource_table_entries)";
    let messages = |message: &str, bytes: u32, times: u32| {
        let body = json!({ "message": message, "bytes": bytes, "times": times });
        move |client: Client| log(client, body.clone())
    };
    vec![
        refused("a key of a megabyte", "/set", set(&"k".repeat(1 << 20), 1), "quota key bytes: "),
        refused("a value of four megabytes", "/set", set("k", 4 << 20), "quota value bytes: "),
        refused("a bucket with a path for a name", "/set", path, "no such store"),
        refused("a cursor that is none", "/stale", json!({ "cursor": "1 OR 1=1" }), "invalid: "),
        refused("a batch of too many keys", "/batch", batch(5_000, 0), "quota batch keys: "),
        refused("a batch of too many bytes", "/batch", batch(10, 500_000), "quota batch bytes: "),
        refused("a transaction against oneself", "/in-transaction", json!({ "key": "k" }), "busy: ").waits(),
        attack("a million buckets", "/hold", json!({ "count": 1_000_000 })).refused_saying(503, "handles", buckets),
        Attack::run_by("keys without end", fill).with_plugin("hostile-keeper").times(4, 2),
        attack("all of them listed", "/list", json!({ "bucket": "default" })),
        Attack::get("the configuration, again and again", "hostile-keeper", "/config").times(40, 8),
        Attack::run_by("32 who swap one key", swap).with_plugin("hostile-keeper").times(32, 32),
        refused("shared data of another plugin read", "/read-shared", shared("crm.events", "k", 0), "denied "),
        refused("and changed", "/share", shared("crm.events", "k", 1), "denied "),
        refused("a namespace with a path for a name", "/share", shared("../hostile-keeper.own", "k", 1), "denied "),
        refused("a shared key of a megabyte", "/share", shared(OWN, &"k".repeat(1 << 20), 1), "too large key bytes: "),
        refused("a shared value of four megabytes", "/share", shared(OWN, "k", 4 << 20), "too large value bytes: "),
        Attack::run_by("shared data without end", |client| share_all(client, OWN, 10_000))
            .with_plugin("hostile-keeper")
            .times(2, 2),
        Attack::run_by("and each of them told", |client| share_all(client, "hostile-keeper.told", 10))
            .with_plugin("hostile-keeper"),
        Attack::run_by("32 who swap one shared key", share_swap).with_plugin("hostile-keeper").times(32, 32),
        Attack::run_by("6,000 messages", messages("\u{1b}[2J\n", 10, 1_000)).with_plugin("hostile-keeper"),
        Attack::run_by("messages of a megabyte", messages("m", 1 << 20, 1)).with_plugin("hostile-keeper"),
    ]
}

/// What is too much is dropped, and the call goes on, as far as its processor time goes.
async fn log(client: Client, body: Value) -> Outcome {
    let answer = client.post(&format!("{KEEPER}/log"), body).await;
    match answer.status == 200 || answer.json["error"]["code"] == "cpu_budget" {
        true => Ok(()),
        false => Err(format!("{} {:.300}", answer.status, answer.text)),
    }
}

fn refused(name: &'static str, path: &'static str, body: Value, expected: &'static str) -> Attack {
    let deed = move |client: Client| {
        let body = body.clone();
        async move {
            let answer = client.post(&format!("{KEEPER}{path}"), body).await;
            let told = answer.json["error"]["message"].as_str().unwrap_or_default();
            // On a slow machine handing over the larger ones takes all of its processor time first.
            let ended = answer.json["error"]["code"] == "cpu_budget";
            match ended || answer.status == 400 && told.starts_with(expected) {
                true => Ok(()),
                false => Err(format!("expected {expected:?}: {} {:.300}", answer.status, answer.text)),
            }
        }
    };
    Attack::run_by(name, deed).with_plugin("hostile-keeper")
}

/// Ends at the room for the database, at the time for statements, or at that for the call.
async fn fill(client: Client) -> Outcome {
    let body = json!({ "prefix": uuid::Uuid::new_v4().to_string(), "bytes": 100_000 });
    let answer = client.post(&format!("{KEEPER}/fill"), body).await;
    let told = answer.json["data"].as_str().unwrap_or_default();
    let limits = ["quota storage: ", "quota processor time: ", "busy: ", "timeout: "];
    let code = answer.json["error"]["code"].as_str().unwrap_or_default();
    match limits.iter().any(|limit| told.contains(limit)) || ["cpu_budget", "deadline"].contains(&code) {
        true => Ok(()),
        false => Err(format!("expected one of {limits:?}: {} {:.300}", answer.status, answer.text)),
    }
}

/// Ends at the room for the namespace, at the time for statements, or at that for the call.
async fn share_all(client: Client, namespace: &'static str, bytes: u32) -> Outcome {
    let body = json!({ "namespace": namespace, "prefix": uuid::Uuid::new_v4().to_string(), "bytes": bytes });
    let answer = client.post(&format!("{KEEPER}/share-all"), body).await;
    let told = answer.json["data"].as_str().unwrap_or_default();
    let limits = ["quota ", "unavailable busy: ", "unavailable timeout: "];
    let code = answer.json["error"]["code"].as_str().unwrap_or_default();
    match limits.iter().any(|limit| told.contains(limit)) || ["cpu_budget", "deadline"].contains(&code) {
        true => Ok(()),
        false => Err(format!("expected one of {limits:?}: {} {:.300}", answer.status, answer.text)),
    }
}

async fn share_swap(client: Client) -> Outcome {
    let body = json!({ "namespace": OWN, "key": "swapped" });
    swapped(client.post(&format!("{KEEPER}/share-swap"), body).await)
}

/// Each swaps at last, or is told what it has used up. None of them may be lost: the number is a number afterwards.
async fn swap(client: Client) -> Outcome {
    swapped(client.post(&format!("{KEEPER}/swap"), json!({ "key": "swapped" })).await)
}

fn swapped(answer: Answer) -> Outcome {
    let told = answer.json["error"]["message"].as_str().unwrap_or_default();
    let limits = ["quota ", "busy: ", "timeout: ", "unavailable busy: ", "unavailable timeout: "];
    let code = answer.json["error"]["code"].as_str().unwrap_or_default();
    let is_limit = limits.iter().any(|limit| told.starts_with(limit));
    match answer.status == 200 || is_limit || ["cpu_budget", "deadline", "host_calls"].contains(&code) {
        true => Ok(()),
        false => Err(format!("{} {:.300}", answer.status, answer.text)),
    }
}
