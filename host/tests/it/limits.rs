//! What a call can take, and that whoever takes more harms only itself.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::common::{Answer, Host};

async fn probe(host: &Host, what: &str, body: Value) -> Answer {
    host.post(&format!("/plugins/probe/{what}"), body).await
}

/// Others are served as before.
async fn serves_others(host: &Host) {
    assert_eq!(host.get("/plugins/probe/context").await.data(200)["depth"], 0);
    assert_eq!(host.tenant("other").get("/plugins/greeter/greetings/Ada").await.data(200)["text"], "1.0.0 greets Ada");
}

#[tokio::test]
async fn a_trap_ends_its_call_alone() {
    let host = Host::with_plugins(&["probe", "greeter-1-0"]).await;
    let (trapped, _, ()) =
        tokio::join!(probe(&host, "trap", json!({})), probe(&host, "trap", json!({})), serves_others(&host));
    let message = trapped.message(502, "plugin_trapped");
    assert!(message.starts_with("plugin probe trapped: "), "{message}");
    serves_others(&host).await;
}

#[tokio::test]
async fn computing_without_end_stops_at_the_cpu_budget_long_before_the_deadline() {
    let host = Host::with_plugins(&["probe", "greeter-1-0"]).await;
    let begun = Instant::now();
    let stopped = probe(&host, "spin", json!({})).await;
    assert_eq!(stopped.message(503, "cpu_budget"), "plugin probe used up the CPU budget of the request");
    assert!(begun.elapsed() < Duration::from_secs(8), "50 ms of CPU time took {:?}", begun.elapsed());
    serves_others(&host).await;
}

#[tokio::test]
async fn waiting_without_end_stops_at_the_deadline() {
    let host = Host::with_config(&["probe", "greeter-1-0"], "limits.wall_deadline_ms = 300").await;
    let begun = Instant::now();
    let stopped = probe(&host, "sleep", json!({ "milliseconds": 60_000 })).await;
    let message = stopped.message(504, "deadline");
    assert!(message.starts_with("plugin probe did not answer within "), "{message}");
    let taken = begun.elapsed();
    assert!(taken >= Duration::from_millis(300) && taken < Duration::from_secs(10), "{taken:?}");
    serves_others(&host).await;
}

#[tokio::test]
async fn waiting_uses_up_no_cpu_budget() {
    let host = Host::with_config(&["probe", "prober"], "limits.cpu_budget_ms = 50").await;
    probe(&host, "sleep", json!({ "milliseconds": 300 })).await.data(200);
    // Ten waits of one request, which share its budget.
    let answer = host.post("/plugins/prober/overlap", json!({ "milliseconds": 100, "calls": 10 })).await;
    assert_eq!(*answer.data(200), 10);
}

#[tokio::test]
async fn memory_ends_at_its_limit() {
    // Touching so much memory takes a busy machine longer than the usual budget.
    let config = "limits.memory_bytes = 33554432\nlimits.cpu_budget_ms = 2000";
    let host = Host::with_config(&["probe", "greeter-1-0"], config).await;
    assert_eq!(*probe(&host, "allocate", json!({ "mebibytes": 16 })).await.data(200), 16);
    let refused = probe(&host, "allocate", json!({ "mebibytes": 40 })).await;
    let message = "plugin probe asked for more memory than the 33554432 bytes a call may have";
    assert_eq!(refused.message(503, "memory"), message);
    serves_others(&host).await;
    // What the call before had is not counted against the next.
    assert_eq!(*probe(&host, "allocate", json!({ "mebibytes": 16 })).await.data(200), 16);
}

#[tokio::test]
async fn recursion_without_end_is_a_trap() {
    let host = Host::with_plugins(&["probe", "greeter-1-0"]).await;
    let trapped = probe(&host, "recurse", json!({})).await;
    let message = trapped.message(502, "plugin_trapped");
    assert!(message.contains("call stack exhausted"), "{message}");
    serves_others(&host).await;
}

#[tokio::test]
async fn an_answer_larger_than_what_may_cross_is_refused() {
    let host = Host::with_plugins(&["probe", "greeter-1-0"]).await;
    let refused = probe(&host, "big", json!({ "bytes": 10 << 20 })).await;
    let message = "plugin probe passed more data across one call than the 8388608 bytes allowed";
    assert_eq!(refused.message(503, "too_large"), message);
    serves_others(&host).await;
    let whole = probe(&host, "big", json!({ "bytes": 4 << 20 })).await;
    assert_eq!(whole.data(200).as_str().map(str::len), Some(4 << 20));
}

#[tokio::test]
async fn resources_end_at_their_limit() {
    let host = Host::with_config(&["probe", "prober"], "limits.resource_table_entries = 20").await;
    let overlap =
        async |calls: u32| host.post("/plugins/prober/overlap", json!({ "milliseconds": 1, "calls": calls })).await;
    let message = "plugin prober held more than the 20 resources a call may (limits.resource_table_entries): drop what is \
                   done with";
    assert_eq!(overlap(200).await.message(503, "handles"), message);
    assert_eq!(*overlap(10).await.data(200), 10);

    let host = Host::with_config(&["probe", "prober"], "limits.handles = 20").await;
    let refused = host.post("/plugins/prober/overlap", json!({ "milliseconds": 1, "calls": 200 })).await;
    let message = "plugin prober held more than the 20 handles a call may (limits.handles): drop what is done with";
    assert_eq!(refused.message(503, "handles"), message);
}

#[tokio::test]
async fn host_calls_end_at_their_limit() {
    let config = "limits.host_calls = 500\nlimits.cpu_budget_ms = 1000";
    let host = Host::with_config(&["probe", "prober", "hostile-sink"], config).await;
    let ask = async |times: u32| host.post("/plugins/hostile-sink/call-host", json!({ "times": times })).await;
    let message = "plugin hostile-sink called the host more than the 500 times a call may (limits.host_calls)";
    assert_eq!(ask(501).await.message(503, "host_calls"), message);
    // What a call had is not counted against the next.
    for _ in 0..3 {
        assert_eq!(*ask(490).await.data(200), 490);
    }
}

#[tokio::test]
async fn the_host_answers_while_more_plugins_compute_than_it_has_threads() {
    let host = Host::with_config(&["probe"], "limits.cpu_budget_ms = 1000\nlimits.wall_deadline_ms = 25000").await;
    let mut spinners = JoinSet::new();
    for _ in 0..8 {
        let client = host.tenant("demo");
        spinners.spawn(async move { client.post("/plugins/probe/spin", json!({})).await });
    }
    // One after the other, from the start of the first to the end of the last.
    let (mut answers, mut slowest) = (0, Duration::ZERO);
    while !spinners.is_empty() {
        let begun = Instant::now();
        assert_eq!(host.get("/health/live").await.status, 200);
        (answers, slowest) = (answers + 1, slowest.max(begun.elapsed()));
        while let Some(spun) = spinners.try_join_next() {
            spun.unwrap().refusal(503, "cpu_budget");
        }
    }
    assert!(slowest < Duration::from_secs(1), "the slowest of {answers} answers took {slowest:?}");
    assert!(answers > 8, "only {answers} answers");
}

#[tokio::test]
async fn a_plugin_has_no_more_instances_than_the_pool_and_the_rest_wait() {
    let config = "pool.instances = 4\nlimits.depth_max = 1\nlimits.wall_deadline_ms = 25000";
    let host = Host::with_config(&["probe"], config).await;
    let begun = Instant::now();
    let sleeps = (0..6).map(|_| probe(&host, "sleep", json!({ "milliseconds": 200 })));
    for answer in futures::future::join_all(sleeps).await {
        answer.data(200);
    }
    // Two at once: half of the instances are kept for nested calls.
    assert!(begun.elapsed() >= Duration::from_millis(600), "six sleeps took {:?}", begun.elapsed());
}
