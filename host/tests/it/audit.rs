//! Who did what: the audit log as operators and as tenants read it.

use std::fs;

use serde_json::{Value, json};

use crate::common::{Host, Output, Scratch, eventually, output};
use crate::loader::component;

/// A command of the operator on the host's own machine, about no tenant unless it names one.
async fn run(host: &Host, args: &[&str]) -> Output {
    let mut command = host.scratch().tenon(args);
    command.arg("--data").arg(host.scratch().data());
    output(command).await
}

async fn operator(host: &Host, args: &[&str]) -> String {
    run(host, args).await.success().trim_end().to_owned()
}

async fn entries(host: &Host, filters: &[&str]) -> Vec<Value> {
    let args = [&["audit", "--json", "--limit", "200"], filters].concat();
    serde_json::from_str(&operator(host, &args).await).unwrap()
}

fn column<'a>(entries: &'a [Value], name: &str) -> Vec<&'a str> {
    entries.iter().map(|entry| entry[name].as_str().unwrap_or("-")).collect()
}

#[tokio::test]
async fn a_tenant_reads_what_operators_did_to_it_and_nothing_of_others() {
    let scratch = Scratch::with_plugins(&["crm", "greeter-1-0", "greeter-1-1"]);
    let field = json!([{"key": "word", "type": "string", "label": "Word", "secret": true}]);
    let manifest = json!({"id": "vault", "name": "Vault", "version": "1.0.0", "config": field});
    fs::write(scratch.plugins().join("vault.wasm"), component(&[("tenon:manifest", &manifest.to_string())])).unwrap();
    let host = Host::start(scratch, &["--dev"]).await;
    let (acme, beta) = (host.tenant("acme"), host.tenant("beta"));
    for tenant in [&acme, &beta] {
        tenant.get("/plugins/crm/contacts").await.data(200);
    }
    acme.put("/api/v1/plugins/vault/config", json!({"values": {"word": "hunter2"}})).await.data(200);

    let made = operator(&host, &["key", "create", "--tenant", "acme", "--role", "member", "--json"]).await;
    let made: Value = serde_json::from_str(&made).unwrap();
    // About no tenant: whose key it is, the host knows.
    operator(&host, &["key", "revoke", made["id"].as_str().unwrap()]).await;
    operator(&host, &["quota", "set", "calls", "1000", "--tenant", "acme"]).await;
    operator(&host, &["rollout", "greeter", "1.0.0", "--tenants", "acme"]).await;
    operator(&host, &["secret", "rotate"]).await;
    operator(&host, &["plugin", "uninstall", "crm"]).await;
    operator(&host, &["plugin", "purge", "crm", "--all", "--yes"]).await;

    let of_all = ["plugins.purge", "plugins.uninstall"];
    let of_acme = ["secrets.rotate", "rollouts.put", "quotas.put", "keys.revoke", "keys.create", "config.put"];
    let own = acme.get("/api/v1/audit?limit=200").await;
    assert_eq!(column(own.rows(), "operation"), [&of_all[..], &of_acme].concat(), "{own:?}");
    assert!(column(own.rows(), "tenant").iter().all(|tenant| *tenant == "acme"), "{own:?}");
    assert!(column(&own.rows()[..7], "actor").iter().all(|actor| *actor == "local"), "{own:?}");
    let changed = |at: usize| (own.rows()[at]["before"].clone(), own.rows()[at]["after"].clone());
    let purged = json!({"plugin": "crm", "databases": ["acme"], "configurations": []});
    assert_eq!(changed(0), (Value::Null, purged));
    assert_eq!(changed(1), (json!({"version": "1.0.0"}), json!({"version": null})));
    assert_eq!(changed(2).1["resealed"], 1);
    assert_eq!(changed(3), (json!({"version": "1.1.0"}), json!({"version": "1.0.0"})));
    assert!(changed(5).1["revokedAt"].is_string() && changed(5).0["revokedAt"].is_null(), "{own:?}");
    assert!(!own.text.contains("beta"), "{own:?}");

    let others = beta.get("/api/v1/audit?limit=200").await;
    assert_eq!(column(others.rows(), "operation"), of_all, "{others:?}");
    assert!(!others.text.contains("acme"), "{others:?}");
    let stranger = host.tenant("gamma").get("/api/v1/audit").await;
    assert!(stranger.rows().is_empty(), "{stranger:?}");

    // The operator reads each of them once, as a whole.
    let whole = entries(&host, &[]).await;
    for operation in of_all.iter().chain(&of_acme) {
        let of_it = column(&whole, "operation").iter().filter(|found| *found == operation).count();
        assert_eq!(of_it, 1, "{operation}: {whole:#?}");
    }
    let purge = entries(&host, &["--operation", "plugins.purge"]).await;
    assert_eq!(purge[0]["after"]["databases"], json!(["acme", "beta"]), "{purge:?}");
}

#[tokio::test]
async fn a_file_that_is_refused_is_in_the_log_once_with_its_hash_and_the_reason() {
    let mut host = Host::with_plugins(&[]).await;
    fs::write(host.scratch().plugins().join("bad.wasm"), "no plugin").unwrap();
    let refused = ["--operation", "directory.refused"];
    let told = eventually("the file is refused", async || {
        let found = entries(&host, &refused).await;
        (!found.is_empty()).then_some(found)
    })
    .await;
    let known = |entry: &Value| {
        let after = &entry["after"];
        assert_eq!(after["sha256"].as_str().map(str::len), Some(64), "{entry}");
        assert!(!after["reason"].as_str().unwrap().is_empty(), "{entry}");
        (entry["target"].clone(), entry["outcome"].clone(), after["fileName"].clone())
    };
    assert_eq!(known(&told[0]), (json!("bad.wasm"), json!("rejected"), json!("bad.wasm")));
    let listed = operator(&host, &["plugin", "list"]).await;
    assert!(listed.contains("FILE") && listed.contains("SEEN") && listed.contains("bad.wasm"), "{listed}");
    host.restart().await;
    assert_eq!(entries(&host, &refused).await.len(), 1, "it is the same file");

    let sent = host.scratch().file("worse.wasm", "no plugin either");
    run(&host, &["plugin", "install", sent.to_str().unwrap()]).await.failure();
    let uploaded = entries(&host, &["--operation", "plugins.install"]).await;
    assert_eq!(known(&uploaded[0]), (json!("worse.wasm"), json!("rejected"), json!("worse.wasm")));
    let nameless =
        component(&[("tenon:manifest", r#"{"id": "half", "name": "Half", "version": "1.2.3", "endpoints": [1]}"#)]);
    fs::write(&sent, nameless).unwrap();
    run(&host, &["plugin", "install", sent.to_str().unwrap()]).await.failure();
    let uploaded = entries(&host, &["--operation", "plugins.install", "--outcome", "rejected"]).await;
    assert!(uploaded[0]["after"]["reason"].as_str().unwrap().contains("$.endpoints"), "{uploaded:?}");
    assert_eq!(uploaded.len(), 2);
}

#[tokio::test]
async fn what_was_refused_is_found_by_what_it_was_about_with_what_was_wanted_and_why_not() {
    let host = Host::with_plugins(&["greeter-1-0", "caller"]).await;
    host.tenant("acme").get("/plugins/caller/ask/Ada").await.data(200);
    let last = async |target: &str, operation: &str| {
        let found = entries(&host, &["--target", target, "--operation", operation]).await;
        assert_eq!(found.len(), 1, "{target}, {operation}: {found:?}");
        let reason = found[0]["after"]["reason"].as_str().unwrap_or_default().to_owned();
        (found[0]["outcome"].clone(), reason, found[0]["after"]["wanted"].clone())
    };
    run(&host, &["plugin", "uninstall", "greeter", "1.0.0"]).await.failure();
    let (outcome, reason, _) = last("greeter 1.0.0", "plugins.uninstall").await;
    assert!(outcome == "required" && reason.contains("caller"), "{outcome}: {reason}");

    run(&host, &["rollout", "greeter", "9.9.9", "--percent", "10"]).await.failure();
    let (outcome, reason, wanted) = last("greeter", "rollouts.put").await;
    assert!(outcome == "invalid" && reason.contains("greeter 9.9.9 is not loaded"), "{outcome}: {reason}");
    assert_eq!((&wanted["version"], &wanted["percent"]), (&json!("9.9.9"), &json!(10)));

    run(&host, &["rollback", "greeter", "--to", "8.0.0", "--force"]).await.failure();
    let (_, reason, wanted) = last("greeter", "rollouts.rollback").await;
    assert_eq!((&wanted["to"], &wanted["force"]), (&json!("8.0.0"), &json!("true")), "{reason}");

    host.roles("member").delete("/api/v1/plugins/greeter/grants/import/demo:greeter").await.refusal(403, "denied");
    let (outcome, reason, wanted) = last("greeter", "grants.remove").await;
    assert!(outcome == "denied" && reason.contains("admin:system:plugins"), "{outcome}: {reason}");
    assert_eq!((&wanted["kind"], &wanted["value"]), (&json!("import"), &json!("demo:greeter")));

    operator(&host, &["tenant", "create", "beta"]).await;
    run(&host, &["tenant", "create", "beta"]).await.failure();
    let found = entries(&host, &["--target", "beta", "--outcome", "conflict"]).await;
    assert!(found[0]["after"]["reason"].as_str().unwrap().contains("there is a tenant `beta` already"), "{found:?}");

    let wrong = run(&host, &["audit", "--cursor", "zzz"]).await.failure();
    assert!(wrong.contains("cursor must be the `nextCursor` of an earlier answer"), "{wrong}");
}

#[tokio::test]
async fn the_log_is_searched_by_target_and_request_and_read_page_by_page() {
    let host = Host::with_plugins(&[]).await;
    for tenant in ["acme", "beta", "gamma"] {
        operator(&host, &["tenant", "create", tenant]).await;
    }
    let found = entries(&host, &["--target", "beta"]).await;
    assert_eq!(column(&found, "operation"), ["tenants.create"]);
    let id = found[0]["correlationId"].as_str().unwrap();
    assert_eq!(column(&entries(&host, &["--correlation", id]).await, "target"), ["beta"]);
    let page = operator(&host, &["audit", "--limit", "2"]).await;
    let (shown, cursor) = page.rsplit_once("there is more: --cursor ").unwrap();
    assert!(shown.contains("gamma") && shown.contains("beta") && !shown.contains("acme"), "{page}");
    let next = operator(&host, &["audit", "--limit", "2", "--cursor", cursor]).await;
    assert!(next.contains("acme") && !next.contains("beta"), "{next}");
    assert_eq!(operator(&host, &["audit", "--target", "nobody"]).await, "there is no such entry");
    assert_eq!(operator(&host, &["audit", "--operation", "rollouts."]).await, "there is no such entry");

    let wrong = run(&host, &["audit", "--operation", "rollout"]).await.failure();
    for part in ["`rollout`, which is no operation", "did you mean `rollouts.`?", "rollouts.put", "directory.refused"] {
        assert!(wrong.contains(part), "expected {part}: {wrong}");
    }
}
