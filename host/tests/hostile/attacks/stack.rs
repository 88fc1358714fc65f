//! Using up the stack: recursion ends as a trap, and a host function called with hardly any stack left finds its own.

use serde_json::json;

use crate::attack::{Attack, Outcome};
use crate::common::Client;

/// Every kind of call that the host answers: at once, by waiting, by a plugin.
const CALLS: [&str; 9] = ["context", "clock", "random", "print", "query", "transact", "call", "call_deferred", "fetch"];

/// How far above the last depth without a trap the calls are tried. A call's own frames take the stack of some of
/// these depths, so that among them there is one at which just the host's function is left to find a place.
const DEPTHS: u32 = 24;

pub fn table() -> Vec<Attack> {
    vec![
        Attack::post("recursion without end", "hostile-stack", "/descend", descent(u32::MAX, "nothing"))
            .refused_saying(502, "plugin_trapped", "call stack exhausted")
            .times(4, 4),
        Attack::run_by("host calls at the edge of the stack", calls_at_the_edge).with_plugin("hostile-stack"),
    ]
}

fn descent(depth: u32, then: &str) -> serde_json::Value {
    json!({ "depth": depth, "then": then })
}

/// True when it came back, false when it trapped for want of stack.
async fn comes_back(attacker: &Client, depth: u32, then: &str) -> Result<bool, String> {
    let answer = attacker.post("/plugins/hostile-stack/descend", descent(depth, then)).await;
    let told = answer.json["error"]["message"].as_str().unwrap_or_default();
    match answer.status {
        200 => Ok(true),
        502 if told.contains("call stack exhausted") => Ok(false),
        status => Err(format!("`{then}` at depth {depth} ended with {status}: {}", answer.text)),
    }
}

async fn calls_at_the_edge(attacker: Client) -> Outcome {
    // Found by halves: below it everything comes back, above it everything traps.
    let (mut edge, mut beyond) = (0_u32, 1 << 20);
    while edge + 1 < beyond {
        let depth = edge.midpoint(beyond);
        if comes_back(&attacker, depth, "nothing").await? { edge = depth } else { beyond = depth }
    }
    if !(1_000..(1 << 20) - 1).contains(&edge) {
        return Err(format!("the stack ends at depth {edge}, which is no recursion"));
    }
    for then in CALLS {
        let mut came_back = 0;
        for depth in edge - DEPTHS..=edge {
            came_back += u32::from(comes_back(&attacker, depth, then).await?);
        }
        // With plenty of stack left each of them does.
        if !comes_back(&attacker, edge / 2, then).await? {
            return Err(format!("`{then}` traps even at half the depth; {came_back} of the deep ones came back"));
        }
    }
    Ok(())
}
