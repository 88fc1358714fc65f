//! Floods of the log. What the log has of them is looked at in `it/hostile/log.rs`.

use serde_json::json;

use crate::attack::Attack;

pub fn table() -> Vec<Attack> {
    let attack = |name, path, body| Attack::post(name, "hostile-console", path, body);
    vec![
        attack("1 MiB printed as one line", "/flood", json!({ "bytes": 1 << 20 })),
        attack("a million printed lines", "/lines", json!({ "count": 1_000_000 })).or_out_of_time(),
        attack("20 failures in one call", "/fail", json!({ "times": 20 })),
    ]
}
