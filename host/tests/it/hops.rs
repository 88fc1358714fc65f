//! One plugin calls another: whatever becomes of the callee is a value for the caller.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Host, ask};

async fn through(host: &Host, action: &str, amount: u64) -> String {
    let answer = host.post("/plugins/prober/through", json!({ "action": action, "amount": amount })).await;
    answer.data(200).as_str().unwrap_or_else(|| panic!("expected a text: {answer:#?}")).to_owned()
}

#[tokio::test]
async fn what_ends_the_callee_is_an_answer_to_the_caller() {
    let host = Host::with_config(&["probe", "prober"], "limits.wall_deadline_ms = 1500").await;
    for (action, amount, expected) in [
        ("trap", 0, "unavailable: plugin probe trapped: "),
        ("sleep", 60_000, "unavailable: plugin probe did not answer within "),
        ("spin", 0, "unavailable: plugin probe used up the CPU budget of the request"),
        ("big", 10 << 20, "unavailable: plugin probe passed more data across one call than the 8388608 bytes allowed"),
    ] {
        let told = through(&host, action, amount).await;
        // On a busy machine the time may be over before the budget is.
        let late = action == "spin" && told.starts_with("unavailable: plugin probe did not answer within ");
        assert!(told.starts_with(expected) || late, "{action}: {told}");
        // The next call finds everything as it was.
        assert_eq!(through(&host, "sleep", 1).await, "slept 1 ms", "after {action}");
    }
    assert_eq!(through(&host, "big", 1 << 20).await, "1048576 bytes");
}

#[tokio::test]
async fn a_failure_for_which_the_types_have_no_case_ends_the_caller_too() {
    let host = Host::with_plugins(&["probe", "prober"]).await;
    let answer = host.post("/plugins/prober/through", json!({ "action": "silent", "amount": 0 })).await;
    let message = answer.message(502, "plugin_trapped");
    let expected = "plugin prober trapped: a call it made failed: plugin probe trapped: ";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(through(&host, "sleep", 1).await, "slept 1 ms");
}

#[tokio::test]
async fn a_call_from_outside_has_the_clients_identity_and_no_caller() {
    let host = Host::with_plugins(&["probe"]).await;
    let request = host.tenant("acme").request(Method::GET, "/plugins/probe/context");
    let request = request.header("X-User-ID", "ada").header("X-Correlation-ID", "order-4711");
    let answer = ask(request.header("X-Caller-Plugin-ID", "crm")).await;
    let seen = answer.data(200);
    assert_eq!(
        json!([seen["tenant"], seen["user"], seen["correlationId"], seen["depth"], seen["callingPlugin"]]),
        json!(["acme", "ada", "order-4711", 0, null])
    );
    let left = seen["remainingNanoseconds"].as_u64().unwrap();
    assert!(left > 0 && left <= 10_000_000_000, "{left}");
}

#[tokio::test]
async fn a_hop_names_the_calling_plugin_and_keeps_tenant_and_correlation() {
    let host = Host::with_plugins(&["probe", "prober"]).await;
    let request = host.tenant("acme").request(Method::POST, "/plugins/prober/through");
    let request = request.json(&json!({ "action": "context", "amount": 0 })).header("X-Correlation-ID", "order-4711");
    let told = "callingPlugin=prober tenant=acme depth=1 correlation=order-4711";
    assert_eq!(*ask(request).await.data(200), told);
}

#[tokio::test]
async fn a_chain_of_calls_ends_at_the_depth_limit_with_an_error_that_names_it() {
    let host = Host::with_config(&["ping", "pong"], "limits.depth_max = 4").await;
    assert_eq!(*host.get("/plugins/ping/ping/4").await.data(200), 4);
    let begun = Instant::now();
    let refused = host.get("/plugins/ping/ping/1000").await;
    assert!(begun.elapsed() < Duration::from_secs(9), "it ended with the deadline, not with the depth");
    let message = "plugin pong was called at depth 5; at most 4 nested plugin calls are allowed";
    assert_eq!(refused.message(503, "unavailable"), message);
    assert_eq!(*host.get("/plugins/pong/pong/4").await.data(200), 4);
}

/// Each call of a chain holds an instance while it waits for the next. With few instances and many chains,
/// those furthest down must still find one.
#[tokio::test]
async fn many_chains_at_once_share_few_instances_and_all_come_to_their_end() {
    let config =
        "limits.depth_max = 3\nlimits.cpu_budget_ms = 5000\nlimits.wall_deadline_ms = 25000\npool.instances = 6";
    let host = Host::with_config(&["ping", "pong"], config).await;
    let chains = (0..40).map(|_| host.get("/plugins/ping/ping/3"));
    for answer in futures::future::join_all(chains).await {
        assert_eq!(*answer.data(200), 3);
    }
}

#[tokio::test]
async fn deferred_calls_run_at_the_same_time() {
    let host = Host::with_plugins(&["probe", "prober"]).await;
    let begun = Instant::now();
    let answer = host.post("/plugins/prober/overlap", json!({ "milliseconds": 200, "calls": 5 })).await;
    let taken = begun.elapsed();
    assert_eq!(*answer.data(200), 5);
    assert!(taken >= Duration::from_millis(200), "{taken:?}");
    assert!(taken < Duration::from_millis(700), "five calls of 200 ms took {taken:?}");
}

#[tokio::test]
async fn a_deferred_call_that_fails_is_an_answer_too() {
    let host = Host::with_config(&["probe", "prober"], "limits.wall_deadline_ms = 1500").await;
    let answer = host.post("/plugins/prober/overlap", json!({ "milliseconds": 60_000, "calls": 3 })).await;
    assert_eq!(*answer.data(200), 0, "how many of them succeeded");
}

#[tokio::test]
async fn of_two_deferred_calls_the_one_that_is_over_is_found() {
    let host = Host::with_plugins(&["probe", "prober"]).await;
    let begun = Instant::now();
    let answer = host.post("/plugins/prober/select", json!({ "slowMs": 8_000, "fastMs": 20 })).await;
    assert_eq!(*answer.data(200), "fast");
    assert!(begun.elapsed() < Duration::from_secs(6), "it waited for the slow one");
}

#[tokio::test]
async fn a_deferred_call_that_is_let_go_ends_and_gives_its_instance_back() {
    // Two instances for calls from outside and two for those below.
    let host = Host::with_config(&["probe", "prober"], "limits.depth_max = 1\npool.instances = 4").await;
    let begun = Instant::now();
    for _ in 0..6 {
        host.post("/plugins/prober/abandon", json!({ "milliseconds": 8_000 })).await.data(200);
    }
    assert_eq!(through(&host, "sleep", 1).await, "slept 1 ms");
    assert!(begun.elapsed() < Duration::from_secs(6), "somebody waited for the calls let go: {:?}", begun.elapsed());
}

const REPORTS: [&str; 2] = ["analytics", "crm-double"];

async fn report(host: &Host, tenant: &str, id: &str) -> Value {
    let answer = host.tenant(tenant).post(&format!("/plugins/analytics/reports/{id}/run"), json!({})).await;
    answer.data(200).clone()
}

#[tokio::test]
async fn a_report_waits_once_for_its_two_slow_calls() {
    let host = Host::with_plugins(&REPORTS).await;
    let slow = host.tenant("slow");
    let begun = Instant::now();
    slow.get("/plugins/crm/deals").await.data(200);
    slow.get("/plugins/crm/deals/pipeline/summary").await.data(200);
    let in_turn = begun.elapsed();
    assert!(in_turn >= Duration::from_millis(400), "{in_turn:?}");

    let begun = Instant::now();
    let report = report(&host, "slow", "report-2").await;
    let taken = begun.elapsed();
    assert_eq!(report["data"]["totalValue"], 3000);
    assert!(taken >= Duration::from_millis(200), "{taken:?}");
    assert!(taken + Duration::from_millis(100) < in_turn, "{taken:?}, and the same calls in turn {in_turn:?}");
}

#[tokio::test]
async fn a_report_without_its_source_says_why_and_is_still_an_answer() {
    let host = Host::with_plugins(&REPORTS).await;
    for id in ["report-1", "report-2", "report-3", "report-4"] {
        let trapped = report(&host, "trap", id).await;
        let why = trapped["error"].as_str().unwrap_or_else(|| panic!("no error: {trapped:#}"));
        assert!(why.contains(" is unavailable: plugin crm ") && why.contains("plugin crm trapped: "), "{id}: {why}");
        assert_eq!(json!([trapped["data"], trapped["metadata"]["dataSource"]]), json!([null, []]), "{id}");
    }
    let denied = report(&host, "denied", "report-2").await;
    assert_eq!(denied["error"], "crm:deals denies access: every call of the tenant `denied` is denied");
    assert_eq!(json!([denied["data"], denied["metadata"]["dataSource"]]), json!([null, []]));
}

#[tokio::test]
async fn a_report_that_lacks_one_of_its_answers_has_what_the_other_gave() {
    let host = Host::with_plugins(&REPORTS).await;
    let half = report(&host, "half", "report-2").await;
    let why = half["error"].as_str().unwrap_or_else(|| panic!("no error: {half:#}"));
    assert!(why.starts_with("crm:deals is unavailable: plugin crm trapped: "), "{why}");
    let data = &half["data"];
    assert_eq!(json!([data["totalDeals"], data["topDeals"][0]["id"], data["byStage"]]), json!([2, "deal-2", null]));
    assert_eq!(half["metadata"], json!({ "dataSource": ["crm:deals"], "recordsAnalyzed": 2, "timePeriod": "all" }));
}

#[tokio::test]
async fn a_report_on_more_rows_than_a_page_holds_counts_all_of_them() {
    let host = Host::with_plugins(&REPORTS).await;
    let contacts = report(&host, "many", "report-1").await;
    assert_eq!(json!([contacts["error"], contacts["data"]["totalContacts"]]), json!([null, 1000]));
    assert_eq!(contacts["data"]["byTag"], json!({ "customer": 1000, "double": 1000 }));
    // Two of six stages are closed: 666 or 667 of 1,000 deals are open, each thousand of them one more.
    let forecast = report(&host, "many", "report-3").await;
    let open = (1..=1000u64).filter(|number| (number + 2) % 6 < 4);
    let (count, revenue) = open.fold((0, 0), |(count, sum), number| (count + 1, sum + number * 1000));
    assert_eq!(
        json!([forecast["error"], forecast["data"]["openDeals"], forecast["data"]["expectedRevenue"]]),
        json!([null, count, revenue])
    );
}

#[tokio::test]
async fn deferred_calls_beyond_the_limit_are_refused_as_values() {
    let host = Host::with_config(&["probe", "prober"], "limits.deferred_calls = 5").await;
    let answer = host.post("/plugins/prober/overlap", json!({ "milliseconds": 1, "calls": 8 })).await;
    assert_eq!(*answer.data(200), 5, "five of eight calls are made");
    let again = host.post("/plugins/prober/overlap", json!({ "milliseconds": 1, "calls": 5 })).await;
    assert_eq!(*again.data(200), 5);
}
