//! Which tenant gets which version: pins, rollouts by name and by share, and the way back.

mod back;
mod model;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answer, Host, ask, eventually};

const PLUGINS: [&str; 3] = ["greeter-1-0", "greeter-1-1", "caller"];

async fn host() -> Host {
    let host = Host::with_plugins(&PLUGINS).await;
    // In dev mode a tenant is made by its first request.
    for tenant in ["acme", "beta", "gamma"] {
        host.tenant(tenant).get("/plugins/greeter/info").await.data(200);
    }
    host
}

/// The version of the greeter that answers a tenant, over HTTP and as the provider of another plugin.
async fn versions(host: &Host, tenant: &str) -> [String; 2] {
    let client = host.tenant(tenant);
    let served = client.get("/plugins/greeter/info").await.data(200)["version"].as_str().unwrap().to_owned();
    let links = client.get("/api/v1/plugins/caller/links").await.data(200)["versions"][0]["links"][0].clone();
    let linked = links["outcome"]["provider"]["version"].as_str().unwrap_or("none").to_owned();
    let asked = client.get("/plugins/caller/ask/Ada").await;
    assert_eq!(asked.data(200), &json!(format!("{linked} greets Ada")), "{tenant}");
    [served, linked]
}

async fn everybody(host: &Host) -> Vec<String> {
    let mut all = Vec::new();
    for tenant in ["acme", "beta", "gamma"] {
        let [served, linked] = versions(host, tenant).await;
        assert_eq!(served, linked, "{tenant}");
        all.push(served);
    }
    all
}

/// Runs a command against the host and gives what it printed, on standard output if it succeeded.
fn tenon(host: &Host, args: &[&str]) -> Result<String, String> {
    match said(host, args) {
        (Some(0), told, _) => Ok(told),
        (_, _, error) => Err(error),
    }
}

/// The exit status of a command, and what it printed on standard output and standard error.
fn said(host: &Host, args: &[&str]) -> (Option<i32>, String, String) {
    let output = host.scratch().tenon(args).args(["--url", host.address()]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn put(host: &Host, path: &str, body: Value, revision: Option<&str>) -> Answer {
    let request = host.request(Method::PUT, path).json(&body);
    ask(match revision {
        Some(revision) => request.header("If-Match", revision),
        None => request,
    })
    .await
}

#[tokio::test]
async fn a_version_reaches_named_tenants_then_a_share_then_all_and_goes_back_in_one_command() {
    let host = host().await;
    assert_eq!(everybody(&host).await, ["1.1.0"; 3], "without a word the highest version is everybody's");
    tenon(&host, &["rollout", "greeter", "1.0.0", "--percent", "100"]).unwrap();

    let told = tenon(&host, &["rollout", "greeter", "1.1.0", "--tenants", "acme"]).unwrap();
    assert_eq!(told, "acme gets greeter 1.1.0; the others keep 1.0.0");
    assert_eq!(everybody(&host).await, ["1.1.0", "1.0.0", "1.0.0"]);

    // A share is found by a hash: who is in it stays in it, also after a restart.
    tenon(&host, &["rollout", "greeter", "1.1.0", "--percent", "50"]).unwrap();
    let half = everybody(&host).await;
    assert_eq!(half[0], "1.1.0", "who was named still takes part");
    let mut host = host;
    host.restart().await;
    assert_eq!(everybody(&host).await, half);

    tenon(&host, &["rollout", "greeter", "1.1.0", "--percent", "100"]).unwrap();
    assert_eq!(everybody(&host).await, ["1.1.0"; 3]);
    let told = tenon(&host, &["rollback", "greeter"]).unwrap();
    assert_eq!(told, "greeter 1.1.0 is taken back: every tenant gets greeter 1.0.0");
    assert_eq!(everybody(&host).await, ["1.0.0"; 3]);

    let listed = tenon(&host, &["rollouts"]).unwrap();
    assert!(listed.lines().count() == 2 && listed.contains("greeter") && listed.contains("1.0.0"), "{listed}");
    let told = tenon(&host, &["rollout", "greeter", "--end"]).unwrap();
    assert_eq!(told, "greeter is no longer rolled out by hand; tenants get 1.1.0");
    assert_eq!(everybody(&host).await, ["1.1.0"; 3]);
}

#[tokio::test]
async fn the_only_version_is_rolled_out_to_some_and_stays_everybody_elses() {
    let host = Host::with_plugins(&["greeter-1-0", "caller"]).await;
    for tenant in ["acme", "beta", "gamma"] {
        host.tenant(tenant).get("/plugins/greeter/info").await.data(200);
    }
    let told = tenon(&host, &["rollout", "greeter", "1.0.0", "--tenants", "acme"]).unwrap();
    let hint = "the others had it before; to give them an earlier version: tenon rollback greeter";
    assert_eq!(told, format!("acme gets greeter 1.0.0; the others keep 1.0.0\n{hint}"));
    assert_eq!(everybody(&host).await, ["1.0.0"; 3]);
    // What is dropped now waits for its own rollout.
    host.scratch().add_plugin("greeter-1-1");
    eventually("it is loaded", async || {
        let plugins = host.get("/api/v1/plugins").await;
        plugins.rows().iter().any(|plugin| plugin["version"] == "1.1.0").then_some(())
    })
    .await;
    assert_eq!(everybody(&host).await, ["1.0.0"; 3]);
}

#[tokio::test]
async fn a_rollout_takes_from_nobody_what_it_has() {
    let host = host().await;
    tenon(&host, &["rollout", "greeter", "1.1.0", "--tenants", "acme"]).unwrap();
    assert_eq!(everybody(&host).await, ["1.1.0"; 3], "they had it");
    tenon(&host, &["rollback", "greeter"]).unwrap();
    tenon(&host, &["rollout", "greeter", "1.1.0", "--tenants", "acme"]).unwrap();
    tenon(&host, &["rollout", "greeter", "1.1.0", "--tenants", "beta"]).unwrap();
    assert_eq!(everybody(&host).await, ["1.1.0", "1.1.0", "1.0.0"], "who is named comes to those named before");
    let told = tenon(&host, &["rollout", "greeter", "1.0.0", "--tenants", "beta"]).unwrap();
    assert_eq!(told, "beta gets greeter 1.0.0; the others keep 1.1.0 (acme, beta), 1.0.0");
    assert_eq!(everybody(&host).await, ["1.1.0", "1.0.0", "1.0.0"]);
    let listed = tenon(&host, &["rollouts"]).unwrap();
    let row = listed.lines().nth(1).unwrap().split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    let below = "1.1.0 (acme, beta), 1.0.0";
    let expected = ["greeter", "1.0.0", "0", "beta", below, "-", below, "yes"];
    assert_eq!(row.collect::<Vec<_>>(), expected, "{listed}");

    tenon(&host, &["rollout", "greeter", "1.1.0", "--percent", "50"]).unwrap();
    let half = everybody(&host).await;
    let (status, _, refused) = said(&host, &["rollout", "greeter", "1.1.0", "--percent", "10"]);
    assert!(status == Some(1) && refused.contains("has reached 50 percent"), "{refused}");
    assert!(refused.contains("takes nothing back") && refused.contains("tenon rollback greeter"), "{refused}");
    assert_eq!(everybody(&host).await, half);
}

#[tokio::test]
async fn a_command_fails_where_a_tenant_it_names_is_not_moved() {
    let host = host().await;
    tenon(&host, &["plugin", "pin", "greeter", "=1.0.0", "--tenant", "acme"]).unwrap();
    let (status, told, error) = said(&host, &["rollout", "greeter", "1.1.0", "--tenants", "acme"]);
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("acme was not moved and has 1.0.0: the tenant is pinned to =1.0.0"), "{told}");
    assert!(told.contains("tenon plugin unpin greeter --tenant acme"), "{told}");
    assert_eq!(error, "tenon: it is decided, and none of those that it names has it yet");
    let (status, told, error) = said(&host, &["rollout", "greeter", "1.1.0", "--tenants", "acme,beta", "--json"]);
    assert_eq!(
        (status, error.as_str()),
        (Some(3), "tenon: it is decided, and 1 of 2 tenants has it not yet"),
        "{told}"
    );
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["outcomes"][0]["moved"], &told["outcomes"][1]["moved"]), (&json!(false), &json!(true)));
    tenon(&host, &["plugin", "unpin", "greeter", "--tenant", "acme"]).unwrap();
    assert_eq!(said(&host, &["rollout", "greeter", "1.1.0", "--tenants", "acme"]).0, Some(0));
}

#[tokio::test]
async fn a_rollout_says_why_each_tenant_has_what_it_has() {
    let host = host().await;
    let explain = |plugin: &str, tenant: &str| tenon(&host, &["explain", plugin, "--tenant", tenant]).unwrap();
    tenon(&host, &["rollback", "greeter"]).unwrap();
    tenon(&host, &["rollout", "greeter", "1.1.0", "--tenants", "acme"]).unwrap();
    let waits = "no rollout gives it to the tenant, which keeps 1.0.0 until one does";
    let told = explain("caller", "beta");
    assert!(told.contains(&format!("passed over: greeter 1.1.0 — {waits}")), "{told}");
    let told = explain("greeter", "acme");
    assert!(told.contains("greeter 1.0.0 — inactive: its rollout gives 1.1.0 instead"), "{told}");
    tenon(&host, &["rollback", "greeter"]).unwrap();
    let told = explain("greeter", "acme");
    assert!(told.contains(&format!("greeter 1.1.0 — inactive: {waits}")), "{told}");
    assert!(told.contains("greeter 1.0.0 — active"), "{told}");
    tenon(&host, &["rollout", "greeter", "--end"]).unwrap();
    assert!(explain("greeter", "acme").contains("greeter 1.1.0 — active"));
}

#[tokio::test]
async fn a_rollout_names_what_is_wrong_with_it() {
    let host = host().await;
    let path = "/api/v1/rollouts/greeter";
    let fields = async |body: Value| {
        let answer = put(&host, path, body, None).await;
        let fields = answer.json["error"]["fields"].as_array().cloned().unwrap_or_default();
        (answer.status, fields.iter().map(|field| field["field"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    let tenants = json!({"version": "1.1.0", "tenants": ["acme", "nobody", "No Body"]});
    assert_eq!(fields(tenants).await, (422, vec!["tenants[1]".to_owned(), "tenants[2]".to_owned()]));
    for (body, field) in [
        (json!({"version": "9.9.9", "percent": 1}), "version"),
        (json!({"version": "one", "percent": 1}), "version"),
        (json!({"version": "1.1.0", "percent": 101}), "percent"),
        (json!({"version": "1.1.0", "percent": -1}), "percent"),
        (json!({"version": "1.1.0", "share": 1}), "share"),
        (json!({"percent": 1}), "version"),
    ] {
        assert_eq!(fields(body.clone()).await, (422, vec![field.to_owned()]), "{body}");
    }
    assert_eq!(host.get(path).await.status, 404);
    assert_eq!(everybody(&host).await, ["1.1.0"; 3], "nothing has changed");
    let nobody = put(&host, "/api/v1/rollouts/nobody", json!({"version": "1.0.0"}), None).await;
    nobody.refusal(404, "plugin_not_found");
}

#[tokio::test]
async fn two_who_change_the_same_rollout_do_not_overwrite_each_other() {
    let host = host().await;
    let path = "/api/v1/rollouts/greeter";
    let wanted = |percent: u8| json!({"version": "1.1.0", "percent": percent});
    let made = put(&host, path, wanted(10), None).await;
    assert_eq!((made.status, made.headers["etag"].to_str().unwrap()), (200, "\"1\""));
    assert_eq!(put(&host, path, wanted(20), None).await.status, 428);
    assert_eq!(put(&host, path, wanted(20), Some("\"1\"")).await.status, 200);
    assert_eq!(put(&host, path, wanted(30), Some("\"1\"")).await.status, 412);
    let read = host.get(path).await;
    assert_eq!((&read.data(200)["percent"], read.headers["etag"].to_str().unwrap()), (&json!(20), "\"2\""));
    assert_eq!(ask(host.request(Method::DELETE, path).header("If-Match", "\"1\"")).await.status, 412);
    assert_eq!(ask(host.request(Method::DELETE, path).header("If-Match", "\"2\"")).await.status, 200);
    assert_eq!(host.get(path).await.status, 404);
}

/// Changes a row as another process of the host would: behind this one's back.
fn behind_its_back(host: &Host, statement: &str) {
    let database = rusqlite::Connection::open(host.scratch().data().join("control.db")).unwrap();
    assert_eq!(database.execute(statement, []).unwrap(), 1);
}

#[tokio::test]
async fn who_is_refused_for_an_old_revision_sees_what_another_process_has_decided() {
    let host = host().await;
    let path = "/api/v1/rollouts/greeter";
    let wanted = |percent: u8| json!({"version": "1.1.0", "percent": percent});
    assert_eq!(put(&host, path, wanted(10), None).await.status, 200);
    let to = |percent: u8| format!("UPDATE rollout SET steps = json_set(steps, '$[0].percent', {percent})");
    behind_its_back(&host, &format!("{}, revision = 2", to(70)));
    assert_eq!(put(&host, path, wanted(20), Some("\"1\"")).await.status, 412);
    let read = host.get(path).await;
    assert_eq!((&read.data(200)["percent"], read.header("etag")), (&json!(70), "\"2\""));
    // Also when it is the change that knows more than the host.
    behind_its_back(&host, &format!("{}, revision = 3", to(80)));
    assert_eq!(put(&host, path, wanted(90), Some("\"3\"")).await.status, 412);
    assert_eq!(put(&host, path, wanted(90), Some("\"3\"")).await.status, 200);
    behind_its_back(&host, "UPDATE rollout SET revision = 9");
    let delete = async || ask(host.request(Method::DELETE, path).header("If-Match", "\"9\"")).await.status;
    assert_eq!([delete().await, delete().await], [412, 200]);

    let acme = host.tenant("acme");
    let switch = async |to: &str| acme.post(&format!("/api/v1/plugins/greeter/{to}"), json!(null)).await.status;
    assert_eq!(switch("deactivate").await, 200);
    behind_its_back(&host, "UPDATE tenant_plugin SET pin = '=1.0.0', revision = 7");
    assert_eq!([switch("activate").await, switch("activate").await], [412, 200]);
    let decided = acme.get("/api/v1/plugins/greeter/decision").await;
    assert_eq!((&decided.data(200)["pin"], decided.header("etag")), (&json!("=1.0.0"), "\"8\""));
}

#[tokio::test]
async fn a_tenant_switches_and_pins_for_itself_alone() {
    let host = host().await;
    let acme = host.tenant("acme");
    assert_eq!(
        tenon(&host, &["plugin", "pin", "greeter", "~1.0", "--tenant", "acme"]).unwrap(),
        "acme uses greeter 1.0.0"
    );
    assert_eq!(everybody(&host).await, ["1.0.0", "1.1.0", "1.1.0"]);
    tenon(&host, &["rollout", "greeter", "1.1.0", "--percent", "100"]).unwrap();
    assert_eq!(everybody(&host).await, ["1.0.0", "1.1.0", "1.1.0"], "a pin counts before a rollout");

    let told = tenon(&host, &["plugin", "disable", "greeter", "--tenant", "acme"]).unwrap();
    assert_eq!(told, "acme does not use greeter any more; its data stays");
    let gone = acme.get("/plugins/greeter/info").await;
    gone.refusal(503, "plugin_inactive");
    let caller = acme.get("/plugins/caller/ask/ada").await;
    assert!(caller.text.contains("nothing provides demo:greeter/greeter"), "{caller:?}");
    assert_eq!(versions(&host, "beta").await, ["1.1.0", "1.1.0"]);

    // Switching is the same however often it is done.
    for _ in 0..2 {
        let on = acme.post("/api/v1/plugins/greeter/activate", json!(null)).await;
        assert_eq!((&on.data(200)["enabled"], &on.data(200)["pin"]), (&json!(true), &json!("~1.0")));
    }
    assert_eq!(tenon(&host, &["plugin", "unpin", "greeter", "--tenant", "acme"]).unwrap(), "acme uses greeter 1.1.0");

    let read = acme.get("/api/v1/plugins/greeter/decision").await;
    let revision = read.headers["etag"].to_str().unwrap().to_owned();
    let put = async |body: Value| {
        ask(acme.request(Method::PUT, "/api/v1/plugins/greeter/decision").header("If-Match", &revision).json(&body))
            .await
    };
    let wrong = put(json!({"enabled": true, "pin": "latest"})).await;
    assert_eq!((wrong.status, &wrong.json["error"]["fields"][0]["field"]), (422, &json!("pin")));
    // What would take the plugin away is refused, unless somebody insists.
    let nothing = put(json!({"enabled": true, "pin": "^3"})).await;
    assert!(nothing.message(409, "pin_matches_nothing").contains("loaded: 1.0.0, 1.1.0"), "{nothing:?}");
    let pin = ["plugin", "pin", "greeter", "^3", "--tenant", "acme"];
    let told = tenon(&host, &pin).unwrap_err();
    assert!(told.contains("no loaded version of greeter is within ^3") && told.contains("--force"), "{told}");
    assert_eq!(versions(&host, "acme").await, ["1.1.0"; 2]);
    let told = tenon(&host, &[&pin[..], &["--force"]].concat()).unwrap();
    assert!(told.contains("acme may use greeter, but no version works: the tenant is pinned to ^3"), "{told}");
    assert_eq!(put(json!({"enabled": true})).await.status, 412);
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_and_so_is_every_refusal() {
    let host = host().await;
    tenon(&host, &["rollout", "greeter", "1.0.0", "--percent", "100"]).unwrap();
    let member = host.tenant("acme").roles("member");
    assert_eq!(member.post("/api/v1/rollouts/greeter/rollback", json!(null)).await.status, 403);
    assert_eq!(member.post("/api/v1/plugins/greeter/deactivate", json!(null)).await.status, 403);
    host.tenant("acme").post("/api/v1/plugins/greeter/deactivate", json!(null)).await.data(200);

    let entries = host.tenant("acme").get("/api/v1/audit").await;
    let seen: Vec<_> = entries.data(200).as_array().unwrap().iter().collect();
    let told = |entry: &Value| [entry["operation"].clone(), entry["target"].clone(), entry["outcome"].clone()];
    assert_eq!(told(seen[0]), ["plugins.deactivate", "greeter", "done"].map(|text| json!(text)));
    assert_eq!(
        (&seen[0]["before"], &seen[0]["after"]),
        (&json!({"enabled": true, "pin": null}), &json!({"enabled": false, "pin": null}))
    );
    assert_eq!(told(seen[1])[2], "denied");
    assert_eq!(told(seen[2]), ["rollouts.put", "greeter", "done"].map(|text| json!(text)));
    let own = (&seen[2]["before"], &seen[2]["after"]);
    assert_eq!(own, (&json!({"version": "1.1.0"}), &json!({"version": "1.0.0"})), "what it was for the tenant");
    assert_eq!(seen.len(), 3, "{seen:?}");

    let first: Value =
        serde_json::from_str(&tenon(&host, &["audit", "--json", "--tenant", "acme", "--limit", "1"]).unwrap()).unwrap();
    assert_eq!(told(&first[0]), told(seen[0]));
    let denied = tenon(&host, &["audit", "--outcome", "denied", "--tenant", "acme"]).unwrap();
    assert!(denied.lines().count() == 2 && denied.contains("plugins.deactivate"), "{denied}");
    let wrong = host.get("/api/v1/audit?limit=0").await;
    assert_eq!((wrong.status, host.get("/api/v1/audit?who=me").await.status), (422, 422));
}

#[tokio::test]
async fn files_that_come_and_go_are_in_the_audit_log_once() {
    let mut host = Host::with_plugins(&["greeter-1-0", "caller"]).await;
    let told = async |host: &Host| {
        let mut command = host.scratch().tenon(&["audit", "--operation", "directory.", "--json", "--data"]);
        let output = command.arg(host.scratch().data()).output().unwrap();
        let entries: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let text =
            |entry: &Value| format!("{} {}", entry["operation"].as_str().unwrap(), entry["target"].as_str().unwrap());
        entries.iter().map(text).collect::<Vec<_>>()
    };
    let at_first = ["directory.added greeter 1.0.0", "directory.added caller 1.0.0"];
    assert_eq!(told(&host).await, at_first);
    host.terminate();
    host.ended().await;
    std::fs::remove_file(host.scratch().plugins().join("greeter-1-0.wasm")).unwrap();
    host.scratch().add_plugin("greeter-1-1");
    host.start_again().await;
    let while_stopped = ["directory.removed greeter 1.0.0", "directory.added greeter 1.1.0"];
    assert_eq!(told(&host).await, [&while_stopped[..], &at_first[..]].concat());
    host.restart().await;
    assert_eq!(told(&host).await.len(), 4, "nothing has changed");
}
