//! Two hosts on one data directory, and the keys that both seal with.

use std::fs;
use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};

use super::{plugin, scratch};
use crate::common::{Answer, Client, Process, Scratch, ask, rounds};

const ROTATE: &str = "/api/v1/secrets/rotate";

fn path(plugin: &str) -> String {
    format!("/api/v1/plugins/{plugin}/config")
}

fn vault(id: &str) -> Vec<u8> {
    plugin(id, "1.0.0", json!({"config": [{"key": "word", "type": "string", "label": "Word", "secret": true}]}))
}

async fn host(scratch: &Scratch) -> (Process, Client) {
    let mut command = scratch.serve();
    command.arg("--dev");
    let process = Process::start(scratch, command).await;
    let client = Client::new(process.address());
    (process, client)
}

async fn stop(mut process: Process) {
    process.terminate();
    assert!(process.ended().await.success());
}

async fn put(client: &Client, plugin: &str, word: &str) -> Answer {
    for _ in 0..3 {
        let shown = client.get(&path(plugin)).await;
        let request = client.request(Method::PUT, &path(plugin)).json(&json!({ "values": { "word": word } }));
        let request = match shown.header("etag") {
            "\"0\"" => request,
            tag => request.header("If-Match", tag.to_owned()),
        };
        let answer = ask(request).await;
        // The other host has changed it: this one has heard of it now.
        if !matches!(answer.status, 412 | 428) {
            return answer;
        }
    }
    panic!("{plugin} is always somebody else's");
}

async fn is_set(client: &Client, plugin: &str) -> bool {
    client.get(&path(plugin)).await.data(200)["fields"][0]["value"] == json!({"set": true})
}

#[tokio::test]
async fn two_hosts_rotate_and_set_in_turns_and_no_secret_is_lost() {
    let scratch = scratch(&[("vault.wasm", vault("vault")), ("safe.wasm", vault("safe"))]);
    let (first, a) = host(&scratch).await;
    let (second, b) = host(&scratch).await;
    let (mut told, tenants) = (Vec::new(), ["acme", "beta"]);
    for round in 0..rounds(3, 40) {
        let (rotating, setting) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        told.push(rotating.post(ROTATE, Value::Null).await.data(200).clone());
        // The other one has not heard of the new key, and seals now.
        for tenant in tenants {
            put(&setting.tenant(tenant), "vault", &format!("word {round}")).await.data(200);
        }
        // At the same time, too.
        let client = setting.tenant("acme");
        let (rotated, set) = tokio::join!(rotating.post(ROTATE, Value::Null), put(&client, "safe", "word"));
        set.data(200);
        told.push(rotated.data(200).clone());
        told.push(setting.post(ROTATE, Value::Null).await.data(200).clone());
    }
    assert!(told.iter().all(|told| told["unreadable"] == 0 && told["complete"] == true), "{told:#?}");
    for client in [&a, &b] {
        client.post(ROTATE, Value::Null).await.data(200);
        for tenant in tenants {
            assert!(is_set(&client.tenant(tenant), "vault").await);
        }
        assert!(is_set(&client.tenant("acme"), "safe").await);
    }
    stop(first).await;
    stop(second).await;
    let (third, c) = host(&scratch).await;
    for tenant in tenants {
        assert!(is_set(&c.tenant(tenant), "vault").await, "with the keys of the file alone");
    }
    stop(third).await;
    let log = fs::read_to_string(scratch.log()).unwrap();
    assert!(!log.contains("does not count"), "{log}");
    let keys = fs::read_to_string(scratch.data().join("keys/secrets.key")).unwrap();
    assert!(matches!(keys.lines().count(), 2 | 3), "old keys go");
}

#[tokio::test]
async fn without_its_file_of_keys_a_host_seals_nothing_and_loses_nothing() {
    let scratch = scratch(&[("vault.wasm", vault("vault"))]);
    let (process, client) = host(&scratch).await;
    let acme = client.tenant("acme");
    put(&acme, "vault", "word").await.data(200);
    let key = scratch.data().join("keys/secrets.key");
    let away = scratch.path("away.key");
    fs::rename(&key, &away).unwrap();
    put(&acme, "vault", "other").await.message(503, "keys_unavailable");
    client.post(ROTATE, Value::Null).await.message(503, "keys_unavailable");
    assert!(!key.exists() && is_set(&acme, "vault").await);
    fs::rename(&away, &key).unwrap();
    put(&acme, "vault", "other").await.data(200);

    // Another key in its place: what it does not open is named, and stays.
    let mut command = scratch.tenon(&["secret", "new"]);
    let new = command.stdout(Stdio::piped()).output().unwrap().stdout;
    fs::rename(&key, &away).unwrap();
    fs::write(&key, new).unwrap();
    let lost = client.post(ROTATE, Value::Null).await;
    let expected = json!([{"tenant": "acme", "plugin": "vault", "field": "word",
        "problem": "it was sealed with a key that the host does not have"}]);
    assert_eq!(lost.data(200)["unreadableFields"], expected);
    assert!(!is_set(&acme, "vault").await);
    let both = fs::read_to_string(&key).unwrap() + &fs::read_to_string(&away).unwrap();
    fs::write(&key, both).unwrap();
    let found = client.post(ROTATE, Value::Null).await;
    assert_eq!((&found.data(200)["resealed"], &found.data(200)["unreadable"]), (&json!(1), &json!(0)));
    assert!(is_set(&acme, "vault").await);
    stop(process).await;
}
