//! A host has to be asked for and granted, and a grant can be taken back.

use serde_json::json;

use super::server::Outside;
use super::world::{World, assert_error, manifest};

fn tenon(world: &World, args: &[&str]) -> String {
    let output = world.host.scratch().tenon(args).args(["--url", world.host.address()]).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_host_works_from_its_grant_until_that_is_taken_back() {
    let server = Outside::start().await;
    let port = server.port();
    let mut manifest = manifest(&[port, 443]);
    manifest["outbound"][0]["traceContext"] = json!(true);
    let open = [server.address.to_string()];
    let world = World::start(manifest, &open, "grants.automatic = \"never\"\n").await;
    let url = format!("http://api.outbound.test:{port}/");
    let grant = format!("*.outbound.test:{port}");

    assert_error(&world.ask(&url).await, "Denied");
    let shown = tenon(&world, &["grant", "fetcher"]);
    for told in [grant.as_str(), "*.outbound.test ", "trace", "Whatever the test says."] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let log = world.log();
    assert!(log.contains(&format!("tenon grant fetcher --host {grant}")), "an install shows it: {log}");
    assert!(log.contains(&format!("an operator can with --host {grant}")), "a request shows it: {log}");
    assert!(log.contains("tenant=demo") && log.contains("correlation="), "{log}");

    tenon(&world, &["grant", "fetcher", "--host", &grant]);
    assert_eq!(world.ask(&url).await["status"], 200);
    assert!(!server.requests()[0].contains("traceparent"), "the trace context is granted apart");
    tenon(&world, &["grant", "fetcher", "--trace", "*.outbound.test"]);
    assert_eq!(world.ask(&url).await["status"], 200);
    assert!(server.requests()[1].contains("traceparent"));
    // Another port of the same host is another grant.
    assert_error(&world.ask("https://api.outbound.test/").await, "Denied");

    tenon(&world, &["revoke", "fetcher", "--host", &grant]);
    assert_error(&world.ask(&url).await, "Denied");
    assert_eq!(server.connections(), 2);
}
