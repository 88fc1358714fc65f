//! Forgetting what is remembered of plugins that are gone.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{Client, Host, Scratch};
use crate::files::{loaded_become, put, refused_become, thing};

/// A host outside dev mode, where what came first stays first, with a key of an operator's.
async fn host() -> (Host, Client) {
    let scratch = Scratch::with_plugins(&[]);
    let settings = "loader.rescan_ms = 20\ntrust.downgrade = \"refuse\"\ntrust.unsigned = \"allow\"\n";
    let config = scratch.file("tenon.toml", settings);
    let host = Host::start(scratch, &["--config", config.to_str().unwrap()]).await;
    let key = over_socket(&host, &["key", "create", "--role", "operator", "--name", "test"]).unwrap();
    let client = host.key(key.lines().last().unwrap());
    (host, client)
}

/// What a command prints that asks over the host's own socket: on standard output if it succeeded.
fn over_socket(host: &Host, args: &[&str]) -> Result<String, String> {
    let mut command = host.scratch().tenon(args);
    let output = command.arg("--data").arg(host.scratch().data()).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// What a file is refused for, and the command that the reason ends with, as words.
async fn advised(client: &Client, file: &str) -> (String, Vec<String>) {
    let reason = refused_become(client, &[file]).await.remove(0);
    let (_, command) = reason.split_once("forget it: tenon ").unwrap_or_else(|| panic!("no command in: {reason}"));
    let command = command.lines().next().unwrap().split(' ').map(str::to_owned).collect();
    (reason, command)
}

fn run(host: &Host, command: &[String]) -> Result<String, String> {
    over_socket(host, &command.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn whoever_is_refused_for_one_that_is_gone_is_taken_once_that_is_forgotten() {
    let (host, client) = host().await;
    let file = |name: &str| host.scratch().plugins().join(name);
    put(&file("a.wasm"), &thing("thing", "1.0.0", &[]));
    loaded_become(&client, &["thing 1.0.0"]).await;

    // Nothing of what is loaded is forgotten.
    put(&file("b.wasm"), &thing("other", "1.0.0", &[]));
    refused_become(&client, &["b.wasm"]).await;
    let refused = run(&host, &["plugin", "forget", "thing", "--claims", "--promises"].map(str::to_owned)).unwrap_err();
    assert!(refused.contains("a version that is loaded has it") && refused.contains("service demo:thing"), "{refused}");
    fs::remove_file(file("a.wasm")).unwrap();
    loaded_become(&client, &[]).await;
    let (reason, command) = advised(&client, "b.wasm").await;
    assert!(reason.contains("a service of the plugin thing"), "{reason}");
    let told = run(&host, &command).unwrap();
    assert_eq!(told, "forgotten of thing: release thing 1.0.0, service demo:thing");
    loaded_become(&client, &["other 1.0.0"]).await;

    // Other bytes under one version.
    fs::remove_file(file("b.wasm")).unwrap();
    loaded_become(&client, &[]).await;
    let built = crate::files::with_section(&thing("other", "1.0.0", &[]), "note", "built again");
    put(&file("c.wasm"), &built);
    let (reason, command) = advised(&client, "c.wasm").await;
    assert!(reason.contains("with other bytes"), "{reason}");
    run(&host, &command).unwrap();
    loaded_become(&client, &["other 1.0.0"]).await;

    // Other types under one version, and what an earlier version promised.
    fs::remove_file(file("c.wasm")).unwrap();
    loaded_become(&client, &[]).await;
    put(&file("d.wasm"), &thing("other", "1.1.0", &["u32"]));
    let (reason, command) = advised(&client, "d.wasm").await;
    assert!(reason.contains("its types of `demo:thing/thing@1.0.0` differ"), "{reason}");
    // The types were first those of the plugin that was forgotten before.
    assert_eq!(command.join(" "), "plugin forget thing --promises");
    run(&host, &command).unwrap();
    loaded_become(&client, &["other 1.1.0"]).await;

    let audit = client.get("/api/v1/audit?operation=plugins.forget&outcome=done").await;
    let named = |entry: &Value| (entry["target"].clone(), entry["before"]["forgotten"].clone());
    let (target, forgotten) = named(&audit.rows()[0]);
    let expected = json!([{"kind": "types", "name": "demo:thing/thing@1.0.0"}]);
    assert_eq!((target, forgotten), (json!("thing"), expected), "{audit:?}");
}

#[tokio::test]
async fn a_version_that_was_loaded_by_mistake_binds_nobody_once_it_is_forgotten() {
    let (host, client) = host().await;
    let file = |name: &str| host.scratch().plugins().join(name);
    put(&file("thing-9.wasm"), &thing("thing", "9.0.0", &[]));
    loaded_become(&client, &["thing 9.0.0"]).await;
    let forget = ["plugin", "forget", "thing", "--highest-version", "--json"].map(str::to_owned);
    let refused = run(&host, &forget).unwrap_err();
    assert!(refused.contains("highest-version 9.0.0; uninstall that first"), "{refused}");
    fs::remove_file(file("thing-9.wasm")).unwrap();
    put(&file("thing-1.wasm"), &thing("thing", "1.0.0", &[]));
    let reason = refused_become(&client, &["thing-1.wasm"]).await;
    assert!(reason[0].contains("is older than 9.0.0"), "{reason:?}");
    loaded_become(&client, &[]).await;
    let told: Value = serde_json::from_str(&run(&host, &forget).unwrap()).unwrap();
    assert_eq!(told["forgotten"], json!([{"kind": "highest-version", "name": "9.0.0"}]));
    loaded_become(&client, &["thing 1.0.0"]).await;
}

#[tokio::test]
async fn what_is_not_remembered_is_told_and_tenants_forget_nothing() {
    let (host, client) = host().await;
    let path = "/api/v1/plugins/thing/forget";
    client.post(path, json!({"claims": true})).await.message(404, "plugin_not_found");
    client.post("/api/v1/plugins/a..b/forget", json!({"claims": true})).await.message(404, "plugin_not_found");
    for body in [json!({}), json!({"claims": false}), json!({"all": true}), json!([1])] {
        client.post(path, body).await.refusal(422, "invalid");
    }
    let usage = over_socket(&host, &["plugin", "forget", "thing"]).unwrap_err();
    assert!(usage.contains("--claims") && usage.contains("--highest-version"), "{usage}");
    over_socket(&host, &["tenant", "create", "acme"]).unwrap();
    let key = over_socket(&host, &["key", "create", "--role", "owner", "--tenant", "acme", "--name", "x"]).unwrap();
    host.key(key.lines().last().unwrap()).post(path, json!({"claims": true})).await.refusal(403, "denied");
}
