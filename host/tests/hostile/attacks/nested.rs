//! Nested calls: without end, as wide as they may be, and more at once than the pool has instances for.

use serde_json::json;

use crate::attack::Attack;

pub fn table() -> Vec<Attack> {
    let spread = |name, width: u32| Attack::post(name, "hostile-fan", "/spread", json!({ "width": width }));
    // Its leaves are refused once there is no instance left for them; it ends with the budget, or earlier when all are.
    let tree = |name, width| {
        spread(name, width).refused(503, "cpu_budget").or_answered(|calls| match calls.as_u64() {
            Some(_) => Ok(()),
            None => Err(format!("expected how many calls came back: {calls}")),
        })
    };
    vec![
        // Nine calls below each other take a host without optimisation much of their budget, on a busy machine all of
        // it; `hops.rs` has the one that ends at its depth.
        Attack::get("a chain of calls back and forth without end", "ping", "/ping/1000000")
            .refused_saying(503, "unavailable", "at depth 9; at most 8")
            .or_out_of_time()
            .times(20, 4),
        Attack::get("more such chains at once than there are instances", "ping", "/ping/1000000")
            .refused(503, "unavailable")
            .or_out_of_time()
            .times(100, 100),
        spread("a narrow tree of calls, which the depth limit ends", 1).answered(|calls| match calls.as_u64() {
            Some(1..=4) => Ok(()),
            _ => Err(format!("expected four calls back at depths 1, 3, 5 and 7 at most, and a failure: {calls}")),
        }),
        tree("a tree of calls as wide as it may be", 32),
        tree("several of them at once", 32).times(8, 8),
        // Fewer than the handles that a call may hold, which would end it first on a quick machine.
        tree("a tree of calls that is wider than it may be", 500),
    ]
}
