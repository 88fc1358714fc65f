//! Taking memory: all of a call's memories and tables count together, from before its first instruction.

use serde_json::{Value, json};

use crate::attack::{Attack, Outcome};
use crate::common::Client;

/// What a call may have, in pages: `limits.memory_bytes` without what the first element of each table takes.
const PAGES: u64 = 1024 - 1;
/// `limits.table_elements`.
const ELEMENTS: u64 = 20_000;

pub fn table() -> Vec<Attack> {
    let attack = |name, path| Attack::post(name, "hostile-memory", path, json!({}));
    let start = |name, plugin| Attack::post(name, plugin, "/run", json!({}));
    let too_much = "asked for more memory than the 67108864 bytes a call may have";
    vec![
        attack("growing four memories", "/grow").answered(is(PAGES)),
        attack("growing four memories, many calls at once", "/grow").answered(is(PAGES)).times(24, 12),
        attack("growing four memories, and a trap", "/grow-and-trap").refused_saying(503, "memory", too_much),
        attack("growing four tables", "/grow-tables").answered(is(4 * ELEMENTS)),
        // 80,000 elements of 8 bytes are ten pages.
        attack("growing four tables and four memories", "/grow-all").answered(is(1024 - 10)),
        Attack::run_by("filling four memories", fill).with_plugin("hostile-memory").times(8, 4),
        attack("filling a memory again and again", "/fill-without-end").refused(503, "cpu_budget").times(4, 2),
        attack("copying a memory again and again", "/copy-without-end").refused(503, "cpu_budget").times(4, 2),
        Attack::post("one large allocation", "probe", "/allocate", json!({ "mebibytes": 80 }))
            .refused_saying(503, "memory", too_much),
        start("a loop without end before the first function is called", "hostile-start-spins")
            .refused(503, "cpu_budget"),
        start("too much memory before the first function is called", "hostile-start-grows")
            .refused_saying(503, "memory", too_much),
    ]
}

/// It gets all its memory or its end: a busy machine may take longer to map the pages than a call may compute.
async fn fill(client: Client) -> Outcome {
    let answer = client.post("/plugins/hostile-memory/fill", json!({})).await;
    match (answer.status, answer.json["error"]["code"].as_str()) {
        (200, _) => is(PAGES)(&answer.json["data"]),
        (503, Some("cpu_budget")) => Ok(()),
        _ => Err(format!("expected a success or cpu_budget: {answer:?}")),
    }
}

fn is(expected: u64) -> impl Fn(&Value) -> Outcome {
    move |found| match found.as_u64() == Some(expected) {
        true => Ok(()),
        false => Err(format!("expected {expected}: {found}")),
    }
}
