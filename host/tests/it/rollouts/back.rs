//! The way back: what a rollback goes to, when it is refused, and what is left of a version that was uninstalled.

use std::fs;

use super::{PLUGINS, everybody, host, said, tenon};
use crate::common::{Client, Host, eventually};
use crate::lifecycle::{self, Version};

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
    assert!(unknown.contains("is not loaded; of greeter there is 1.0.0, 1.1.0"), "{unknown}");
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
    assert!(told.contains("phases 1.1.0 — active") && told.contains("could not be moved to it"), "{told}");
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
