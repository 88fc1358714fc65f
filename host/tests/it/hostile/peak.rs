//! What an attack with values costs the host at its worst moment, in resident memory.
//!
//! The attackers have a host of their own here, with time enough, so that what stops them is the bound on memory.
//! Plugins' own memory counts too: the limits below are that and three times what the host may hold for the attack.

use serde_json::{Value, json};

use crate::common::{Answer, Client, Host};

const MIB: u64 = 1 << 20;

const CONFIG: &str = "
log.filter = \"error\"
limits.cpu_budget_ms = 8000
limits.wall_deadline_ms = 25000
pool.instances = 12
pool.memory_keep_resident_bytes = 0
http.header_read_timeout_ms = 60000
";

struct Attack {
    path: &'static str,
    body: Value,
    /// Of the plugins' own memories, which are given back afterwards.
    guests_mib: u64,
    /// What the settings let the host hold for it.
    limit_mib: u64,
    end: End,
}

enum End {
    Refused(u16, &'static str),
    /// The data.
    Answered(Value),
    AnsweredAtLength(usize),
    /// So many of the calls: fewer than were made, and more on a slow machine, where the first are over early.
    AnsweredSome(std::ops::Range<u64>),
}

fn attack(path: &'static str, body: Value, guests_mib: u64, limit_mib: u64, end: End) -> Attack {
    Attack { path, body, guests_mib, limit_mib, end }
}

/// `limits.hostcall_bytes` is 8 MiB, `deferred_bytes` 32 MiB, `answer_bytes` 16 MiB, `http.body_memory_bytes` 64 MiB.
fn attacks() -> Vec<Attack> {
    use End::{Answered, AnsweredAtLength, AnsweredSome, Refused};
    let too_large = || Refused(503, "too_large");
    let values = |what, body, guests, limit, end| attack(what, body, guests, limit, end);
    vec![
        values("/hostile-values/forward-text", json!({ "bytes": 60 * MIB }), 0, 8, too_large()),
        values("/hostile-values/forward-text", json!({ "bytes": 8 * MIB }), 16, 8, Answered(json!(8 * MIB))),
        values("/hostile-values/forward-bytes", json!({ "count": 60 * MIB }), 0, 8, too_large()),
        values("/hostile-values/forward-bytes", json!({ "count": 200_000 }), 8, 8, Answered(json!(200_000))),
        values("/hostile-values/forward-numbers", json!({ "count": 3_000_000 }), 0, 8, too_large()),
        values("/hostile-values/forward-nested", json!({ "count": 25_000 }), 4, 8, Answered(json!(25_000))),
        values("/hostile-values/fetch-named", json!({ "count": 100_000 }), 8, 8, Answered(json!(100_000))),
        values("/hostile-values/fetch-named", json!({ "count": 3_000_000 }), 0, 8, Refused(503, "unavailable")),
        // 224 MiB of answers, of which four fit; one instance of the provider lives at a time.
        values("/hostile-values/defer-answers", json!({ "bytes": 7 * MIB, "calls": 32 }), 32, 32, Answered(json!(4))),
        values(
            "/hostile-values/defer-arguments",
            json!({ "bytes": 7 * MIB, "calls": 32 }),
            32,
            32,
            AnsweredSome(4..24),
        ),
        values("/hostile-values/sql-text", json!({ "bytes": 60 * MIB }), 0, 8, too_large()),
        values("/hostile-values/sql-nulls", json!({ "count": 2_000_000 }), 32, 8, too_large()),
        values(
            "/hostile-values/sql-nulls",
            json!({ "count": 200_000 }),
            4,
            8,
            Answered(json!("invalid: the statement has 0 parameters, 200000 values were given")),
        ),
        values(
            "/hostile-values/sql-echo",
            json!({ "bytes": MIB, "times": 100 }),
            2,
            8,
            Answered(json!("quota: result bytes: at most 8388608; ask for fewer rows or columns")),
        ),
        // Each text would stay with the host, 700 MiB in all.
        values("/hostile-values/http-methods", json!({ "bytes": 7 * MIB, "count": 50 }), 16, 8, Answered(json!(0))),
        values(
            "/hostile-values/http-bodies",
            json!({ "bytes": MIB, "count": 230 }),
            2,
            16,
            Answered(json!(230 * 65_536)),
        ),
        values("/hostile-sink/give-untouched-text", json!({ "bytes": 60 * MIB }), 0, 8, too_large()),
        // Six bytes of JSON for each of the text: 42 MiB.
        values("/hostile-sink/give-text", json!({ "bytes": 7 * MIB }), 8, 8, too_large()),
        values("/hostile-sink/give-named", json!({ "count": 90_000 }), 8, 8, AnsweredAtLength(90_000)),
        values("/hostile-sink/give-error", json!({ "bytes": 7 * MIB }), 8, 8, Refused(403, "denied")),
        values("/hostile-sink/take-numbers", json!({ "numbers": vec![0; 400_000] }), 0, 8, Refused(413, "too_large")),
        values(
            "/hostile-sink/take-nested",
            json!({ "nested": vec![json!([]); 150_000] }),
            0,
            8,
            Refused(413, "too_large"),
        ),
        values("/hostile-sink/take-numbers", json!({ "numbers": vec![0; 220_000] }), 0, 64, Refused(422, "invalid")),
        values("/hostile-sink/take-bytes", json!({ "bytes": "AAAA".repeat(500_000) }), 0, 8, Refused(422, "invalid")),
    ]
}

#[tokio::test]
async fn a_value_costs_the_host_no_more_than_three_times_what_it_may_hold() {
    let host = Host::with_config(&["hostile-values", "hostile-sink"], CONFIG).await;
    // Tables, pool and buffers are there before anything is measured.
    for path in ["/hostile-values/forward-text", "/hostile-values/sql-text", "/hostile-values/http-methods"] {
        ask(&host, path, &json!({ "bytes": 1, "count": 1 })).await;
    }
    ask(&host, "/hostile-sink/give-text", &json!({ "bytes": 1 })).await.data(200);
    let mut wrong = Vec::new();
    for attack in attacks() {
        let cost = Peak::begin(host.id());
        let answer = ask(&host, attack.path, &attack.body).await;
        let cost_mib = cost.mib(host.id());
        let allowed_mib = attack.guests_mib + 3 * attack.limit_mib;
        let ended = attack.ended_as_it_should(&answer);
        println!("{} costs {cost_mib} MiB of {allowed_mib}", attack.path);
        if cost_mib > allowed_mib || !ended {
            let told: String = answer.text.chars().take(200).collect();
            wrong.push(format!("{}: {cost_mib} MiB, {allowed_mib} allowed: {} {told}", attack.path, answer.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn ask(client: &Client, path: &str, body: &Value) -> Answer {
    client.post(&format!("/plugins{path}"), body.clone()).await
}

impl Attack {
    fn ended_as_it_should(&self, answer: &Answer) -> bool {
        match &self.end {
            End::Refused(status, code) => answer.status == *status && answer.json["error"]["code"] == *code,
            End::Answered(data) => answer.status == 200 && answer.json["data"] == *data,
            End::AnsweredSome(range) => {
                answer.status == 200 && answer.json["data"].as_u64().is_some_and(|data| range.contains(&data))
            }
            End::AnsweredAtLength(length) => {
                answer.status == 200 && answer.json["data"].as_array().is_some_and(|data| data.len() == *length)
            }
        }
    }
}

/// The most memory that a process had, from a beginning.
struct Peak {
    before_kib: u64,
}

impl Peak {
    fn begin(process: u32) -> Self {
        // 5 sets the mark back to what is resident now.
        std::fs::write(format!("/proc/{process}/clear_refs"), "5").expect("the host is ours");
        Self { before_kib: kib(process, "VmHWM:") }
    }

    fn mib(&self, process: u32) -> u64 {
        kib(process, "VmHWM:").saturating_sub(self.before_kib) / 1024
    }
}

fn kib(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the host runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.parse().ok());
    kib.unwrap_or_else(|| panic!("no {name} in {status}"))
}
