//! Configuration as plugins read it.

use reqwest::Method;
use serde_json::{Value, json};

use super::tenon;
use crate::common::{Client, Host, Process, Scratch, ask, eventually};

const CONFIG: &str = "/api/v1/plugins/hostile-keeper/config";
/// What may stand in the plugin's answers alone.
const CANARY: &str = "canary-hunter2-c0f1";

async fn read(client: &Client) -> Value {
    client.get("/plugins/hostile-keeper/config").await.data(200).clone()
}

async fn set(client: &Client, values: Value, revision: &str) {
    let request = client.request(Method::PUT, CONFIG).header("If-Match", revision);
    ask(request.json(&json!({ "values": values }))).await.data(200);
}

#[tokio::test]
async fn a_plugin_reads_its_tenants_values_and_a_change_reaches_the_next_call() {
    let mut host = Host::with_config(&["hostile-keeper"], "log.filter = \"trace\"").await;
    let (acme, beta) = (host.tenant("acme"), host.tenant("beta"));
    assert_eq!(read(&acme).await, json!({ "region": "eu" }), "the default");
    set(&acme, json!({ "region": "us", "apiKey": CANARY }), "\"0\"").await;
    assert_eq!(read(&acme).await, json!({ "apiKey": CANARY, "region": "us" }));
    assert_eq!(read(&beta).await, json!({ "region": "eu" }), "another tenant's");
    // Each change is there for the very next call.
    for round in 1..20 {
        set(&acme, json!({ "region": format!("r{round}") }), &format!("\"{round}\"")).await;
        assert_eq!(read(&acme).await, json!({ "apiKey": CANARY, "region": format!("r{round}") }));
    }
    tenon(&host, &["config", "set", "hostile-keeper", "region=cli", "--tenant", "acme"]).unwrap();
    assert_eq!(read(&acme).await, json!({ "apiKey": CANARY, "region": "cli" }));
    host.restart().await;
    assert_eq!(read(&host.tenant("acme")).await, json!({ "apiKey": CANARY, "region": "cli" }));
    let shown = host.tenant("acme").get(CONFIG).await;
    assert!(!shown.text.contains(CANARY), "{shown:?}");
    let logs = tenon(&host, &["logs", "hostile-keeper"]).unwrap();
    host.terminate();
    host.ended().await;
    let log = std::fs::read_to_string(host.scratch().log()).unwrap();
    assert!(!log.contains(CANARY) && !logs.contains(CANARY), "a secret is in the log");
    for name in ["control.db", "control.db-wal", "tenants/acme/hostile-keeper.sqlite"] {
        let bytes = std::fs::read(host.scratch().data().join(name)).unwrap_or_default();
        let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!found, "a secret lies open in {name}");
    }
}

#[tokio::test]
async fn a_change_reaches_another_host_on_the_same_data() {
    let scratch = Scratch::with_plugins(&["hostile-keeper"]);
    let data = scratch.data();
    let one = Host::start(scratch, &["--dev"]).await;
    let scratch = Scratch::with_plugins(&["hostile-keeper"]);
    let mut command = scratch.tenon(&["serve", "--listen", "127.0.0.1:0", "--dev"]);
    command.arg("--plugins").arg(scratch.plugins()).arg("--data").arg(data);
    let process = Process::start(&scratch, command).await;
    let other = Client::new(process.address());
    set(&one.tenant("acme"), json!({ "region": "first" }), "\"0\"").await;
    eventually("the value in the other host", async || {
        let read = read(&other.tenant("acme")).await;
        (read == json!({ "region": "first" })).then_some(())
    })
    .await;
}
