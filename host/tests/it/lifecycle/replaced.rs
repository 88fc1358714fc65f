//! A version that takes the place of another in the same file: who cannot have it goes on with what was there.

use serde_json::json;

use super::{Version, events, has, host, loaded, note, seen};
use crate::common::{Client, Host, eventually, output};

/// Puts a version into the file that held 1.0.0 at the start.
async fn replace(host: &Host, version: Version) {
    let file = Version::new("1.0.0").file(host.scratch());
    version.put_as(&file, host.scratch());
    loaded(host, version.version).await;
}

/// The version that answers the tenant's requests, once one of them was answered.
async fn version(client: &Client) -> String {
    events(client).await;
    client.get("/plugins/phases/info").await.data(200)["version"].as_str().unwrap().to_owned()
}

async fn alone(host: &Host, version: &str) {
    eventually("nothing else is loaded", async || {
        let plugins = host.get("/api/v1/plugins").await;
        (plugins.column("version") == [version]).then_some(())
    })
    .await;
}

async fn tenon(host: &Host, args: &[&str]) -> String {
    let mut command = host.scratch().tenon(args);
    command.args(["--url", host.address()]);
    output(command).await.success()
}

#[tokio::test]
async fn a_tenant_that_it_fails_for_stays_on_the_one_that_was_there_until_a_better_one_comes() {
    for word in ["fail", "trap"] {
        let host = host(&[Version::new("1.0.0")]).await;
        let (client, newcomer) = (host.tenant("acme"), host.tenant("newcomer"));
        note(&client, "mine").await.data(200);
        let words: &[_] = if word == "fail" { &[("activate", "fail")] } else { &[("activate", "trap")] };
        replace(&host, Version { words, ..Version::new("1.1.0") }).await;
        for _ in 0..3 {
            assert_eq!(version(&client).await, "1.0.0", "{word}");
            assert_eq!(has(&events(&client).await, "mine"), 1, "{word}");
        }
        let (old, new) = (seen(&client, "1.0.0").await, seen(&client, "1.1.0").await);
        assert_eq!(
            json!([old["status"], old["serving"], old["keptForTenants"]]),
            json!(["active", true, true]),
            "{old}"
        );
        assert_eq!(json!([new["status"], new["serving"]]), json!(["error", false]), "{new}");
        let explained = tenon(&host, &["explain", "phases", "--tenant", "acme"]).await;
        let told =
            "phases 1.0.0 is kept for tenants that cannot have phases 1.1.0: phases-1.0.0.wasm holds phases 1.1.0 now";
        assert!(explained.contains(told), "{explained}");
        // Who never had the old one is to have the new one, and nothing else.
        newcomer.get("/plugins/phases/events").await.message(503, "plugin_inactive");

        replace(&host, Version::new("1.2.0")).await;
        for client in [&client, &newcomer] {
            eventually("the better one answers", async || {
                let is_there = client.get("/plugins/phases/events").await.status == 200;
                (is_there && version(client).await == "1.2.0").then_some(())
            })
            .await;
        }
        assert_eq!(has(&events(&client).await, "mine"), 1, "{word}");
        alone(&host, "1.2.0").await;
    }
}

#[tokio::test]
async fn all_tenants_are_moved_without_a_request_and_then_the_old_one_goes() {
    let host = host(&[Version::new("1.0.0")]).await;
    let clients = ["acme", "beta"].map(|tenant| host.tenant(tenant));
    for client in &clients {
        note(client, "mine").await.data(200);
    }
    replace(&host, Version::new("1.1.0")).await;
    alone(&host, "1.1.0").await;
    for client in &clients {
        let stats = client.get("/api/v1/plugins/phases/stats").await;
        assert_eq!(stats.data(200)["all"]["activations"], 2);
        assert_eq!(has(&events(client).await, "mine"), 1);
    }
}

#[tokio::test]
async fn a_pinned_tenant_keeps_what_it_is_pinned_to_as_long_as_it_is() {
    let host = host(&[Version::new("1.0.0")]).await;
    let (client, other) = (host.tenant("acme"), host.tenant("other"));
    for client in [&client, &other] {
        note(client, "mine").await.data(200);
    }
    tenon(&host, &["plugin", "pin", "phases", "=1.0.0", "--tenant", "acme"]).await;
    replace(&host, Version::new("1.1.0")).await;
    assert_eq!(version(&other).await, "1.1.0");
    for _ in 0..3 {
        assert_eq!(version(&client).await, "1.0.0");
        assert_eq!(has(&events(&client).await, "mine"), 1);
    }
    tenon(&host, &["plugin", "unpin", "phases", "--tenant", "acme"]).await;
    eventually("it has the new one", async || (version(&client).await == "1.1.0").then_some(())).await;
    alone(&host, "1.1.0").await;
}
