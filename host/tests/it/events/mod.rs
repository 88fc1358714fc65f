//! Events: published in a transaction, delivered to those who hear them, tried again, and given up with a word of it.

mod deliveries;
mod external;
mod host;
mod hostile;
mod kills;
mod product;
mod publishing;
mod starting;
mod two_hosts;

use serde_json::{Value, json};

use crate::common::{Client, Host, Scratch, eventually};

/// What failed is tried again soon, and not often.
const QUICK: &str = "\
log.filter = \"error\"
events.backoff_first_ms = 20
events.backoff_most_ms = 100
events.attempts = 3
events.handler_deadline_ms = 3000
";

/// A host with a crier, which publishes and hears what a test says.
async fn host(config: &str) -> Host {
    Host::with_config(&["crier"], &format!("{QUICK}{config}")).await
}

/// A second crier, with the id `crier-b`.
fn second(scratch: &Scratch) {
    let plugins = scratch.plugins();
    std::fs::copy(plugins.join("crier.wasm"), plugins.join("crier-b.wasm")).unwrap();
    scratch.rename_in_plugin("crier-b", "crier-a", "crier-b");
    scratch.rename_in_plugin("crier-b", "demo:crier", "demo:crieb");
}

/// Has the crier publish one event with these data.
async fn publish(client: &Client, topic: &str, key: Option<&str>, data: Value) -> String {
    let body = json!({ "topic": topic, "key": key, "data": data.to_string() });
    let answer = client.post("/plugins/crier-a/publish", body).await;
    answer.data(200).as_str().unwrap().to_owned()
}

/// What the crier has handled, once there are so many.
async fn handled(client: &Client, count: usize) -> Vec<Value> {
    eventually(&format!("{count} events to be handled"), async || {
        let handled = client.get("/plugins/crier-a/handled").await.rows().to_vec();
        (handled.len() >= count).then_some(handled)
    })
    .await
}

/// The dead letters of the tenant, once there are so many, the newest first.
async fn dead(client: &Client, count: usize) -> Vec<Value> {
    eventually(&format!("{count} dead letters"), async || {
        let dead = client.get("/api/v1/events/dead").await.rows().to_vec();
        (dead.len() >= count).then_some(dead)
    })
    .await
}

/// The data of a handled event.
fn data(handled: &Value) -> Value {
    serde_json::from_str(handled["data"].as_str().unwrap()).unwrap()
}
