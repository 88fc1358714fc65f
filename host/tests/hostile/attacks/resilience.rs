//! A provider that is made to fail again and again, and asked how it is all the while. No breaker opens in this suite, so
//! every call comes through; `resilience.rs` has them open.

use serde_json::json;

use crate::attack::{Attack, Outcome};
use crate::common::Client;

pub fn table() -> Vec<Attack> {
    let of = |attack: Attack| attack.with_plugin("prober");
    vec![
        of(Attack::run_by("a provider that is made to trap, through a link", trap)).times(40, 8),
        of(Attack::run_by("its health, asked for without end", health)).times(80, 8),
    ]
}

async fn trap(client: Client) -> Outcome {
    let answer = client.post("/plugins/prober/through", json!({ "action": "trap", "amount": 1 })).await;
    let told = answer.json["data"].as_str().unwrap_or_default();
    match told.starts_with("unavailable: plugin probe trapped") {
        true => Ok(()),
        false => Err(format!("{} {:.300}", answer.status, answer.text)),
    }
}

/// Whatever it is, it is told.
async fn health(client: Client) -> Outcome {
    let answer = client.get("/plugins/probe/health").await;
    let status = answer.json["data"]["status"].as_str().unwrap_or_default();
    match ["HEALTHY", "DEGRADED", "UNAVAILABLE"].contains(&status) {
        true => Ok(()),
        false => Err(format!("{} {:.300}", answer.status, answer.text)),
    }
}
