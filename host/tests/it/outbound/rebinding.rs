//! Hosts that change what they are: a name whose address changes between two lookups, and a host that says to ask
//! another.

use serde_json::json;

use super::server::Outside;
use super::world::{World, assert_error, manifest};

/// The name has a good address when it is looked at and a bad one the next time: a second lookup within one request
/// would lead there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_connected_to_is_what_was_looked_at() {
    const REQUESTS: usize = 20;
    let (good, forbidden) = (Outside::start().await, Outside::everywhere().await);
    let ports = [good.port(), forbidden.port()];
    let world = World::start(manifest(&ports), &["127.0.0.77/32".into(), good.address.to_string()], "").await;
    let turns: Vec<&[&str]> =
        (0..REQUESTS).map(|turn| if turn % 2 == 0 { &["127.0.0.1"][..] } else { &["127.0.0.2"][..] }).collect();
    world.names.set("flip.outbound.test", &turns);
    let url = format!("http://flip.outbound.test:{}/", good.port());
    for turn in 0..REQUESTS {
        let outcome = world.ask(&url).await;
        match turn % 2 {
            0 => assert_eq!(outcome["status"], 200, "request {turn}: {outcome}"),
            _ => assert_error(&outcome, "Prohibited"),
        }
    }
    assert_eq!(world.names.asked("flip.outbound.test"), REQUESTS, "each request looks its host up once");
    assert_eq!(good.connections(), REQUESTS / 2);

    // The same at a port where somebody listens on every address: only the one that was opened may be connected to.
    world.names.set("flop.outbound.test", &[&["127.0.0.77"], &["127.0.0.1"]]);
    let url = format!("http://flop.outbound.test:{}/", forbidden.port());
    assert_eq!(world.ask(&url).await["status"], 200);
    assert_error(&world.ask(&url).await, "Prohibited");
    assert_eq!((forbidden.connections(), world.names.asked("flop.outbound.test")), (1, 2));
}

/// Beside a good address a bad one: nobody chooses among them.
#[tokio::test]
async fn one_bad_address_spoils_the_host() {
    let good = Outside::start().await;
    let world = World::start(manifest(&[good.port()]), &[good.address.to_string()], "").await;
    let url = format!("http://both.outbound.test:{}/", good.port());
    for addresses in [&["127.0.0.1", "10.0.0.1"][..], &["127.0.0.1", "::1"], &["::ffff:7f00:1", "127.0.0.1"]] {
        world.names.set("both.outbound.test", &[addresses]);
        assert_error(&world.ask(&url).await, "Prohibited");
    }
    world.names.set("both.outbound.test", &[&["127.0.0.1", "127.0.0.1"]]);
    assert_eq!(world.ask(&url).await["status"], 200);
    world.names.set("both.outbound.test", &[&[]]);
    assert_error(&world.ask(&url).await, "UnknownHost");
    assert_eq!(good.connections(), 1);
}

/// An answer that does not fit into a datagram is asked for over TCP, and looked at like any other.
#[tokio::test]
async fn an_answer_that_was_cut_off_is_asked_for_over_tcp() {
    let (good, forbidden) = (Outside::start().await, Outside::everywhere().await);
    let (port, bad) = (good.port(), forbidden.port());
    let world = World::start(manifest(&[port, bad]), &[good.address.to_string()], "").await;
    assert_eq!(world.ask(&format!("http://tcp-long.outbound.test:{port}/")).await["status"], 200);
    // For addresses of both versions.
    assert_eq!(world.names.asked_over_tcp("tcp-long.outbound.test"), 2);
    world.names.set("tcp-bad.outbound.test", &[&["127.0.0.1", "10.0.0.1"]]);
    assert_error(&world.ask(&format!("http://tcp-bad.outbound.test:{port}/")).await, "Prohibited");
    assert_error(&world.ask(&format!("http://tcp-loopback.outbound.test:{bad}/")).await, "Prohibited");
    // One that breaks off is none, and what it began with counts for nothing.
    let told = world.ask(&format!("http://tcp-cut-off.outbound.test:{port}/")).await;
    assert!(told["error"].is_string(), "{told}");
    assert_eq!(world.names.asked_over_tcp("tcp-cut-off.outbound.test"), 2);
    assert_eq!((good.connections(), forbidden.connections()), (1, 0));
}

#[tokio::test]
async fn a_redirect_to_where_no_plugin_may_go_leads_to_no_connection() {
    let (good, forbidden) = (Outside::start().await, Outside::everywhere().await);
    let (port, bad) = (good.port(), forbidden.port());
    let world = World::start(manifest(&[port, bad]), &[good.address.to_string()], "").await;
    let first = |to: &str| format!("http://good.outbound.test:{port}/redirect?{to}");
    let follow = async |to: &str| {
        let steps = world.call("follow", json!({ "url": first(to), "hops": 5 })).await.data(200).clone();
        steps.as_array().unwrap().iter().map(|step| step.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (to, end) in [
        (format!("http://v4-a9fea9fe.outbound.test:{bad}/latest/meta-data/"), "Prohibited"),
        (format!("http://v4-7f000001.outbound.test:{bad}/"), "Prohibited"),
        (format!("http://v6-00000000000000000000ffff7f000001.outbound.test:{bad}/"), "Prohibited"),
        (format!("http://169.254.169.254:{bad}/"), "Invalid"),
        (format!("http://[::1]:{bad}/"), "Invalid"),
        (format!("http://localhost:{bad}/"), "Denied"),
        (first(&first(&format!("http://v4-0a000001.outbound.test:{bad}/"))), "Prohibited"),
    ] {
        let steps = follow(&to).await;
        let last = steps.last().unwrap();
        assert!(steps[0].ends_with(" 302") && last.contains(end), "{to}: {steps:?}");
    }
    // One that leads where the plugin may go is as any request.
    let steps = follow(&format!("http://other.outbound.test:{port}/")).await;
    assert_eq!(steps[1], format!("http://other.outbound.test:{port}/ 200"));
    assert_eq!(forbidden.connections(), 0, "a redirect led to a connection");
}
