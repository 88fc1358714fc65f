//! What one tenant can have of the host at once, and that others have theirs. How long they wait for it is
//! measured in `tests/shares`.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::common::{Answer, Client, Host, eventually};

/// One request of a tenant runs at a time and two wait, though the pool has places for four.
const NARROW: &str = "pool.instances = 8\ntenant = { instances = 2, waiting_requests = 2 }\n[limits]\ndepth_max = 1\nwall_deadline_ms = 25000";

async fn sleep(client: Client, milliseconds: u64) -> Answer {
    client.post("/plugins/probe/sleep", json!({ "milliseconds": milliseconds })).await
}

/// As many requests that sleep, all sent before the first is answered.
fn sleepers(client: &Client, count: usize, milliseconds: u64) -> JoinSet<Answer> {
    (0..count).map(|_| sleep(client.clone(), milliseconds)).collect()
}

#[tokio::test]
async fn one_request_more_than_may_wait_is_refused_and_no_other_tenant_with_it() {
    let host = Host::with_config(&["probe"], NARROW).await;
    let loud = host.tenant("loud");
    let mut asked = sleepers(&loud, 13, 500);
    let first = asked.join_next().await.unwrap().unwrap();
    let message = first.message(429, "tenant_busy");
    assert!(message.starts_with("tenant loud has 2 requests waiting for a free instance"), "{message}");
    assert_eq!(first.header("retry-after"), "1");
    host.tenant("other").get("/plugins/probe/context").await.data(200);
    let mut statuses: Vec<u16> = asked.join_all().await.into_iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[..3], [200; 3], "{statuses:?}");
    assert_eq!(statuses[3..], [429; 9], "{statuses:?}");
    // A flood of refusals is no flood of log lines.
    let log = std::fs::read_to_string(host.scratch().log()).unwrap();
    let told = log.lines().filter(|line| line.contains("loud has 2 requests waiting")).count();
    assert!((1..=3).contains(&told), "{told} lines for 10 refusals within a second or two:\n{log}");
}

#[tokio::test]
async fn whoever_goes_away_gives_back_its_place_and_its_place_in_the_queue() {
    let host = Host::with_config(&["probe"], NARROW).await;
    let loud = host.tenant("loud");
    for _ in 0..5 {
        // One runs and two wait, for longer than this test may take.
        let mut asked = sleepers(&loud, 4, 24_000);
        asked.join_next().await.unwrap().unwrap().refusal(429, "tenant_busy");
        asked.shutdown().await;
        // The host sees that they are gone when it gets to it; until then one more may be refused.
        eventually("a free place", async || (loud.get("/plugins/probe/context").await.status == 200).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn instances_that_wait_are_bounded_for_one_tenant_and_others_have_theirs() {
    let host = Host::with_config(&["probe"], "limits.wall_deadline_ms = 25000").await;
    let loud = host.tenant("loud");
    let mut asked = sleepers(&loud, 200, 20_000);
    // Half of its 64 instances are for calls from outside, 128 wait, and the rest is refused.
    for _ in 0..40 {
        asked.join_next().await.unwrap().unwrap().refusal(429, "tenant_busy");
    }
    assert!(tokio::time::timeout(Duration::from_millis(100), asked.join_next()).await.is_err());
    let others = (0..99).map(|index| sleep(host.tenant(&format!("tenant-{index}")), 10));
    for answer in futures::future::join_all(others).await {
        answer.data(200);
    }
}

#[tokio::test]
async fn one_tenant_computing_does_not_hold_up_another() {
    let host = Host::with_config(&["probe"], "limits.cpu_budget_ms = 2000\nlimits.wall_deadline_ms = 25000").await;
    let loud = host.tenant("loud");
    let mut spinners: JoinSet<Answer> = JoinSet::new();
    for _ in 0..32 {
        let client = loud.clone();
        spinners.spawn(async move { client.post("/plugins/probe/spin", json!({})).await });
    }
    // All of them together compute for a minute; meanwhile others are served.
    for index in 0..50 {
        host.tenant(&format!("tenant-{index}")).get("/plugins/probe/context").await.data(200);
    }
    assert!(spinners.try_join_next().is_none(), "the others waited for what was there before them");
}
