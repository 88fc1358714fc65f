//! Requests to hosts outside that no plugin may ask, as many as a call may make of the host.

use serde_json::{Value, json};

use crate::attack::{Attack, Outcome};
use crate::common::Client;

const PLUGIN: &str = "hostile-outbound";

pub fn table() -> Vec<Attack> {
    let million = |authority: &str| json!({ "authority": authority, "times": 1_000_000 });
    vec![
        attack("requests to an address", "/ask", json!({ "authority": "127.0.0.1", "times": 200 })),
        attack(
            "requests to a host that was not asked for",
            "/ask",
            json!({ "authority": "example.com", "times": 200 }),
        ),
        attack("a million requests to an address, all kept", "/keep", million("127.0.0.1")),
        attack("a million requests to the machine itself, all kept", "/keep", million("localhost")).times(4, 2),
        attack("requests that are not whole", "/broken", json!({ "times": 1_000 })),
    ]
}

/// None of its requests comes about. Which limit ends it, the number of handles or the CPU budget, is the machine's
/// speed, and it may be neither.
fn attack(name: &'static str, path: &'static str, body: Value) -> Attack {
    Attack::run_by(name, move |client| ended(client, path, body.clone())).with_plugin(PLUGIN)
}

async fn ended(client: Client, path: &'static str, body: Value) -> Outcome {
    let answer = client.post(&format!("/plugins/{PLUGIN}{path}"), body).await;
    match (answer.status, answer.json["error"]["code"].as_str()) {
        (200, _) if answer.json["data"] == 0 => Ok(()),
        (503, Some("handles" | "cpu_budget")) => Ok(()),
        _ => Err(format!("expected no request that came about, or the end of the call: {answer:?}")),
    }
}
