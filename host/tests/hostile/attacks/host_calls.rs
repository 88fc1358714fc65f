//! A million calls of the host, and a million things for it to keep. The suite allows 60,000 calls, so that counting them
//! ends these before the time they take does; `it/limits.rs` has them end so with time enough.

use serde_json::json;

use crate::attack::Attack;

pub fn table() -> Vec<Attack> {
    let million = || json!({ "count": 1_000_000 });
    let calls = "plugin hostile-sink called the host more than the 60000 times a call may (limits.host_calls)";
    let handles = "plugin hostile-sink held more than the 1000 resources a call may (limits.resource_table_entries)";
    let deferred = "plugin hostile-values held more than the 1000 resources a call may (limits.resource_table_entries)";
    vec![
        Attack::post("a million host calls", "hostile-sink", "/call-host", json!({ "times": 1_000_000 }))
            .refused_saying(503, "host_calls", calls)
            .or_out_of_time()
            .times(4, 2),
        Attack::post(
            "a million host calls of a provider",
            "hostile-values",
            "/call-host-through",
            json!({ "times": 1_000_000 }),
        )
        .refused_saying(503, "unavailable", calls)
        .or_out_of_time(),
        Attack::post("a million pollables", "hostile-sink", "/hold-pollables", million())
            .refused_saying(503, "handles", handles),
        Attack::post("a million pollables of a provider", "hostile-values", "/hold-pollables-through", million())
            .refused_saying(503, "unavailable", handles),
        Attack::post("a million deferred calls", "hostile-values", "/defer-and-keep", json!({ "calls": 1_000_000 }))
            .refused_saying(503, "handles", deferred),
    ]
}
