//! What is published while plugins still load: after an update of the host, say, whose kept machine code fits no more.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use super::{QUICK, data, second};
use crate::common::{Host, Scratch, ask, eventually, output};
use crate::files::bomb::{LONG, bomb};
use crate::files::{put, with_section};

/// A start waits for nothing, and what takes long to compile is not given up while a test lasts.
const HASTY: &str = "\
loader.rescan_ms = 20
loader.start_wait_ms = 1
loader.compile_cpu_s = 600
loader.compile_wall_s = 600
loader.compile_memory_bytes = 8000000000
";

#[tokio::test]
async fn who_still_loads_hears_what_is_published_meanwhile_also_when_the_host_is_killed() {
    let scratch = Scratch::with_plugins(&["crier"]);
    second(&scratch);
    let config = scratch.file("tenon.toml", &format!("{QUICK}{HASTY}"));
    let mut host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    for plugin in ["crier-a", "crier-b"] {
        let path = format!("/plugins/{plugin}/handled");
        eventually(plugin, async || (host.get(&path).await.status == 200).then_some(())).await;
    }
    let [slow, bombed] = ["crier-b.wasm", "bomb.wasm"].map(|name| host.scratch().plugins().join(name));
    let external = json!({ "type": "news.external", "data": 3 });
    for number in 1..=2 {
        host.process().kill();
        // One that nobody has compiled yet, and one that takes as long as the test wants.
        let bytes = fs::read(&slow).unwrap();
        put(&slow, &with_section(&bytes, "nonce", &uuid::Uuid::new_v4().to_string()));
        put(&bombed, &bomb("bomb", &LONG));
        host.start_again().await;
        let body = json!({ "topic": "news.plain", "key": "k", "data": number.to_string() });
        eventually("the publisher to be there", async || {
            let published = host.post("/plugins/crier-a/publish", body.clone()).await;
            (published.status == 200).then_some(())
        })
        .await;
        let refused = host.post("/api/v1/events", external.clone()).await;
        refused.refusal(503, "starting");
        assert_eq!(refused.header("retry-after"), "5");
        assert!(host.get("/plugins/crier-a/handled").await.rows().is_empty(), "nobody hears of it before all can");
    }
    fs::remove_file(bombed).unwrap();
    eventually("events of others to be taken", async || {
        let request = host.request(Method::POST, "/api/v1/events").header("Idempotency-Key", "a").json(&external);
        (ask(request).await.status == 202).then_some(())
    })
    .await;
    for plugin in ["crier-a", "crier-b"] {
        let path = format!("/plugins/{plugin}/handled");
        let mut told = eventually(&format!("{plugin} to hear of everything"), async || {
            let handled = host.get(&path).await.rows().to_vec();
            (handled.len() >= 3).then(|| handled.iter().map(data).collect::<Vec<_>>())
        })
        .await;
        told.sort_by_key(|data| data.as_u64());
        assert_eq!(told, [json!(1), json!(2), json!(3)], "{plugin}");
    }
    assert!(host.get("/api/v1/events/dead").await.rows().is_empty());
    // Neither was ever gone: one came back with other bytes. The bomb was not loaded, so nobody is told of it.
    let mut audit = host.scratch().tenon(&["audit", "--operation", "directory.", "--json", "--data"]);
    audit.arg(host.scratch().data());
    let entries: Vec<Value> = serde_json::from_str(&output(audit).await.success()).unwrap();
    let times = |operation: &str| entries.iter().filter(|entry| entry["operation"] == operation).count();
    let [added, replaced] = ["directory.added", "directory.replaced"].map(times);
    // What was put there first may have been killed before it was loaded.
    assert!(added == 2 && matches!(replaced, 1 | 2) && entries.len() == added + replaced, "{entries:?}");
}
