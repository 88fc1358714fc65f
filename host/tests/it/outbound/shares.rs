//! How many requests there may be: at once, in a minute and in an hour.

use serde_json::json;

use super::server::Outside;
use super::world::{World, ask, assert_error, manifest};
use crate::common::eventually;

async fn world(config: &str) -> (World, Outside, String) {
    let server = Outside::start().await;
    let world = World::start(manifest(&[server.port()]), &[server.address.to_string()], config).await;
    let url = format!("http://api.outbound.test:{}", server.port());
    (world, server, url)
}

/// How often each outcome is there.
fn count(outcomes: &serde_json::Value, told: &str) -> usize {
    outcomes.as_array().unwrap().iter().filter(|outcome| outcome.as_str().unwrap().contains(told)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_and_a_tenant_have_so_many_at_once_and_nothing_is_left_of_them() {
    let (world, server, url) = world("tenant.outbound_requests = 5\nlimits.outbound_requests = 3\n").await;
    let hold = |path: &str, take: bool| json!({ "url": format!("{url}/{path}"), "count": 10, "take": take, "milliseconds": 500 });
    let told = world.call("hold", hold("hang", false)).await.data(200).clone();
    assert_eq!((count(&told, "pending"), count(&told, "ConnectionLimitReached")), (3, 7), "{told}");
    let closed = async || (server.open() == 0).then_some(());
    eventually("the connections of the call are closed", closed).await;

    // Two calls of one tenant together.
    let (one, other) = tokio::join!(world.call("hold", hold("hang", false)), world.call("hold", hold("hang", false)));
    let pending = count(one.data(200), "pending") + count(other.data(200), "pending");
    assert!((3..=5).contains(&pending), "{pending} at once, of 5 places");
    eventually("the connections of both calls are closed", closed).await;

    // Answers that are there and not read: little is taken of them, and nothing is kept.
    let told = world.call("hold", hold("endless", true)).await.data(200).clone();
    assert_eq!((count(&told, "200"), count(&told, "ConnectionLimitReached")), (3, 7), "{told}");
    eventually("the connections with answers are closed", closed).await;
    assert!(server.written() < 64 << 20, "{} bytes of unread answers were taken", server.written());
    assert!(server.connections() <= 3 + 6 + 3, "{}", server.connections());
    // The places are free again. A short answer is over by itself, so there may be one more before the last has begun.
    let told = world.call("hold", hold("fine", true)).await.data(200).clone();
    assert!(count(&told, "200") >= 3, "{told}");
}

#[tokio::test]
async fn a_plugin_has_a_rate_for_each_tenant() {
    let (world, server, url) = world("outbound.requests_per_minute = 1\noutbound.requests_burst = 3\n").await;
    for _ in 0..3 {
        assert_eq!(world.ask(&url).await["status"], 200);
    }
    assert_error(&world.ask(&url).await, "TooMany");
    assert_eq!(ask(&world.host.tenant("acme"), &url).await["status"], 200, "another tenant is not meant");
    assert_eq!(server.connections(), 4);
    assert!(world.log().contains("outbound.requests_per_minute = 1"), "{}", world.log());
}

#[tokio::test]
async fn the_quota_of_the_hour_counts_requests_to_hosts_outside() {
    let (world, server, url) = world("[quotas]\nenforced_in_dev = true\noutbound_requests_per_hour = 2\n").await;
    // An hour may begin in between, and then the count begins anew, once.
    let mut refused = None;
    for _ in 0..5 {
        let outcome = world.ask(&url).await;
        if outcome["status"] != 200 {
            refused = Some(outcome);
            break;
        }
    }
    let refused = refused.expect("the quota was never used up");
    assert_error(&refused, "Quota");
    assert_error(&refused, "the quota of 2 outbound requests an hour");
    assert!((2..=4).contains(&server.connections()));
}
