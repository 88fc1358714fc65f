//! Who came first stays: the same version in other bytes, somebody else's service, altered types.

use std::fs;

use serde_json::json;

use super::{PATIENCE, loaded, loaded_become, looking_every, put, refused_become, serve, thing, with_section};
use crate::common::{Host, Process, Scratch, output, within};
use crate::loader::{greets, rejected, testdata};

/// Starts the host as an operator does, without dev mode, and gives what it says that it refuses.
async fn refused_by_an_operators_host(scratch: &Scratch) -> Vec<String> {
    let mut process = Process::start(scratch, serve(scratch, "")).await;
    process.terminate();
    assert!(process.ended().await.success());
    let lines = process.rest().await.into_iter();
    lines.filter_map(|line| line.trim().strip_prefix("not loaded: ").map(str::to_owned)).collect()
}

#[tokio::test]
async fn the_same_version_in_other_bytes_is_refused_after_a_restart_too() {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    assert_eq!(refused_by_an_operators_host(&scratch).await, [""; 0]);
    let file = scratch.plugins().join("greeter-1-0.wasm");
    let other = with_section(&testdata("greeter-1-0"), "note", "one byte more or less");
    put(&file, &other);
    let refused = refused_by_an_operators_host(&scratch).await;
    let [told] = refused.as_slice() else { panic!("expected one: {refused:?}") };
    let expected = "greeter-1-0.wasm: greeter 1.0.0 was first loaded from greeter-1-0.wasm on ";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.contains("with other bytes; give this file another version; if what came first is gone for good, forget it: tenon plugin forget "), "{told}");
    // Under another name it is the same.
    fs::rename(&file, scratch.plugins().join("renamed.wasm")).unwrap();
    assert!(refused_by_an_operators_host(&scratch).await[0].starts_with("renamed.wasm: greeter 1.0.0 was first"));
    // The first one is welcome at any time, under any name.
    put(&scratch.plugins().join("renamed.wasm"), &testdata("greeter-1-0"));
    assert_eq!(refused_by_an_operators_host(&scratch).await, [""; 0]);

    // In dev mode it is an author's next build.
    put(&scratch.plugins().join("renamed.wasm"), &other);
    let host = Host::start(scratch, &["--dev"]).await;
    greets(&host).await;
    assert_eq!(rejected(&host).await, []);
    let log = fs::read_to_string(host.scratch().log()).unwrap();
    assert!(log.contains("taken from who came first, because the host runs in dev mode"), "{log}");
}

#[tokio::test]
async fn a_file_replaced_while_an_operators_host_runs_changes_nothing() {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    let mut process = Process::start(&scratch, serve(&scratch, "loader.rescan_ms = 20")).await;
    let other = with_section(&testdata("greeter-1-0"), "note", "other");
    put(&scratch.plugins().join("greeter-1-0.wasm"), &other);
    within(PATIENCE, "the log to say so", async || {
        let log = fs::read_to_string(scratch.log()).unwrap();
        log.contains("was first loaded from greeter-1-0.wasm").then_some(())
    })
    .await;
    let health = crate::common::Client::new(process.address()).get("/health").await;
    assert_eq!(health.data(200)["plugins"], json!({ "loaded": 1, "active": 1, "rejected": 1 }));
    process.terminate();
    process.ended().await;
}

#[tokio::test]
async fn of_two_files_with_one_version_the_first_stays_in_dev_mode_too() {
    let host = looking_every(20, &[]).await;
    let plugins = host.scratch().plugins();
    put(&plugins.join("second-by-name.wasm"), &testdata("greeter-1-0"));
    loaded_become(&host, &["greeter 1.0.0"]).await;
    put(&plugins.join("first-by-name.wasm"), &with_section(&testdata("greeter-1-0"), "note", "other"));
    let reasons = refused_become(&host, &["first-by-name.wasm"]).await;
    assert!(reasons[0].starts_with("greeter 1.0.0 is already loaded from second-by-name.wasm"), "{reasons:?}");
    // What is refused waits: when the other goes, it is taken.
    fs::remove_file(plugins.join("second-by-name.wasm")).unwrap();
    refused_become(&host, &[]).await;
    greets(&host).await;
    // An author's next build of it is taken as well.
    put(&plugins.join("first-by-name.wasm"), &with_section(&testdata("greeter-1-0"), "note", "built again"));
    let built = |answer: &crate::common::Answer| answer.data(200)["versions"][0]["sha256"].clone();
    let before = built(&host.get("/api/v1/plugins/greeter").await);
    within(PATIENCE, "the next build to be taken", async || {
        (built(&host.get("/api/v1/plugins/greeter").await) != before).then_some(())
    })
    .await;
    assert_eq!(rejected(&host).await, []);
}

#[tokio::test]
async fn a_service_of_another_plugin_cannot_be_claimed() {
    let host = looking_every(20, &[]).await;
    let plugins = host.scratch().plugins();
    put(&plugins.join("thing.wasm"), &thing("thing", "1.0.0", &[]));
    loaded_become(&host, &["thing 1.0.0"]).await;
    // A higher version would be preferred, and an earlier name too.
    put(&plugins.join("a-impostor.wasm"), &thing("impostor", "9.0.0", &[]));
    let reasons = refused_become(&host, &["a-impostor.wasm"]).await;
    let expected = "it exports `demo:thing`, a service of the plugin thing: ";
    assert!(reasons[0].starts_with(expected), "{reasons:?}");
    host.get("/plugins/impostor/info").await.refusal(404, "plugin_not_found");

    // Whoever asks for either of the two is told.
    for plugin in ["thing", "impostor"] {
        let links = host.get(&format!("/api/v1/plugins/{plugin}/links")).await;
        let told = &links.data(200)["rejected"][0];
        assert_eq!(
            json!([told["fileName"], told["id"], told["version"]]),
            json!(["a-impostor.wasm", "impostor", "9.0.0"])
        );
        let explain = host.scratch().tenon(&["explain", plugin, "--url", host.address()]);
        let explained = output(explain).await.success();
        assert!(explained.contains(&format!("impostor 9.0.0 — refused\n  a-impostor.wasm: {expected}")), "{explained}");
    }

    // Without the owner there, an operator's host remembers it.
    let scratch = Scratch::with_plugins(&[]);
    put(&scratch.plugins().join("thing.wasm"), &thing("thing", "1.0.0", &[]));
    assert_eq!(refused_by_an_operators_host(&scratch).await, [""; 0]);
    fs::remove_file(scratch.plugins().join("thing.wasm")).unwrap();
    put(&scratch.plugins().join("impostor.wasm"), &thing("impostor", "9.0.0", &[]));
    let refused = refused_by_an_operators_host(&scratch).await;
    assert!(refused.len() == 1 && refused[0].starts_with(&format!("impostor.wasm: {expected}")), "{refused:?}");
}

#[tokio::test]
async fn altered_types_under_the_same_version_are_refused() {
    let host = looking_every(20, &[]).await;
    let plugins = host.scratch().plugins();
    put(&plugins.join("thing-1.wasm"), &thing("thing", "1.0.0", &["u32"]));
    loaded_become(&host, &["thing 1.0.0"]).await;
    put(&plugins.join("thing-2.wasm"), &thing("thing", "2.0.0", &["s32"]));
    let reasons = refused_become(&host, &["thing-2.wasm"]).await;
    let expected =
        "its types of `demo:thing/thing@1.0.0` differ from those that thing 1.0.0 offers under the same version";
    assert!(reasons[0].starts_with(expected), "{reasons:?}");
    assert_eq!(loaded(&host).await, ["thing 1.0.0"]);
    // With the same types, a higher version is welcome.
    put(&plugins.join("thing-2.wasm"), &thing("thing", "2.0.0", &["u32"]));
    loaded_become(&host, &["thing 1.0.0", "thing 2.0.0"]).await;

    let scratch = Scratch::with_plugins(&[]);
    let file = scratch.plugins().join("thing.wasm");
    put(&file, &thing("thing", "1.0.0", &["u32"]));
    assert_eq!(refused_by_an_operators_host(&scratch).await, [""; 0]);
    put(&file, &thing("thing", "2.0.0", &["u32", "u32"]));
    let refused = refused_by_an_operators_host(&scratch).await;
    assert!(refused.len() == 1 && refused[0].contains(expected), "{refused:?}");
}
