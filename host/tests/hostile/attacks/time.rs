//! Taking time: by computing, which the CPU budget ends, and by waiting, which the deadline ends.

use serde_json::json;

use crate::attack::Attack;

pub fn table() -> Vec<Attack> {
    let mut table = computing();
    table.extend(waiting().into_iter().map(Attack::waits));
    table
}

fn attack(name: &'static str, path: &'static str) -> Attack {
    Attack::post(name, "hostile-time", path, json!({}))
}

fn computing() -> Vec<Attack> {
    let (probe, itself) = ("plugin probe used up the CPU budget", "plugin hostile-time used up the CPU budget");
    vec![
        attack("a loop without end", "/spin").refused(503, "cpu_budget").times(8, 4),
        attack("a loop without end between two cheap host calls", "/spin-between-calls").refused(503, "cpu_budget"),
        attack("a loop without end in a nested call", "/spin-through").refused_saying(503, "unavailable", probe),
        attack("a loop without end in a nested call, and then one in the caller", "/spin-through-and-on")
            .refused_saying(503, "cpu_budget", itself),
        attack("nested calls without end, each of them short", "/call-without-end").refused(503, "cpu_budget"),
    ]
}

fn waiting() -> Vec<Attack> {
    let (probe, itself) = ("plugin probe did not answer within", "plugin hostile-time did not answer within");
    vec![
        attack("a wait without end", "/wait").refused_saying(504, "deadline", itself),
        attack("short waits without end", "/wait-again-and-again").refused_saying(504, "deadline", itself),
        attack("a provider that never answers", "/wait-through").refused_saying(503, "unavailable", probe),
        attack("a provider that never answers, and then a wait without end", "/wait-through-and-on")
            .refused_saying(504, "deadline", itself),
        attack("a deferred loop, and a deferred wait without end", "/wait-deferred").refused_saying(
            503,
            "unavailable",
            probe,
        ),
    ]
}
