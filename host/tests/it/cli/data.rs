//! Going back and looking back as commands: snapshots, `rollback --force`, statistics and errors.

use serde_json::{Value, json};

use crate::common::{Client, Host, Scratch, eventually, output};
use crate::lifecycle::{self, Version};

const MORE: &str = "ALTER TABLE event ADD COLUMN colour TEXT";

/// A host whose tenants went from 1.0.0 to 1.1.0, which changed the data of `acme` and made that of `beta`.
async fn moved() -> Host {
    let host = lifecycle::host(&[Version::new("1.0.0")]).await;
    let (acme, beta) = (host.tenant("acme"), host.tenant("beta"));
    lifecycle::note(&acme, "before").await.data(200);
    beta.get("/plugins/phases/info").await.data(200);
    text(&host, &["rollout", "phases", "1.0.0", "--percent", "100"]).await;
    lifecycle::add(&host, Version { migration: Some(MORE), ..Version::new("1.1.0") }).await;
    text(&host, &["rollout", "phases", "1.1.0", "--percent", "100"]).await;
    for client in [&acme, &beta] {
        eventually("the tenant is moved", async || (version(client).await == "1.1.0").then_some(())).await;
    }
    lifecycle::note(&acme, "after").await.data(200);
    host
}

async fn version(client: &Client) -> String {
    let info = client.get("/plugins/phases/info").await;
    info.json["data"]["version"].as_str().unwrap_or_default().to_owned()
}

async fn text(host: &Host, args: &[&str]) -> String {
    let mut command = host.scratch().tenon(args);
    command.args(["--url", host.address()]);
    output(command).await.success().trim_end().to_owned()
}

async fn json_of(host: &Host, args: &[&str]) -> Value {
    serde_json::from_str(&text(host, &[args, &["--json"]].concat()).await).unwrap()
}

async fn refusal(host: &Host, args: &[&str]) -> String {
    let mut command = host.scratch().tenon(args);
    command.args(["--url", host.address()]);
    let said = output(command).await;
    assert_eq!(said.status, Some(1), "{said:#?}");
    said.failure()
}

/// What a command printed that was done for some and not for all.
async fn partly(host: &Host, args: &[&str]) -> String {
    let mut command = host.scratch().tenon(args);
    command.args(["--url", host.address()]);
    let said = output(command).await;
    assert_eq!(said.status, Some(3), "{said:#?}");
    said.stdout.trim_end().to_owned()
}

/// The words of each line of a table.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect()
}

#[tokio::test]
async fn an_operator_goes_back_by_command_and_restores_the_data_of_one_tenant() {
    let host = moved().await;
    let acme = ["--tenant", "acme"];
    let of_acme = |args: &[&'static str]| [args, &acme].concat();

    assert_eq!(text(&host, &["snapshot", "list", "phases", "--tenant", "other"]).await, "there is no snapshot");
    let nobodys = refusal(&host, &["snapshot", "list", "phases", "--tenant", "a..b"]).await;
    assert!(nobodys.contains("a..b"), "{nobodys}");
    let listed = json_of(&host, &of_acme(&["snapshot", "list", "phases"])).await;
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&listed[0]["dataVersion"], &listed[0]["pluginVersion"]), (&json!(1), &json!("1.0.0")), "{listed}");
    let bytes = listed[0]["bytes"].as_u64().unwrap().to_string();
    let table = text(&host, &of_acme(&["snapshot", "list", "phases"])).await;
    let expected = [vec!["ID", "DATA VERSION", "PLUGIN VERSION", "BYTES"], vec![&id, "1", "1.0.0", &bytes]];
    assert_eq!(rows(&table), expected);

    let refused = refusal(&host, &["rollback", "phases"]).await;
    assert!(refused.contains("cannot work with the data of acme") && refused.contains("--force"), "{refused}");
    assert!(refused.contains("none of their data is changed or lost"), "it says what force does: {refused}");
    let told = partly(&host, &["rollback", "phases", "--force"]).await;
    let first = "phases 1.1.0 is taken back: every tenant gets phases 1.0.0\nacme was not moved and has 1.1.0: ";
    assert!(told.starts_with(first), "{told}");
    text(&host, &["rollout", "phases", "1.1.0", "--percent", "100"]).await;
    let told: Value = serde_json::from_str(&partly(&host, &["rollback", "phases", "--force", "--json"]).await).unwrap();
    assert_eq!(
        (&told["version"], &told["takenBack"], &told["percent"]),
        (&json!("1.0.0"), &json!("1.1.0"), &json!(100))
    );
    assert_eq!(json!([told["outcomes"][0]["tenant"], told["outcomes"][0]["moved"]]), json!(["acme", false]), "{told}");
    assert_eq!(version(&host.tenant("acme")).await, "1.1.0", "its data is in the way");

    let told = text(&host, &[&["snapshot", "restore", "phases", &id], &acme[..]].concat()).await;
    let (first, kept) = told.split_once("; what was there is kept as ").unwrap();
    assert_eq!(first, format!("the data of phases is that of {id} again"));
    assert_eq!(version(&host.tenant("acme")).await, "1.0.0");
    let events = host.tenant("acme").get("/plugins/phases/events").await.text;
    assert!(events.contains("before") && !events.contains("after"), "{events}");
    let restored = json_of(&host, &[&["snapshot", "restore", "phases", &id], &acme[..]].concat()).await;
    assert_eq!(restored["restored"]["id"], id, "{restored}");
    assert!(restored["kept"].is_string(), "{restored}");

    let told = text(&host, &[&["snapshot", "delete", "phases", kept], &acme[..]].concat()).await;
    assert_eq!(told, format!("the snapshot {kept} is removed"));
    let told = json_of(&host, &[&["snapshot", "delete", "phases", &id], &acme[..]].concat()).await;
    assert_eq!(told, json!({ "deleted": id }));
    for operation in ["restore", "delete"] {
        let refused = refusal(&host, &[&["snapshot", operation, "phases", &id], &acme[..]].concat()).await;
        assert!(refused.contains(&format!("there is no snapshot {id}")), "{refused}");
        let refused = refusal(&host, &of_acme(&["snapshot", "delete", "phases", "yesterday"])).await;
        assert!(refused.contains("looks like 20260131-235959-123"), "{refused}");
    }
}

#[tokio::test]
async fn commands_show_how_a_plugin_is_used_and_how_it_fails() {
    let host = lifecycle::host(&[Version::new("1.0.0")]).await;
    let acme = host.tenant("acme");
    assert_eq!(text(&host, &["plugin", "stats", "phases"]).await, "nobody has used it");
    assert_eq!(text(&host, &["plugin", "errors", "phases"]).await, "it has not failed");
    assert_eq!(json_of(&host, &["plugin", "errors", "phases"]).await, json!([]));
    lifecycle::note(&acme, "one").await.data(200);
    lifecycle::note(&host.tenant("beta"), "two").await.data(200);
    for _ in 0..2 {
        acme.post("/plugins/phases/trap", json!({})).await.message(502, "plugin_trapped");
    }

    let table = text(&host, &["plugin", "stats", "phases", "--tenant", "acme"]).await;
    let rows_of_table = rows(&table);
    assert_eq!(rows_of_table[0], ["TENANT", "ACTIVATIONS", "CALLS", "FAILED CALLS", "FAILED MOVES", "LAST USED"]);
    assert_eq!((&rows_of_table[1][..5], rows_of_table.len()), (&["acme", "1", "3", "2", "0"][..], 2), "{table}");
    assert_eq!(rows_of_table[1][5].len(), "2026-01-31T23:59:59Z".len(), "to the second: {table}");
    // An operator who names no tenant sees each, and all together.
    let told = output({
        let mut command = host.scratch().tenon(&["plugin", "stats", "phases", "--json", "--data"]);
        command.arg(host.scratch().data());
        command
    });
    let told: Value = serde_json::from_str(&told.await.success()).unwrap();
    assert_eq!((&told["all"]["calls"], &told["all"]["failures"]), (&json!(4), &json!(2)), "{told}");
    assert_eq!(told["tenants"].as_array().unwrap().len(), 2, "{told}");

    let table = text(&host, &["plugin", "errors", "phases", "--tenant", "acme"]).await;
    let (list, backtrace) = table.split_once("\n\nThe last backtrace:\n").unwrap();
    let rows_of_list = rows(list);
    assert_eq!(rows_of_list[0], ["TIME", "VERSION", "TENANT", "IN", "ERROR"]);
    assert_eq!((&rows_of_list[1][1..4], rows_of_list.len()), (&["1.0.0", "acme", "call"][..], 3), "{list}");
    assert!(list.contains("trapped") && backtrace.contains("phases"), "{table}");
    let errors = json_of(&host, &["plugin", "errors", "phases", "--tenant", "acme"]).await;
    assert_eq!(errors.as_array().unwrap().len(), 2);
    assert!(errors[0]["backtrace"].is_string() && errors[0]["at"].is_string(), "{errors}");
    assert_eq!(text(&host, &["plugin", "errors", "phases", "--tenant", "beta"]).await, "it has not failed");
    for command in ["stats", "errors"] {
        assert!(refusal(&host, &["plugin", command, "nobody"]).await.contains("there is no plugin `nobody`"));
    }
}

#[tokio::test]
async fn without_a_host_each_of_them_says_so() {
    let scratch = Scratch::with_plugins(&[]);
    for args in [
        &["snapshot", "list", "crm", "--tenant", "acme"][..],
        &["snapshot", "restore", "crm", "20260131-235959-123", "--tenant", "acme"],
        &["snapshot", "delete", "crm", "20260131-235959-123", "--tenant", "acme"],
        &["plugin", "stats", "crm"],
        &["plugin", "errors", "crm", "--json"],
        &["plugin", "forget", "crm", "--claims"],
        &["rollback", "crm", "--force"],
    ] {
        let mut command = scratch.tenon(args);
        command.args(["--url", "http://127.0.0.1:1"]);
        let said = output(command).await;
        assert_eq!(said.status, Some(1), "{args:?}: {said:#?}");
        let told = said.failure();
        assert!(told.starts_with("tenon: no host answers at http://127.0.0.1:1: start one"), "{args:?}: {told}");
    }
}

#[tokio::test]
async fn a_version_that_cannot_come_is_counted_apart_from_calls() {
    let host = lifecycle::host(&[Version { words: &[("activate", "fail")], ..Version::new("1.0.0") }]).await;
    let refused = lifecycle::note(&host.tenant("acme"), "one").await;
    assert!(refused.status >= 500, "{refused:?}");
    let told = json_of(&host, &["plugin", "stats", "phases", "--tenant", "acme"]).await;
    let acme = &told["tenants"][0];
    assert!(acme["lifecycleFailures"].as_u64().unwrap() >= 1, "{told}");
    assert_eq!((&acme["calls"], &acme["failures"], &acme["activations"]), (&json!(0), &json!(0), &json!(0)), "{told}");
    assert_eq!(told["all"]["lifecycleFailures"], acme["lifecycleFailures"]);
}
