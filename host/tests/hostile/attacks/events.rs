//! Events that nobody may publish, more of them than there is room for, and handlers that fail at each.

use serde_json::{Value, json};

use crate::attack::{Attack, Outcome};
use crate::common::Client;

const CRIER: &str = "/plugins/crier-a";

pub fn table() -> Vec<Attack> {
    let act = |name, deed: &'static str| Attack::run_by(name, move |client| act(client, deed)).with_plugin("crier");
    vec![
        refused("an event of a megabyte", "/giant", json!({ "bytes": 1 << 20 }), "events.data_bytes"),
        refused("an event under a topic of the host's", "/publish", event("user.login", 1), "is not declared"),
        refused("an event under another's topic", "/publish", event("deal.won", 1), "is not declared"),
        Attack::run_by("events without end", storm).with_plugin("crier"),
        act("events whose handler traps", "trap"),
        act("events whose handler computes without end", "spin"),
        act("events whose handler waits without end", "sleep"),
        Attack::run_by("events that cause each other", echo).with_plugin("crier"),
        Attack::run_by("events of another system, each of them giant", from_outside).with_plugin("crier").times(8, 4),
    ]
}

fn event(topic: &str, count: u32) -> Value {
    json!({ "topic": topic, "data": "{}", "count": count })
}

fn refused(name: &'static str, path: &'static str, body: Value, expected: &'static str) -> Attack {
    let deed = move |client: Client| {
        let body = body.clone();
        async move {
            let answer = client.post(&format!("{CRIER}{path}"), body).await;
            match (400..500).contains(&answer.status) && answer.text.contains(expected) {
                true => Ok(()),
                false => Err(format!("expected {expected:?}: {} {:.300}", answer.status, answer.text)),
            }
        }
    };
    Attack::run_by(name, deed).with_plugin("crier")
}

/// Published, or refused by a limit that is told.
async fn publish(client: &Client, body: Value) -> Outcome {
    let answer = client.post(&format!("{CRIER}/publish"), body).await;
    let code = answer.json["error"]["code"].as_str().unwrap_or_default();
    match answer.status == 200 || ["quota", "cpu_budget", "deadline", "unavailable"].contains(&code) {
        true => Ok(()),
        false => Err(format!("{} {:.300}", answer.status, answer.text)),
    }
}

async fn storm(client: Client) -> Outcome {
    publish(&client, event("news.plain", 200)).await
}

async fn echo(client: Client) -> Outcome {
    publish(&client, event("echo.crier-a", 1)).await
}

/// Two of each key: the second waits until the first is given up.
async fn act(client: Client, deed: &'static str) -> Outcome {
    let data = json!({ "do": deed }).to_string();
    publish(&client, json!({ "topic": "news.act", "key": deed, "data": data, "count": 2 })).await
}

async fn from_outside(client: Client) -> Outcome {
    let body = json!({ "type": "news.plain", "data": "x".repeat(1 << 20) });
    let answer = client.post("/api/v1/events", body).await;
    match answer.status == 422 || answer.status == 413 {
        true => Ok(()),
        false => Err(format!("{} {:.300}", answer.status, answer.text)),
    }
}
