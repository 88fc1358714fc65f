//! Configuration of a plugin for a tenant, and its secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::{host, plugin, scratch, tenon, tenon_with};
use crate::common::{Answer, Client, Host, Process, Scratch, ask};

const PATH: &str = "/api/v1/plugins/shop/config";

/// What must stand nowhere.
const CANARY: &str = "canary-hunter2-b7e1";

fn shop() -> Vec<u8> {
    plugin(
        "shop",
        "1.0.0",
        json!({"config": [
            {"key": "region", "type": "select", "label": "Region", "default": "eu",
             "options": [{"value": "eu", "label": "EU"}, {"value": "us", "label": "US"}]},
            {"key": "limit", "type": "number", "label": "Limit", "validation": {"min": 1, "max": 10}},
            {"key": "tags", "type": "multiselect", "label": "Tags",
             "options": [{"value": "a", "label": "A"}, {"value": "b", "label": "B"}]},
            {"key": "apiKey", "type": "string", "label": "Key", "required": true, "secret": true,
             "validation": {"maxLength": 40}},
        ]}),
    )
}

async fn put(client: &Client, values: Value, revision: Option<&str>) -> Answer {
    let request = client.request(Method::PUT, PATH).json(&json!({ "values": values }));
    ask(match revision {
        Some(revision) => request.header("If-Match", revision),
        None => request,
    })
    .await
}

fn field<'a>(answer: &'a Answer, key: &str) -> &'a Value {
    answer.data(200)["fields"].as_array().unwrap().iter().find(|field| field["key"] == key).unwrap()
}

/// What it is, and where that comes from.
fn told(answer: &Answer, key: &str) -> Value {
    let field = field(answer, key);
    json!([field["value"], field["source"]])
}

#[tokio::test]
async fn values_are_checked_shown_with_their_source_and_kept() {
    let mut host = host(&[("shop.wasm", shop())]).await;
    let acme = host.tenant("acme");
    let shown = acme.get(PATH).await;
    assert_eq!((told(&shown, "region"), told(&shown, "limit")), (json!(["eu", "default"]), json!([null, "none"])));
    assert_eq!(told(&shown, "apiKey"), json!([{"set": false}, "none"]));
    assert_eq!((&shown.data(200)["missing"], shown.header("etag")), (&json!(["apiKey"]), "\"0\""));

    let wrong = put(&acme, json!({"region": "mars", "limit": 11, "tags": ["a", "a"], "colour": 1}), None).await;
    let mut fields = wrong.wrong_fields();
    fields.sort_unstable();
    assert_eq!(fields, ["values.apiKey", "values.colour", "values.limit", "values.region", "values.tags"]);
    for body in [json!([]), json!({"values": 1}), json!({"values": {}, "more": 1}), json!({})] {
        assert_eq!(acme.put(PATH, body.clone()).await.status, 422, "{body}");
    }

    let set = put(&acme, json!({"region": "us", "limit": 2.5, "apiKey": CANARY}), None).await;
    assert_eq!((told(&set, "region"), told(&set, "limit")), (json!(["us", "tenant"]), json!([2.5, "tenant"])));
    assert_eq!((told(&set, "apiKey"), &set.data(200)["missing"]), (json!([{"set": true}, "tenant"]), &json!([])));
    assert_eq!(set.header("etag"), "\"1\"");

    // Whoever has not read it overwrites nothing.
    assert_eq!(put(&acme, json!({}), None).await.status, 428);
    assert_eq!(put(&acme, json!({}), Some("\"7\"")).await.status, 412);
    // What is left out goes back to its default, but a secret stays; one that is required is taken away by name.
    let next = put(&acme, json!({"limit": 3}), Some("\"1\"")).await;
    assert_eq!(
        (told(&next, "region"), told(&next, "apiKey")),
        (json!(["eu", "default"]), json!([{"set": true}, "tenant"]))
    );
    assert_eq!(put(&acme, json!({"apiKey": " "}), Some("\"2\"")).await.wrong_fields(), ["values.apiKey"]);

    host.restart().await;
    let acme = host.tenant("acme");
    assert_eq!(acme.get(PATH).await.json, next.json);
    assert_eq!(told(&host.tenant("beta").get(PATH).await, "apiKey"), json!([{"set": false}, "none"]));
    acme.post("/api/v1/plugins/shop/deactivate", Value::Null).await.data(200);
    let removed = put(&acme, json!({"apiKey": null}), Some("\"2\"")).await;
    assert_eq!(told(&removed, "apiKey"), json!([{"set": false}, "none"]));
    let large = "x".repeat(70_000);
    let config = plugin("wide", "1.0.0", json!({"config": [{"key": "text", "type": "string", "label": "Text"}]}));
    fs::write(host.scratch().plugins().join(".wide"), config).unwrap();
    tenon(&host, &["plugin", "install", host.scratch().plugins().join(".wide").to_str().unwrap()]).unwrap();
    let refused = acme.put("/api/v1/plugins/wide/config", json!({"values": {"text": large}})).await;
    assert_eq!(refused.wrong_fields(), ["values"]);
    for roles in ["member", ""] {
        let client = acme.roles(roles);
        assert_eq!((client.get(PATH).await.status, put(&client, json!({}), None).await.status), (403, 403), "{roles}");
    }
    assert_eq!(acme.roles("admin").get(PATH).await.status, 200);
    assert_eq!(acme.get("/api/v1/plugins/none/config").await.status, 404);
}

#[tokio::test]
async fn a_plugin_is_not_active_before_it_has_what_it_requires() {
    let host = host(&[("shop.wasm", shop())]).await;
    let (acme, beta) = (host.tenant("acme"), host.tenant("beta"));
    let gone = acme.get("/plugins/shop/info").await;
    assert!(gone.message(503, "plugin_inactive").contains("no value for `apiKey`"), "{gone:?}");
    let refused = acme.post("/api/v1/plugins/shop/activate", Value::Null).await;
    assert!(refused.message(409, "unconfigured").contains("apiKey"), "{refused:?}");
    assert_eq!(refused.json["error"]["fields"][0]["field"], "apiKey");

    put(&acme, json!({"apiKey": "k"}), None).await.data(200);
    acme.get("/plugins/shop/info").await.data(200);
    acme.post("/api/v1/plugins/shop/activate", Value::Null).await.data(200);
    assert_eq!(beta.get("/plugins/shop/info").await.status, 503, "what one tenant sets is not another's");

    // A version that requires more waits for it, and the one before goes on.
    let next = plugin(
        "shop",
        "1.1.0",
        json!({"config": [
            {"key": "apiKey", "type": "string", "label": "Key", "required": true, "secret": true},
            {"key": "account", "type": "string", "label": "Account", "required": true},
        ]}),
    );
    let sent = ask(host.request(Method::POST, "/api/v1/plugins").header("Content-Type", "application/wasm").body(next));
    assert_eq!(sent.await.data(201)["requires"], json!(["apiKey", "account"]));
    let version = async || acme.get("/plugins/shop/info").await.data(200)["version"].clone();
    assert_eq!(version().await, "1.0.0");
    assert_eq!(acme.get(PATH).await.data(200)["missing"], json!(["account"]), "the next one's fields are set");
    assert_eq!(
        tenon(&host, &["config", "set", "shop", "account=7", "--tenant", "acme"]).unwrap(),
        "shop of acme is set"
    );
    assert_eq!(version().await, "1.1.0");
}

#[tokio::test]
async fn commands_show_and_set_and_take_secrets_from_elsewhere_than_the_command_line() {
    let host = host(&[("shop.wasm", shop())]).await;
    host.tenant("acme").get("/plugins/shop/info").await;
    let acme =
        |args: &[&str], input: &str| tenon_with(&host, &[&["config"], args, &["--tenant", "acme"]].concat(), input);
    let lacking = acme(&["set", "shop", "limit=3", "tags=a, b"], "").unwrap_err();
    assert!(lacking.contains("values.apiKey is required"), "{lacking}");
    let told = acme(&["set", "shop", "limit=3", "tags=a, b", "--stdin", "apiKey"], &format!("{CANARY}\n")).unwrap();
    assert_eq!(told, "shop of acme is set");
    let table = acme(&["show", "shop"], "").unwrap();
    assert!(table.contains("(set)") && table.contains("a, b") && !table.contains(CANARY), "{table}");
    let file = host.scratch().file("key.txt", "other");
    acme(&["set", "shop", "--file", &format!("apiKey={}", file.display())], "").unwrap();
    acme(&["unset", "shop", "limit"], "").unwrap();
    let shown: Value = serde_json::from_str(&acme(&["show", "shop", "--json"], "").unwrap()).unwrap();
    assert_eq!((&shown["fields"][1]["value"], &shown["fields"][2]["value"]), (&Value::Null, &json!(["a", "b"])));
    let wrong = acme(&["set", "shop", CANARY], "").unwrap_err();
    assert!(!wrong.contains(CANARY) && wrong.contains("KEY=VALUE"), "{wrong}");
}

#[tokio::test]
async fn what_is_required_can_be_taken_away_which_tells_what_stops_and_is_never_an_empty_text() {
    let host = host(&[("shop.wasm", shop())]).await;
    let acme = host.tenant("acme");
    acme.get("/plugins/shop/info").await;
    let tenon =
        |args: &[&str], input: &str| tenon_with(&host, &[&["config"], args, &["--tenant", "acme"]].concat(), input);
    let empty = tenon(&["set", "shop", "--stdin", "apiKey"], "\n").unwrap_err();
    assert!(empty.contains("values.apiKey must not be empty, because it is required"), "{empty}");
    assert_eq!(acme.get("/plugins/shop/info").await.status, 503);
    tenon(&["set", "shop", "--stdin", "apiKey"], "k\n").unwrap();
    acme.get("/plugins/shop/info").await.data(200);
    let told = tenon(&["unset", "shop", "apiKey"], "").unwrap();
    assert!(told.contains("shop does not answer acme until then: acme has no value for `apiKey`"), "{told}");
    assert!(told.contains("tenon config set shop --stdin apiKey --tenant acme"), "{told}");
    assert_eq!(acme.get("/plugins/shop/info").await.status, 503);
}

#[tokio::test]
async fn a_tenant_that_lacks_a_setting_stays_on_the_version_it_had_and_moves_when_it_is_set() {
    let next = |version: &str, config: Value| plugin("notes", version, json!({ "config": config }));
    let region = json!([{"key": "region", "type": "string", "label": "Region", "required": true}]);
    let files = [("notes-1.wasm", next("1.0.0", json!([]))), ("notes-2.wasm", next("1.1.0", region))];
    let host = host(&files).await;
    let tenants = ["acme", "beta"].map(|tenant| host.tenant(tenant));
    let version = async |client: &Client| client.get("/plugins/notes/info").await.data(200)["version"].clone();
    for tenant in &tenants {
        assert_eq!(version(tenant).await, "1.0.0", "without a rollout");
    }
    // By name and by share, it is the same as without.
    let told = decided(&host, &["rollout", "notes", "1.1.0", "--tenants", "acme"], 3);
    let command =
        "acme has no value for `region`, which notes 1.1.0 requires: tenon config set notes region=VALUE --tenant acme";
    assert!(told.contains("acme was not moved and has 1.0.0") && told.contains(command), "{told}");
    let told = decided(&host, &["rollout", "notes", "1.1.0", "--percent", "100"], 3);
    assert!(told.contains("beta was not moved and has 1.0.0"), "{told}");
    for tenant in &tenants {
        assert_eq!(version(tenant).await, "1.0.0");
    }
    let told = tenon(&host, &["explain", "notes", "--tenant", "acme"]).unwrap();
    assert!(told.contains(command) && told.contains("notes 1.0.0 — active"), "{told}");
    let status = tenon(&host, &["status"]).unwrap();
    assert!(status.contains("acme has 1.0.0 until it is configured") && status.contains("beta has"), "{status}");

    assert_eq!(
        tenon(&host, &["config", "set", "notes", "region=eu", "--tenant", "acme"]).unwrap(),
        "notes of acme is set"
    );
    assert_eq!(version(&tenants[0]).await, "1.1.0");
    assert_eq!(version(&tenants[1]).await, "1.0.0", "beta has set nothing");
    let told = tenon(&host, &["config", "unset", "notes", "region", "--tenant", "acme"]).unwrap();
    assert!(told.contains("acme has notes 1.0.0 until then"), "{told}");
    assert_eq!(version(&tenants[0]).await, "1.0.0");
}

/// What a command prints that has this exit status.
fn decided(host: &Host, args: &[&str], status: i32) -> String {
    let output = host.scratch().tenon(args).args(["--url", host.address()]).output().unwrap();
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every file below a directory that has the canary in it.
fn with_canary(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(with_canary(&path));
        } else if let Ok(bytes) = fs::read(&path)
            && bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn a_secret_is_in_no_answer_no_log_no_audit_entry_and_no_file() {
    let scratch = scratch(&[("shop.wasm", shop())]);
    let config = scratch.file("tenon.toml", "log.filter = \"trace\"\n");
    let mut host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let acme = host.tenant("acme");
    let mut answers = vec![put(&acme, json!({"apiKey": CANARY}), None).await];
    // Refused ones too: of the wrong type, under the wrong name, too long, stale, without braces.
    let long = format!("{CANARY}{}", "x".repeat(40));
    for (values, revision) in [
        (json!({"apiKey": [CANARY]}), "\"1\""),
        (json!({"region": CANARY, "limit": CANARY}), "\"1\""),
        (json!({"apiKey": long}), "\"1\""),
        (json!({"apiKey": CANARY}), "\"9\""),
        (json!(CANARY), "\"1\""),
        (json!({"apiKey": CANARY, "limit": 99}), "\"1\""),
    ] {
        let answer = put(&acme, values, Some(revision)).await;
        assert!(matches!(answer.status, 412 | 422), "{answer:?}");
        answers.push(answer);
    }
    for body in [format!("{{\"values\": {{\"apiKey\": \"{CANARY}\""), format!("\"{CANARY}\""), CANARY.to_owned()] {
        let request =
            acme.request(Method::PUT, PATH).header("Content-Type", "application/json").header("If-Match", "\"1\"");
        answers.push(ask(request.body(body)).await);
    }
    answers.push(put(&acme, json!({"apiKey": format!("{CANARY}-2")}), Some("\"1\"")).await);
    for path in [PATH, "/api/v1/audit", "/api/v1/plugins/shop", "/api/v1/plugins", "/api/v1/plugins/shop/links"] {
        answers.push(acme.get(path).await);
    }
    answers.push(host.post("/api/v1/secrets/rotate", Value::Null).await);
    answers.push(acme.get(PATH).await);
    assert_eq!(
        told(answers.last().unwrap(), "apiKey"),
        json!([{"set": true}, "tenant"]),
        "sealed anew, it still opens"
    );
    for answer in &answers {
        assert!(!answer.text.contains(CANARY), "{answer:?}");
    }
    let audit = &host.tenant("acme").get("/api/v1/audit?operation=config.put&outcome=done").await;
    let seals: Vec<&Value> = audit.rows().iter().map(|entry| &entry["after"]["apiKey"]["seal"]).collect();
    assert!(seals.len() == 2 && seals[0].is_string() && seals[0] != seals[1], "that it was replaced shows: {audit:?}");

    assert_eq!(with_canary(&host.scratch().path("")), Vec::<String>::new(), "while the host runs");
    host.terminate();
    host.ended().await;
    assert_eq!(with_canary(&host.scratch().path("")), Vec::<String>::new(), "and after");
    let key = host.scratch().data().join("keys/secrets.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let keys = fs::read_to_string(&key).unwrap();
    assert_eq!(keys.lines().count(), 2, "the key before stays until the next rotation");
    host.start_again().await;
    host.post("/api/v1/secrets/rotate", Value::Null).await.data(200);
    let last = keys.lines().last().unwrap();
    assert!(!fs::read_to_string(&key).unwrap().contains(last), "then it is forgotten");
    assert_eq!(told(&host.tenant("acme").get(PATH).await, "apiKey"), json!([{"set": true}, "tenant"]));
    for roles in ["owner", "admin", "member"] {
        host.roles(roles).post("/api/v1/secrets/rotate", Value::Null).await.refusal(403, "denied");
    }
}

/// A host with these keys in its environment.
async fn keyed(scratch: &Scratch, key: &str, previous: &str) -> (Process, Client) {
    let mut command = scratch.serve();
    command.arg("--dev").env("TENON_SECRET_KEY", key).env("TENON_SECRET_KEY_PREVIOUS", previous);
    let process = Process::start(scratch, command).await;
    let client = Client::new(process.address()).tenant("acme");
    (process, client)
}

async fn stop(mut process: Process) {
    process.terminate();
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn a_key_of_the_environment_is_followed_by_another() {
    let scratch = scratch(&[("shop.wasm", shop())]);
    let key = || {
        let output = scratch.tenon(&["secret", "new"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (first, second, third) = (key(), key(), key());
    let is_set = async |client: &Client| told(&client.get(PATH).await, "apiKey")[0]["set"] == true;

    let (process, acme) = keyed(&scratch, &first, "").await;
    put(&acme, json!({"apiKey": CANARY}), None).await.data(200);
    assert!(!scratch.data().join("keys/secrets.key").exists(), "no other key is made");
    stop(process).await;

    let (process, acme) = keyed(&scratch, &third, "").await;
    let lost = acme.get(PATH).await;
    assert!(
        !is_set(&acme).await && field(&lost, "apiKey")["problem"].as_str().unwrap().contains("a key that the host")
    );
    let unread = acme.post("/api/v1/secrets/rotate", Value::Null).await;
    assert_eq!((&unread.data(200)["resealed"], &unread.data(200)["unreadable"]), (&json!(0), &json!(1)));
    let lost = &unread.data(200)["unreadableFields"][0];
    assert_eq!(json!([lost["tenant"], lost["plugin"], lost["field"]]), json!(["acme", "shop", "apiKey"]));
    let told = tenon_at(&scratch, process.address(), &["secret", "rotate"]);
    assert!(told.contains("\n  tenant acme, plugin shop, field apiKey: it was sealed with a key that"), "{told}");
    stop(process).await;

    let (process, acme) = keyed(&scratch, &second, &first).await;
    assert!(is_set(&acme).await, "nothing was lost");
    let done = tenon_at(&scratch, process.address(), &["secret", "rotate"]);
    assert!(done.starts_with("1 secret is sealed anew") && done.contains("needed no longer"), "{done}");
    stop(process).await;

    let (process, acme) = keyed(&scratch, &second, "").await;
    assert!(is_set(&acme).await);
    stop(process).await;
    let mut wrong = scratch.serve();
    let output = wrong.env("TENON_SECRET_KEY", "hunter2").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("TENON_SECRET_KEY") && !told.contains("hunter2"), "{told}");
    let log = fs::read_to_string(scratch.log()).unwrap();
    assert!(!log.contains(&first) && !log.contains(&second) && log.contains("what a tenant has set does not count"));
}

fn tenon_at(scratch: &Scratch, address: &str, args: &[&str]) -> String {
    let output = scratch.tenon(args).args(["--url", address]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
