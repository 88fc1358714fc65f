//! Putting plugins in by upload, and taking them out.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use reqwest::Method;
use serde_json::{Value, json};

use super::{entries, host, plugin, scratch, tenon};
use crate::common::{Answer, Client, Host, Scratch, ask, eventually};
use crate::loader::{testdata, thing};

async fn send(client: &Client, bytes: Vec<u8>) -> Answer {
    let request = client.request(Method::POST, "/api/v1/plugins").header("Content-Type", "application/wasm");
    ask(request.body(bytes)).await
}

/// A form of these parts.
async fn form(client: &Client, parts: &[(&str, &[u8])]) -> Answer {
    let mut body = Vec::new();
    for (name, bytes) in parts {
        let head = format!("--line\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    body.extend(b"--line--\r\n");
    let request = client.request(Method::POST, "/api/v1/plugins");
    ask(request.header("Content-Type", "multipart/form-data; boundary=line").body(body)).await
}

fn manifest(id: &str) -> Vec<u8> {
    json!({"id": id, "name": id, "version": "1.0.0"}).to_string().into_bytes()
}

#[tokio::test]
async fn an_upload_is_live_when_it_is_answered_and_a_bad_one_leaves_nothing() {
    let host = host(&[]).await;
    let plugins = host.scratch().plugins();
    let sent = send(&host, testdata("greeter-1-0")).await;
    let told = sent.data(201);
    assert_eq!((&told["id"], &told["version"], &told["installed"]), (&json!("greeter"), &json!("1.0.0"), &json!(true)));
    assert_eq!((&told["status"], &told["fileName"]), (&json!("active"), &json!("greeter-1.0.0.wasm")));
    host.get("/plugins/greeter/greetings/Ada").await.data(200);
    assert_eq!(send(&host, testdata("greeter-1-0")).await.data(200)["installed"], json!(false), "the same again");
    assert_eq!(entries(&plugins), ["greeter-1.0.0.wasm"]);

    let asks = send(&host, testdata("caller")).await;
    assert_eq!(asks.data(201)["asks"][0]["value"], "demo:greeter");
    for (bytes, reason) in [
        (b"PK\x03\x04".to_vec(), "zip archive"),
        (Vec::new(), "empty"),
        (b"\0asm\x01\0\0\0".to_vec(), "core WebAssembly module"),
        (plugin("Bad Id", "1.0.0", json!({})), "$.id"),
        (thing(), "<the file>.plugin.json"),
        (testdata("raw-resource"), ""),
    ] {
        let refused = send(&host, bytes).await;
        assert!(refused.message(422, "rejected").contains(reason), "{refused:?}");
    }
    assert_eq!(entries(&plugins), ["caller-1.0.0.wasm", "greeter-1.0.0.wasm"]);
    assert_eq!(host.get("/api/v1/plugins").await.json["rejected"], json!([]));

    for kind in ["application/json", "text/plain", "multipart/form-data"] {
        let request = host.request(Method::POST, "/api/v1/plugins").header("Content-Type", kind);
        assert!(matches!(ask(request.body("x")).await.status, 400 | 415), "{kind}");
    }
    for roles in ["owner", "admin", "member"] {
        send(&host.roles(roles), testdata("greeter-1-1")).await.refusal(403, "denied");
    }
    let audit = host.get("/api/v1/audit?operation=plugins.install").await;
    let versions: Vec<&Value> = audit.rows().iter().map(|entry| &entry["after"]).collect();
    assert_eq!(versions, [&json!({"version": "1.0.0"}); 2], "of the installation a tenant reads what it got of it");
    let data = host.scratch().data();
    let args = ["audit", "--operation", "plugins.install", "--json", "--data", data.to_str().unwrap()];
    let output = host.scratch().tenon(&args).output().unwrap();
    let entries: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let outcomes: Vec<&str> = entries.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "denied").count(), 3, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "rejected").count(), 6, "{outcomes:?}");
    assert_eq!(entries.last().unwrap()["target"], "greeter 1.0.0");
    let rejected: Vec<&Value> = entries.iter().filter(|entry| entry["outcome"] == "rejected").collect();
    for entry in &rejected {
        let (reason, hash) = (entry["after"]["reason"].as_str(), entry["after"]["sha256"].as_str());
        assert!(
            reason.is_some_and(|reason| !reason.is_empty()) && hash.is_some_and(|hash| hash.len() == 64),
            "{entry}"
        );
    }
    assert_eq!(rejected[0]["target"], "raw-resource 1.0.0", "what it says it is: {rejected:?}");
}

#[tokio::test]
async fn who_sends_slowly_holds_up_nobody() {
    let scratch = scratch(&[("a.wasm", plugin("note", "1.0.0", json!({})))]);
    let config = scratch.file("tenon.toml", "http.request_body_timeout_ms = 60000\n");
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let plugins = host.scratch().plugins();
    let under_way = || entries(&plugins).iter().any(|name| name.starts_with(".tenon-upload-"));
    let address = host.address().strip_prefix("http://").unwrap().to_owned();
    let mut slow = TcpStream::connect(&address).unwrap();
    let head = "POST /api/v1/plugins HTTP/1.1\r\nContent-Type: application/wasm\r\nContent-Length: 1000\r\n";
    slow.write_all(format!("{head}Host: {address}\r\n\r\n\0asm").as_bytes()).unwrap();
    eventually("the slow file has begun", async || under_way().then_some(())).await;

    assert_eq!(send(&host, testdata("greeter-1-0")).await.data(201)["status"], "active");
    host.delete("/api/v1/plugins/note/versions/1.0.0").await.data(200);
    assert!(under_way(), "it still is");
    drop(slow);
    eventually("nothing is left of it", async || (!under_way()).then_some(())).await;
    assert_eq!(entries(&plugins), ["greeter-1.0.0.wasm"]);
}

#[tokio::test]
async fn a_directory_that_is_gone_is_named_with_what_to_do_and_what_runs_goes_on() {
    let scratch = scratch(&[("a.wasm", plugin("note", "1.0.0", json!({})))]);
    let config = scratch.file("tenon.toml", "loader.rescan_ms = 20\n");
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let (plugins, aside) = (host.scratch().plugins(), host.scratch().path("aside"));
    fs::rename(&plugins, &aside).unwrap();
    let status = async || tenon(&host, &["status"]).unwrap();
    let gone = format!("no change of files counts: cannot read the plugins directory {}", plugins.display());
    eventually("the operator to be told", async || status().await.contains(&gone).then_some(())).await;
    for answer in [send(&host, thing()).await, host.delete("/api/v1/plugins/note/versions/1.0.0").await] {
        let message = answer.message(503, "directory_missing");
        assert!(message.contains(plugins.to_str().unwrap()) && message.contains("create it"), "{answer:?}");
    }
    // Where it lies is no matter of tenants.
    assert!(host.get("/api/v1/plugins").await.json["directoryProblem"].is_string());
    assert!(host.roles("owner").get("/api/v1/plugins").await.json["directoryProblem"].is_null());
    host.get("/plugins/note/info").await.data(200);
    fs::rename(&aside, &plugins).unwrap();
    eventually("it is followed again", async || (!status().await.contains("no change of files")).then_some(())).await;
}

#[tokio::test]
async fn what_the_registry_refuses_does_not_stay_and_what_was_there_does() {
    let host = host(&[]).await;
    let plugins = host.scratch().plugins();
    assert_eq!(
        form(&host, &[("component", &thing()), ("manifest", &manifest("first"))]).await.data(201)["id"],
        "first"
    );
    let files = ["first-1.0.0.plugin.json", "first-1.0.0.wasm"];
    assert_eq!(entries(&plugins), files);
    // It exports a service of the first one.
    let second = form(&host, &[("manifest", &manifest("second")), ("component", &thing())]).await;
    assert!(second.message(422, "rejected").contains("demo:thing"), "{second:?}");
    assert_eq!(entries(&plugins), files);
    // A file with the name that another plugin would get.
    let third = plugin("other", "1.0.0", json!({}));
    fs::write(plugins.join("fourth-1.0.0.wasm"), third).unwrap();
    eventually("the file is taken", async || {
        (host.get("/api/v1/plugins").await.column("id") == ["first", "other"]).then_some(())
    })
    .await;
    send(&host, plugin("fourth", "1.0.0", json!({}))).await.refusal(409, "name_taken");
    host.delete("/api/v1/plugins/other/versions/1.0.0").await.data(200);
    assert_eq!(entries(&plugins), files);
    for parts in
        [&[("manifest", &manifest("x")[..])][..], &[("component", b"x"), ("component", b"y")], &[("other", b"x")]]
    {
        assert_eq!(form(&host, parts).await.status, 400);
    }
    assert_eq!(entries(&plugins), files);
}

#[tokio::test]
async fn a_version_stays_what_it_is_outside_dev_mode() {
    let scratch = scratch(&[]);
    let config = scratch.file("tenon.toml", "loader.file_bytes = 100000\ntrust.unsigned = \"allow\"\n");
    let host = Host::start(scratch, &["--config", config.to_str().unwrap()]).await;
    let send = |name: &str, bytes: Vec<u8>| {
        let file = host.scratch().path(name);
        fs::write(&file, bytes).unwrap();
        let data = host.scratch().data();
        let args = ["plugin", "install", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
        let output = host.scratch().tenon(&args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    };
    let first = plugin("note", "1.0.0", json!({}));
    assert_eq!(send("a.wasm", first.clone()).unwrap(), "note 1.0.0 is installed: active");
    assert_eq!(send("b.wasm", first).unwrap(), "note 1.0.0 was installed already: active");
    let other = send("c.wasm", plugin("note", "1.0.0", json!({"description": "Other."}))).unwrap_err();
    assert!(other.contains("note 1.0.0 is installed with other bytes"), "{other}");
    let large = send("d.wasm", vec![0; 100_001]).unwrap_err();
    assert!(large.contains("larger than 100000 bytes (loader.file_bytes)"), "{large}");
    assert_eq!(entries(&host.scratch().plugins()), ["note-1.0.0.wasm"]);
}

#[tokio::test]
async fn what_others_need_is_taken_out_only_by_force() {
    let host = Host::start(Scratch::with_plugins(&["greeter-1-0", "greeter-1-1", "caller"]), &["--dev"]).await;
    let path = |version: &str| format!("/api/v1/plugins/greeter/versions/{version}");
    for roles in ["owner", "member"] {
        host.roles(roles).delete(&path("1.1.0")).await.refusal(403, "denied");
    }
    assert_eq!(host.delete(&path("9.0.0")).await.status, 404);
    // The other version serves the caller as well.
    assert_eq!(host.delete(&path("1.1.0")).await.data(200)["fileName"], "greeter-1-1.wasm");
    assert_eq!(host.get("/plugins/caller/ask/Ada").await.data(200), "1.0.0 greets Ada");
    let needed = host.delete(&path("1.0.0")).await;
    assert!(needed.message(409, "required").contains("caller"), "{needed:?}");
    assert_eq!(needed.json["error"]["details"]["broken"][0]["plugin"], "caller");
    host.get("/plugins/greeter/info").await.data(200);

    let refused = tenon(&host, &["plugin", "uninstall", "greeter"]).unwrap_err();
    assert!(refused.contains("caller"), "{refused}");
    let told = tenon(&host, &["plugin", "uninstall", "greeter", "1.0.0", "--force"]).unwrap();
    assert_eq!(told, "greeter 1.0.0 is uninstalled; its data stays; without it these do not work any more: caller");
    assert_eq!(host.get("/plugins/greeter/info").await.status, 404);
    assert_eq!(host.get("/plugins/caller/ask/Ada").await.status, 503);
    assert_eq!(entries(&host.scratch().plugins()), ["caller.wasm"]);
    let file = host.scratch().file("back.wasm", "");
    fs::write(&file, testdata("greeter-1-1")).unwrap();
    let told = tenon(&host, &["plugin", "install", file.to_str().unwrap()]).unwrap();
    assert_eq!(told, "greeter 1.1.0 is installed: active");
    assert_eq!(host.get("/plugins/caller/ask/Ada").await.data(200), "1.1.0 greets Ada");
}

#[tokio::test]
async fn a_version_that_a_tenant_is_pinned_to_counts_as_needed() {
    let host = Host::start(Scratch::with_plugins(&["greeter-1-0", "greeter-1-1"]), &["--dev"]).await;
    host.tenant("acme")
        .put("/api/v1/plugins/greeter/decision", json!({"enabled": true, "pin": "=1.0.0"}))
        .await
        .data(200);
    let needed = host.delete("/api/v1/plugins/greeter/versions/1.0.0").await;
    let broken = &needed.refusal(409, "required")["details"]["broken"];
    assert_eq!((&broken[0]["plugin"], &broken[0]["tenants"]), (&json!("greeter"), &json!(["acme"])));
    host.delete("/api/v1/plugins/greeter/versions/1.1.0").await.data(200);
    let shown = tenon(&host, &["plugin", "show", "greeter"]).unwrap();
    assert!(shown.contains("Greeter (greeter)") && shown.contains("1.0.0"), "{shown}");
    let shown: Value = serde_json::from_str(&tenon(&host, &["plugin", "show", "greeter", "--json"]).unwrap()).unwrap();
    assert_eq!(shown["versions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_unsigned_file_is_not_taken_by_upload_either() {
    let host = Host::start(scratch(&[]), &[]).await;
    let file = host.scratch().path("note.wasm");
    fs::write(&file, plugin("note", "1.0.0", json!({}))).unwrap();
    let data = host.scratch().data();
    let args = ["plugin", "install", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let output = host.scratch().tenon(&args).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("sign"), "{told}");
    assert_eq!(entries(&host.scratch().plugins()), Vec::<String>::new());
}
