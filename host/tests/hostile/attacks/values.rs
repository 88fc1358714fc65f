//! Values too large for the host to hold: as arguments, as results, through JSON, SQL and a forwarded call. Each is refused
//! before it is copied; what the larger of those that are allowed cost is measured in `it/hostile/peak.rs`.

use serde_json::{Value, json};

use crate::attack::{Attack, Outcome};

const MIB: u64 = 1 << 20;
const MILLION: u64 = 1_000_000;

pub fn table() -> Vec<Attack> {
    [arguments(), results(), through_json(), through_sql(), kept_by_the_host()].into_iter().flatten().collect()
}

fn pushed(name: &'static str, path: &'static str, body: Value) -> Attack {
    Attack::post(name, "hostile-values", path, body)
}

fn given(name: &'static str, path: &'static str, body: Value) -> Attack {
    Attack::post(name, "hostile-sink", path, body)
}

fn arguments() -> Vec<Attack> {
    let caller = "plugin hostile-values passed more data across one call than the 8388608 bytes allowed";
    let refused = |attack: Attack| attack.refused_saying(503, "too_large", caller);
    vec![
        refused(pushed("a text of 60 MiB to another plugin", "/forward-text", json!({ "bytes": 60 * MIB }))),
        refused(pushed("60 MiB of bytes to another plugin", "/forward-bytes", json!({ "count": 60 * MIB }))),
        refused(pushed("3 million numbers to another plugin", "/forward-numbers", json!({ "count": 3 * MILLION }))),
        refused(pushed("the smallest records in lists of their own", "/forward-nested", json!({ "count": 70_000 }))),
    ]
}

fn results() -> Vec<Attack> {
    let itself = "plugin hostile-sink passed more data across one call than the 8388608 bytes allowed";
    let refused = |attack: Attack| attack.refused_saying(503, "too_large", itself);
    let unavailable = |attack: Attack| attack.refused_saying(503, "unavailable", itself);
    vec![
        refused(given("an answer of 60 MiB of text", "/give-untouched-text", json!({ "bytes": 60 * MIB }))),
        refused(given("an answer of 60 MiB of bytes", "/give-bytes", json!({ "count": 60 * MIB }))),
        refused(given("an answer of 3 million numbers", "/give-numbers", json!({ "count": 3 * MILLION }))),
        refused(given("an answer of 3 million records", "/give-named", json!({ "count": 3 * MILLION }))),
        unavailable(pushed("58 MiB of text from another plugin", "/fetch-text", json!({ "bytes": 58 * MIB }))),
        unavailable(pushed("3 million records from another plugin", "/fetch-named", json!({ "count": 3 * MILLION }))),
    ]
}

fn through_json() -> Vec<Attack> {
    let parts = "too many parts";
    let values = "the values of a request may take 8388608 bytes (limits.hostcall_bytes)";
    vec![
        given("a body of 400,000 numbers", "/take-numbers", json!({ "numbers": vec![0; 400_000] })).refused_saying(
            413,
            "too_large",
            parts,
        ),
        given("a body of lists in lists", "/take-nested", json!({ "nested": vec![json!([]); 150_000] }))
            .refused_saying(413, "too_large", parts),
        given("a body of 220,000 numbers", "/take-numbers", json!({ "numbers": vec![0; 220_000] }))
            .refused_saying(422, "invalid", values),
        given("1.5 MiB of bytes as base64", "/take-bytes", json!({ "bytes": "AAAA".repeat(500_000) }))
            .refused_saying(422, "invalid", values),
    ]
}

fn through_sql() -> Vec<Attack> {
    let itself = "plugin hostile-values passed more data across one call than the 8388608 bytes allowed";
    let refused = |attack: Attack| attack.refused_saying(503, "too_large", itself);
    vec![
        refused(pushed("a text of 60 MiB as an SQL parameter", "/sql-text", json!({ "bytes": 60 * MIB }))),
        refused(pushed("60 MiB of bytes as an SQL parameter", "/sql-blob", json!({ "bytes": 60 * MIB }))),
        refused(pushed("a million SQL parameters", "/sql-nulls", json!({ "count": MILLION }))),
    ]
}

fn kept_by_the_host() -> Vec<Attack> {
    vec![
        pushed("60 MiB of random bytes", "/random", json!({ "bytes": 60 * MIB })).refused_saying(
            502,
            "plugin_trapped",
            "requested len 62914560 exceeds limit 8388608",
        ),
        pushed("requests with methods of 128 KiB", "/http-methods", json!({ "bytes": 128 << 10, "count": 20 }))
            .answered(|accepted| is(accepted, 0)),
        pushed("header fields of 128 KiB", "/http-fields", json!({ "bytes": 128 << 10, "count": 20 })).refused_saying(
            502,
            "plugin_trapped",
            "total size of fields exceeds limit",
        ),
    ]
}

fn is(found: &Value, expected: u64) -> Outcome {
    if *found == expected { Ok(()) } else { Err(format!("expected {expected}, found {found}")) }
}
