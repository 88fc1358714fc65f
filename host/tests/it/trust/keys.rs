//! Trusted keys come and go while the host runs.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use super::{key, refused, signed, strict, tenon, trust, vouched, vouched_become};
use crate::common::output;
use crate::files::{put, refused_become, thing};
use crate::loader::rejected;

#[tokio::test]
async fn a_removed_key_lets_go_on_what_runs_and_nothing_else() {
    let mut host = strict().await;
    let plugins = host.scratch().plugins();
    key(host.scratch(), "ours").await;
    let one = signed(host.scratch(), &thing("thing", "1.0.0", &[]), "ours").await;
    let two = signed(host.scratch(), &thing("thing", "2.0.0", &[]), "ours").await;
    put(&plugins.join("one.wasm"), &one);
    assert!(refused(&host, "one.wasm").await.contains("`tenon trust add NAME ed25519:"));
    // What is refused waits: no file has to be touched.
    trust(&host, "team", "ours", "thing").await;
    vouched_become(&host, &["thing 1.0.0 team"]).await;
    assert_eq!(rejected(&host).await, []);

    let told = tenon(host.scratch(), &["trust", "remove", "team", "--url", host.address()]).await;
    assert!(told.contains("these go on: thing 1.0.0"), "{told}");
    assert!(refused(&host, "one.wasm").await.contains("nobody trusts here"), "the operator is told");
    assert_eq!(vouched(&host).await, ["thing 1.0.0 team"]);
    put(&plugins.join("two.wasm"), &two);
    refused_become(&host, &["one.wasm", "two.wasm"]).await;
    assert_eq!(vouched(&host).await, ["thing 1.0.0 team"]);
    host.restart().await;
    assert_eq!(vouched(&host).await, [""; 0]);
    refused_become(&host, &["one.wasm", "two.wasm"]).await;

    // Trusted again, under another name, both come back.
    trust(&host, "same-team", "ours", "th*").await;
    vouched_become(&host, &["thing 1.0.0 same-team", "thing 2.0.0 same-team"]).await;
}

#[tokio::test]
async fn a_trusted_key_is_trusted_for_further_plugins_and_files_that_waited_are_taken() {
    let host = strict().await;
    let scratch = host.scratch();
    key(scratch, "ours").await;
    trust(&host, "team", "ours", "crm").await;
    put(&scratch.plugins().join("one.wasm"), &signed(scratch, &thing("thing", "1.0.0", &[]), "ours").await);
    assert!(refused(&host, "one.wasm").await.contains("who may sign crm"));
    let more = ["trust", "add", "team", "ours.pub", "--plugins", "thing,crm", "--url", host.address()];
    for _ in 0..2 {
        assert_eq!(tenon(scratch, &more).await, "team may sign crm, thing\n", "however often it is said");
    }
    vouched_become(&host, &["thing 1.0.0 team"]).await;
    let audit = host.get("/api/v1/trust").await;
    assert_eq!((audit.total(), &audit.rows()[0]["plugins"]), (1, &json!(["crm", "thing"])));
}

#[tokio::test]
async fn keys_are_listed_and_wrong_ones_are_refused_with_each_field() {
    let host = strict().await;
    let scratch = host.scratch();
    assert_eq!(
        tenon(scratch, &["trust", "list", "--url", host.address()]).await,
        "no key is trusted, and unsigned files are refused\n"
    );
    for name in ["ours", "theirs"] {
        key(scratch, name).await;
    }
    let public = fs::read_to_string(scratch.path("ours.pub")).unwrap().trim().to_owned();
    trust(&host, "team", "ours", "crm,acme-*").await;
    let keys = host.get("/api/v1/trust").await;
    let first = &keys.rows()[0];
    assert_eq!(
        json!([first["name"], first["publicKey"], first["plugins"]]),
        json!(["team", public, ["crm", "acme-*"]])
    );
    assert_eq!(
        json!([keys.json["unsigned"], keys.json["downgrade"], keys.json["total"]]),
        json!(["refuse", "refuse", 1])
    );
    let listed = tenon(scratch, &["trust", "list", "--url", host.address()]).await;
    assert!(listed.contains("NAME") && listed.contains("crm, acme-*") && listed.contains(&public), "{listed}");

    let wrong = [
        ("name", json!({"name": "a b", "publicKey": public, "plugins": ["*"]})),
        ("publicKey", json!({"name": "a", "publicKey": "ed25519:AAAA", "plugins": ["*"]})),
        ("plugins", json!({"name": "a", "publicKey": public, "plugins": []})),
        ("plugins[0]", json!({"name": "a", "publicKey": public, "plugins": ["C*M"]})),
    ];
    for (field, body) in wrong {
        let answer = host.post("/api/v1/trust", body).await;
        assert_eq!((answer.status, &answer.json["error"]["fields"][0]["field"]), (422, &Value::from(field)));
    }
    for (name, file) in [("team", "theirs.pub"), ("again", "ours.pub")] {
        let command = ["trust", "add", name, file, "--plugins", "*", "--url", host.address()];
        let told = output(scratch.tenon(&command)).await.failure();
        assert!(told.contains("already"), "{told}");
    }
    key(scratch, "third").await;
    trust(&host, "second", "theirs", "*").await;
    let third = ["trust", "add", "third", "third.pub", "--plugins", "*", "--url", host.address()];
    let told = output(scratch.tenon(&third)).await.failure();
    assert!(told.contains("2 keys are trusted, and no more may be (trust.keys)"), "{told}");
    // Who has no role of the platform changes nothing.
    let member = host.request(Method::DELETE, "/api/v1/trust/team").header("X-User-Roles", "owner");
    assert_eq!(member.send().await.unwrap().status(), 403);
    host.delete("/api/v1/trust/nobody").await.refusal(404, "key_not_found");
    assert_eq!(host.get("/api/v1/trust").await.total(), 2);
}
