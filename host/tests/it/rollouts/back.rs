//! The way back: what a rollback goes to, when it is refused, and what is left of a version that was uninstalled.

use std::fs;

use serde_json::json;

use super::{PLUGINS, everybody, host, said, tenon};
use crate::common::{Client, Host, Scratch, eventually};
use crate::lifecycle::{self, Version};
use crate::loader::component;

const MORE: &str = "ALTER TABLE event ADD COLUMN colour TEXT";

/// A host with three versions of a plugin, and two tenants.
async fn three() -> (Host, [Client; 2]) {
    let host = lifecycle::host(&["1.0.0", "1.1.0", "1.2.0"].map(Version::new)).await;
    let tenants = ["acme", "beta"].map(|tenant| host.tenant(tenant));
    for tenant in &tenants {
        tenant.get("/plugins/phases/info").await.data(200);
    }
    (host, tenants)
}

async fn have(tenants: &[Client; 2]) -> [String; 2] {
    let version = async |tenant: &Client| {
        tenant.get("/plugins/phases/info").await.data(200)["version"].as_str().unwrap().to_owned()
    };
    [version(&tenants[0]).await, version(&tenants[1]).await]
}

#[tokio::test]
async fn who_dropped_a_file_goes_back_once_and_never_forward_again() {
    let host = host().await;
    let told = tenon(&host, &["rollback", "greeter"]).unwrap();
    assert_eq!(told, "greeter 1.1.0 is taken back: every tenant gets greeter 1.0.0");
    assert_eq!(everybody(&host).await, ["1.0.0"; 3]);
    for _ in 0..2 {
        let (status, _, refused) = said(&host, &["rollback", "greeter"]);
        assert!(status == Some(1) && refused.contains("there is nothing to go back to"), "{refused}");
        assert!(refused.contains("to go forward: tenon rollout greeter 1.1.0 --percent 100"), "{refused}");
        assert_eq!(everybody(&host).await, ["1.0.0"; 3]);
    }
    let alone = tenon(&host, &["rollback", "caller"]).unwrap_err();
    assert!(alone.contains("nothing to go back to: tenants have caller 1.0.0"), "{alone}");
    assert!(!alone.contains("to go forward"), "{alone}");
    assert!(tenon(&host, &["rollback", "nobody"]).unwrap_err().contains("there is no plugin `nobody`"));
}

/// A version that says what it is and has a migration that is no SQL.
fn bad_greeter() -> Vec<u8> {
    let manifest = json!({"id": "greeter", "name": "Greeter", "version": "9.0.0"}).to_string();
    component(&[("tenon:manifest", &manifest), ("tenon:migration:0001_bad", "no SQL")])
}

#[tokio::test]
async fn who_names_the_version_to_go_back_to_may_say_it_twice() {
    let host = host().await;
    tenon(&host, &["rollout", "greeter", "1.1.0", "--percent", "100"]).unwrap();
    let back = || tenon(&host, &["rollback", "greeter", "--to", "1.0.0"]).unwrap();
    assert_eq!(back(), "greeter 1.1.0 is taken back: every tenant gets greeter 1.0.0");
    assert_eq!(back(), "nothing changes: every tenant gets greeter 1.0.0");
    assert_eq!(everybody(&host).await, ["1.0.0"; 3]);
    let forward = tenon(&host, &["rollback", "greeter", "--to", "1.1.0"]).unwrap_err();
    assert!(forward.contains("1.1.0 is no way back: tenants have greeter 1.0.0"), "{forward}");
    let unknown = tenon(&host, &["rollback", "greeter", "--to", "9.0.0"]).unwrap_err();
    assert!(unknown.contains("greeter 9.0.0 is not loaded; there is 1.0.0, 1.1.0"), "{unknown}");
    // Refused, it is known and still not loaded.
    let directory = host.scratch().plugins();
    fs::write(directory.join("bad.wasm"), bad_greeter()).unwrap();
    let told = eventually("the refused version to be named", async || {
        let told = tenon(&host, &["rollout", "greeter", "9.0.0", "--percent", "100"]).unwrap_err();
        told.contains("its file bad.wasm was refused: ").then_some(told)
    })
    .await;
    assert!(told.contains("greeter 9.0.0 is not loaded"), "{told}");
}

#[tokio::test]
async fn a_rollback_goes_to_what_was_before_the_last_decision() {
    let (host, tenants) = three().await;
    let all = |version: &str| [version.to_owned(), version.to_owned()];
    let rollback = || tenon(&host, &["rollback", "phases"]).unwrap();
    tenon(&host, &["rollout", "phases", "1.0.0", "--percent", "100"]).unwrap();
    tenon(&host, &["rollout", "phases", "--end"]).unwrap();
    assert_eq!(have(&tenants).await, all("1.2.0"));
    assert_eq!(rollback(), "phases 1.2.0 is taken back: every tenant gets phases 1.0.0", "and not 1.1.0");
    assert_eq!(have(&tenants).await, all("1.0.0"));

    tenon(&host, &["rollout", "phases", "1.1.0", "--tenants", "acme"]).unwrap();
    tenon(&host, &["rollout", "phases", "1.2.0", "--percent", "100"]).unwrap();
    assert_eq!(have(&tenants).await, all("1.2.0"));
    assert_eq!(rollback(), "phases 1.2.0 is taken back: acme gets phases 1.1.0; the others keep 1.0.0");
    assert_eq!(have(&tenants).await, ["1.1.0", "1.0.0"]);
    assert_eq!(rollback(), "phases 1.1.0 is taken back: every tenant gets phases 1.0.0");
    assert_eq!(have(&tenants).await, all("1.0.0"));
}

#[tokio::test]
async fn going_back_is_judged_the_same_by_whatever_command() {
    let newer = Version { migration: Some(MORE), ..Version::new("1.1.0") };
    let host = lifecycle::host(&[Version::new("1.0.0"), newer]).await;
    let tenants = ["acme", "beta"].map(|tenant| host.tenant(tenant));
    for version in ["1.0.0", "1.1.0"] {
        tenon(&host, &["rollout", "phases", version, "--percent", "100"]).unwrap();
        lifecycle::note(&tenants[0], version).await.data(200);
    }
    assert_eq!(have(&tenants).await[0], "1.1.0");
    let decided = tenon(&host, &["rollouts"]).unwrap();
    for args in [&["rollback", "phases"][..], &["rollout", "phases", "1.0.0", "--percent", "100"]] {
        let (status, told, refused) = said(&host, args);
        assert_eq!(status, Some(1), "{args:?}: {told}");
        assert!(refused.contains("phases 1.0.0 cannot work with the data of acme"), "{args:?}: {refused}");
        assert!(refused.contains("Nothing was changed"), "{refused}");
        assert!(refused.contains("these keep the version they have, and none of their data is changed"), "{refused}");
    }
    assert_eq!(tenon(&host, &["rollouts"]).unwrap(), decided);
    let (status, told, error) = said(&host, &["rollout", "phases", "1.0.0", "--percent", "100", "--force"]);
    assert_eq!(status, Some(3), "{error}");
    assert!(told.starts_with("every tenant gets phases 1.0.0\nacme was not moved and has 1.1.0: "), "{told}");
    assert!(told.contains("whose data is in the way keeps it as it is"), "{told}");
    assert_eq!(have(&tenants).await[0], "1.1.0");
    let told = tenon(&host, &["explain", "phases", "--tenant", "acme"]).unwrap();
    assert!(told.contains("phases 1.1.0 — active") && told.contains("phases 1.0.0 — error: migrations: "), "{told}");
}

#[tokio::test]
async fn who_is_stuck_is_named_each_time_and_in_the_list() {
    let newer = Version { migration: Some(MORE), ..Version::new("1.1.0") };
    let host = lifecycle::host(&[Version::new("1.0.0"), newer]).await;
    let acme = host.tenant("acme");
    lifecycle::note(&acme, "newer").await.data(200);
    let again = [&["rollback", "phases", "--to", "1.0.0"][..], &["rollout", "phases", "1.0.0", "--percent", "100"]];
    assert_eq!(said(&host, &["rollback", "phases", "--force"]).0, Some(3));
    for args in again {
        let (status, told, refused) = said(&host, args);
        assert_eq!(status, Some(1), "{args:?}: {told}");
        assert!(refused.contains("phases 1.0.0 cannot work with the data of acme"), "{args:?}: {refused}");
        let (status, told, _) = said(&host, &[args, &["--force"]].concat());
        assert_eq!(status, Some(3), "{args:?}: {told}");
        assert!(told.contains("every tenant gets phases 1.0.0\nacme was not moved and has 1.1.0: "), "{told}");
    }
    let row = |listed: &str| listed.lines().nth(1).unwrap().to_owned();
    let listed = tenon(&host, &["rollouts"]).unwrap();
    assert!(listed.contains("NOT MOVED") && row(&listed).contains("acme"), "{listed}");
    // A decision about another version, for somebody else, has nothing to do with that.
    let told = tenon(&host, &["rollout", "phases", "1.1.0", "--tenants", "demo"]).unwrap();
    assert_eq!(told, "demo gets phases 1.1.0; the others keep 1.0.0");
    tenon(&host, &["rollout", "phases", "1.1.0", "--percent", "100"]).unwrap();
    let listed = tenon(&host, &["rollouts"]).unwrap();
    assert!(!row(&listed).contains("acme"), "{listed}");
}

#[tokio::test]
async fn a_version_that_fails_for_tenants_nobody_named_is_no_success() {
    let failing = Version { words: &[("activate", "fail")], ..Version::new("1.1.0") };
    let host = lifecycle::host(&[Version::new("1.0.0")]).await;
    let tenants = ["acme", "beta"].map(|tenant| host.tenant(tenant));
    for tenant in &tenants {
        lifecycle::note(tenant, "before").await.data(200);
    }
    tenon(&host, &["rollout", "phases", "1.0.0", "--percent", "100"]).unwrap();
    lifecycle::add(&host, failing).await;
    let (status, told, error) = said(&host, &["rollout", "phases", "1.1.0", "--percent", "100"]);
    assert_eq!(status, Some(3), "{told}");
    for tenant in ["acme", "beta"] {
        let line = format!("\n{tenant} was not moved and has 1.0.0: ");
        assert!(told.contains(&line) && told.contains("asked to fail its activate"), "{told}");
    }
    assert_eq!(error, "tenon: it is decided, and 2 tenants have it not yet");
    let listed = tenon(&host, &["rollouts", "--json"]).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["notMoved"][1]["tenant"], "beta", "{listed}");
    let status = tenon(&host, &["status"]).unwrap();
    assert!(status.contains("    beta was not moved and has 1.0.0: "), "{status}");
    assert_eq!(have(&tenants).await, ["1.0.0"; 2]);
}

#[tokio::test]
async fn the_end_of_a_rollout_is_judged_for_data_like_a_rollback() {
    // The highest version knows less than the one that is rolled out.
    let middle = Version { migration: Some(MORE), ..Version::new("1.1.0") };
    let host = lifecycle::host(&[middle, Version::new("1.2.0")]).await;
    tenon(&host, &["rollout", "phases", "1.1.0", "--percent", "100"]).unwrap();
    let acme = host.tenant("acme");
    lifecycle::note(&acme, "newer").await.data(200);
    let decided = tenon(&host, &["rollouts"]).unwrap();
    let (status, told, refused) = said(&host, &["rollout", "phases", "--end"]);
    assert_eq!(status, Some(1), "{told}");
    assert!(refused.contains("phases 1.2.0 cannot work with the data of acme"), "{refused}");
    assert_eq!(tenon(&host, &["rollouts"]).unwrap(), decided);
    let (status, told, _) = said(&host, &["rollout", "phases", "--end", "--force"]);
    assert_eq!(status, Some(3), "{told}");
    let expected = "phases is no longer rolled out by hand; tenants get 1.2.0\nacme was not moved and has 1.1.0: ";
    assert!(told.starts_with(expected), "{told}");
    assert_eq!(acme.get("/plugins/phases/info").await.data(200)["version"], "1.1.0");
}

/// A version of a plugin without code, and what its manifest says besides.
fn notes(version: &str, config: &serde_json::Value) -> Vec<u8> {
    let manifest = json!({"id": "notes", "name": "Notes", "version": version, "config": config});
    component(&[("tenon:manifest", &manifest.to_string())])
}

#[tokio::test]
async fn going_back_is_refused_where_it_would_leave_tenants_without_a_version() {
    let scratch = Scratch::with_plugins(&[]);
    let region = json!([{"key": "region", "type": "string", "label": "Region", "required": true}]);
    for (version, config) in [("1.0.0", region), ("1.1.0", json!([]))] {
        fs::write(scratch.plugins().join(format!("notes-{version}.wasm")), notes(version, &config)).unwrap();
    }
    let host = Host::start(scratch, &["--dev"]).await;
    let acme = host.tenant("acme");
    let info = async || acme.get("/plugins/notes/info").await;
    assert_eq!(info().await.data(200)["version"], "1.1.0");
    let refused = host.post("/api/v1/rollouts/notes/rollback", json!(null)).await;
    let error = refused.refusal(409, "would_not_work");
    let told = error["message"].as_str().unwrap();
    assert!(told.contains("would be left without notes: ") && told.contains("Nothing was changed"), "{told}");
    assert_eq!(error["details"]["tenants"], json!(["tenants that have set and pinned nothing"]), "{error}");
    assert_eq!(info().await.data(200)["version"], "1.1.0");
    host.post("/api/v1/rollouts/notes/rollback?force=true", json!(null)).await.data(200);
    info().await.refusal(503, "plugin_inactive");
}

async fn loaded(host: &Host, version: &str, is_loaded: bool) {
    eventually("the directory is seen", async || {
        let plugins = host.get("/api/v1/plugins").await;
        let is_it = |plugin: &serde_json::Value| plugin["id"] == "greeter" && plugin["version"] == version;
        (plugins.rows().iter().any(is_it) == is_loaded).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_uninstalled_leaves_no_rollout_behind() {
    let host = host().await;
    tenon(&host, &["rollback", "greeter"]).unwrap();
    tenon(&host, &["rollout", "greeter", "1.1.0", "--tenants", "acme"]).unwrap();
    let told = tenon(&host, &["plugin", "uninstall", "greeter", "1.1.0"]).unwrap();
    assert_eq!(told, "greeter 1.1.0 is uninstalled; its data stays; what was rolled out of it is forgotten");
    assert_eq!(everybody(&host).await, ["1.0.0"; 3]);
    host.scratch().add_plugin("greeter-1-1");
    loaded(&host, "1.1.0", true).await;
    assert_eq!(everybody(&host).await, ["1.0.0"; 3], "it waits for a new rollout");

    tenon(&host, &["plugin", "uninstall", "greeter", "--force"]).unwrap();
    assert_eq!(tenon(&host, &["rollouts"]).unwrap(), "nothing is rolled out by hand: tenants get the highest versions");
    for name in &PLUGINS[..2] {
        host.scratch().add_plugin(name);
    }
    loaded(&host, "1.0.0", true).await;
    loaded(&host, "1.1.0", true).await;
    assert_eq!(everybody(&host).await, ["1.1.0"; 3], "as if there had never been a rollout");
}

#[tokio::test]
async fn a_file_that_is_taken_out_by_hand_leaves_its_tenants_what_they_had_before() {
    let host = host().await;
    tenon(&host, &["rollback", "greeter"]).unwrap();
    tenon(&host, &["rollout", "greeter", "1.1.0", "--tenants", "acme"]).unwrap();
    fs::remove_file(host.scratch().plugins().join("greeter-1-1.wasm")).unwrap();
    loaded(&host, "1.1.0", false).await;
    assert_eq!(everybody(&host).await, ["1.0.0"; 3]);
    let listed = tenon(&host, &["rollouts"]).unwrap();
    assert!(listed.lines().nth(1).unwrap().ends_with("no"), "it is told: {listed}");
}

#[tokio::test]
async fn who_needs_a_version_is_named_when_it_is_not_uninstalled() {
    let host = host().await;
    for number in 1..=4 {
        host.tenant(&format!("other-{number}")).get("/plugins/greeter/info").await.data(200);
    }
    tenon(&host, &["plugin", "uninstall", "greeter", "1.1.0"]).unwrap();
    let refused = tenon(&host, &["plugin", "uninstall", "greeter", "1.0.0"]).unwrap_err();
    assert!(refused.contains("caller for acme, beta, "), "{refused}");
    assert!(refused.contains(" more (") && refused.contains(" in all)"), "{refused}");
    assert!(refused.contains("nothing provides demo:greeter/greeter"), "{refused}");
}
