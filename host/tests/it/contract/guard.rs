//! The loader: a version that breaks what an earlier one on its track promised changes nothing, and everybody who
//! asks is told whom it would have broken.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::ledger::{BREAKS, Break, MORE, counter, ledger, reader};
use crate::common::{Host, Process, Scratch, output, within};
use crate::files::{PATIENCE, loaded, loaded_become, put, refused_become};
use crate::loader::rejected;

const REFUSE: &str = "loader.rescan_ms = 20\nloader.breaking_changes = \"refuse\"";

/// The directory of a ledger 1.0.0 with those who use it.
fn furnished() -> Scratch {
    let scratch = Scratch::with_plugins(&[]);
    for (name, bytes) in [("ledger", ledger("1.0.0", "1.0.0", &[])), ("reader", reader()), ("counter", counter())] {
        put(&scratch.plugins().join(format!("{name}.wasm")), &bytes);
    }
    scratch
}

async fn host(config: &str) -> Host {
    let scratch = furnished();
    let file = scratch.file("tenon.toml", config);
    Host::start(scratch, &["--dev", "--config", file.to_str().unwrap()]).await
}

/// Waits until the one refused file is refused for this, and gives all that is said of it.
async fn refused_for(host: &Host, told: &str) -> Value {
    within(PATIENCE, &format!("a refusal for {told:?}"), async || {
        let answer = host.get("/api/v1/plugins").await;
        let [file] = answer.json["rejected"].as_array()?.as_slice() else { return None };
        file["reason"].as_str()?.contains(told).then(|| file.clone())
    })
    .await
}

fn expect(file: &Value, broken: &Break) {
    let reason = file["reason"].as_str().unwrap();
    let expected = "it breaks what ledger 1.0.0 offers, under a version that says it does not: give the WIT package \
                    `demo:ledger` version 2.0.0 and the plugin version 2.0.0, or offer again what was offered\n";
    assert!(reason.starts_with(expected), "{reason}");
    for (plugin, breaks) in [("reader", broken.breaks_reader), ("counter", broken.breaks_counter)] {
        assert_eq!(reason.contains(&format!("would break {plugin} 1.0.0: demo:ledger/ledger.")), breaks, "{reason}");
    }
    let nobody = !broken.breaks_reader && !broken.breaks_counter;
    assert_eq!(reason.contains("no loaded plugin uses what has changed"), nobody, "{reason}");
    let package = &file["breaks"]["packages"][0];
    let told = json!([package["service"], package["from"], package["to"], package["needs"]]);
    assert_eq!(told, json!(["demo:ledger", "1.0.0", "1.1.0", "2.0.0"]));
    let kinds: Vec<&Value> = package["changes"].as_array().unwrap().iter().map(|change| &change["kind"]).collect();
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == broken.kind), "{kinds:?}");
    let consumers = file["breaks"]["consumers"].as_array().unwrap();
    let named: Vec<&str> = consumers.iter().map(|consumer| consumer["id"].as_str().unwrap()).collect();
    let expected = [("counter", broken.breaks_counter), ("reader", broken.breaks_reader)];
    let expected: Vec<&str> = expected.iter().filter(|(_, breaks)| *breaks).map(|(id, _)| *id).collect();
    assert_eq!(named, expected);
}

#[tokio::test]
async fn each_way_to_break_a_promise_is_refused_while_its_consumers_go_on() {
    let host = Arc::new(host(REFUSE).await);
    let (over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients = [("reader", 7), ("counter", 3)].map(|(plugin, expected)| {
        let (host, over, answers) = (host.clone(), over.clone(), answers.clone());
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                assert_eq!(*host.get(&format!("/plugins/{plugin}/ask")).await.data(200), expected);
                answers.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    // Over the file that runs, and beside it.
    let files = ["ledger.wasm", "ledger-next.wasm"].map(|name| host.scratch().plugins().join(name));
    for (number, broken) in BREAKS.iter().enumerate() {
        let file = &files[number % 2];
        put(file, &ledger("1.1.0", "1.1.0", broken.edits));
        expect(&refused_for(&host, broken.told).await, broken);
        assert_eq!(loaded(&host).await, ["counter 1.0.0", "ledger 1.0.0", "reader 1.0.0"]);
        if number % 2 == 1 {
            fs::remove_file(file).unwrap();
        } else {
            put(file, &ledger("1.0.0", "1.0.0", &[]));
        }
        refused_become(&host, &[]).await;
    }
    // What only adds is taken, over the file that runs too.
    put(&files[0], &ledger("1.1.0", "1.1.0", MORE));
    loaded_become(&host, &["counter 1.0.0", "ledger 1.1.0", "reader 1.0.0"]).await;
    // A break that says so is taken as well, beside what it breaks with.
    put(&files[1], &ledger("2.0.0", "2.0.0", BREAKS[0].edits));
    loaded_become(&host, &["counter 1.0.0", "ledger 2.0.0", "ledger 1.1.0", "reader 1.0.0"]).await;
    assert_eq!(rejected(&host).await, []);
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert!(answers.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn whoever_asks_is_told_and_the_log_says_it() {
    let host = host(REFUSE).await;
    put(&host.scratch().plugins().join("next.wasm"), &ledger("1.1.0", "1.1.0", BREAKS[0].edits));
    refused_for(&host, BREAKS[0].told).await;
    for plugin in ["ledger", "reader"] {
        let explain = host.scratch().tenon(&["explain", plugin, "--url", host.address()]);
        let told = output(explain).await.success();
        let part = "ledger 1.1.0 — refused\n  next.wasm: it breaks what ledger 1.0.0 offers";
        assert!(told.contains(part) && told.contains("would break reader 1.0.0"), "{told}");
    }
    let explain = host.scratch().tenon(&["explain", "counter", "--url", host.address()]);
    let told = output(explain).await.success();
    assert!(!told.contains("refused"), "it does not concern the counter: {told}");
    let log = fs::read_to_string(host.scratch().log()).unwrap();
    assert!(log.contains("plugin file was refused") && log.contains("would break reader 1.0.0"), "{log}");
}

#[tokio::test]
async fn a_service_that_goes_under_a_compatible_version_is_refused() {
    let host = host(REFUSE).await;
    let file = host.scratch().plugins().join("ledger.wasm");
    // The package moves to another track, and nothing of the old one is left.
    put(&file, &ledger("1.1.0", "2.0.0", &[]));
    let told = refused_for(&host, "service removed").await;
    let reason = told["reason"].as_str().unwrap();
    let expected = "it breaks what ledger 1.0.0 offers, under a version that says it does not: give the plugin version \
                    2.0.0, or offer again what was offered\n  would break counter 1.0.0: demo:ledger/ledger: the \
                    service is gone\n  would break reader 1.0.0: demo:ledger/ledger: the service is gone";
    assert!(reason.starts_with(expected), "{reason}");
    assert_eq!(*host.get("/plugins/reader/ask").await.data(200), 7);
}

#[tokio::test]
async fn an_author_in_dev_mode_is_warned_and_has_the_way() {
    let host = host("loader.rescan_ms = 20").await;
    put(&host.scratch().plugins().join("ledger.wasm"), &ledger("1.1.0", "1.1.0", BREAKS[0].edits));
    // The one before is kept for the plugin that it breaks.
    loaded_become(&host, &["counter 1.0.0", "ledger 1.1.0", "reader 1.0.0", "ledger 1.0.0"]).await;
    assert_eq!(rejected(&host).await, []);
    let log = fs::read_to_string(host.scratch().log()).unwrap();
    let line = log.lines().find(|line| line.contains("taken although it breaks")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("would break reader 1.0.0") && !line.contains("would break counter"), "{line}");
    // The same version again, altered once more: the usual day of an author.
    put(&host.scratch().plugins().join("ledger.wasm"), &ledger("1.1.0", "1.1.0", BREAKS[1].edits));
    within(PATIENCE, "the log to warn of the next build", async || {
        let log = fs::read_to_string(host.scratch().log()).unwrap();
        log.contains("case \\\"gone\\\" removed").then_some(())
    })
    .await;
    assert_eq!(*host.get("/plugins/reader/ask").await.data(200), 7);
    assert_eq!(*host.get("/plugins/counter/ask").await.data(200), 3);
}

/// Starts the host as an operator does, without dev mode, and gives what it printed.
async fn printed_by_an_operators_host(scratch: &Scratch, config: &str) -> String {
    let taken = "trust.unsigned = \"allow\"\ntrust.downgrade = \"allow\"\ngrants.automatic = \"always\"";
    let config = scratch.file("tenon.toml", &format!("{taken}\n{config}"));
    let mut command = scratch.serve();
    command.arg("--config").arg(config);
    let mut process = Process::start(scratch, command).await;
    process.terminate();
    assert!(process.ended().await.success());
    process.rest().await.join("\n")
}

#[tokio::test]
async fn what_was_promised_is_remembered_when_its_file_is_gone() {
    let scratch = furnished();
    let file = scratch.plugins().join("ledger.wasm");
    assert_eq!(printed_by_an_operators_host(&scratch, "").await, "");
    // Replaced while the host was down.
    put(&file, &ledger("1.1.0", "1.1.0", BREAKS[3].edits));
    let told = printed_by_an_operators_host(&scratch, "").await;
    for part in
        ["not loaded: ledger.wasm: it breaks what ledger 1.0.0 offers", BREAKS[3].told, "would break reader 1.0.0"]
    {
        assert!(told.contains(part), "expected {part:?}: {told}");
    }
    assert!(!told.contains("would break counter"), "{told}");
    // The same types under a higher version are welcome, and what breaks under a version that says so.
    put(&file, &ledger("1.1.0", "1.1.0", MORE));
    assert_eq!(printed_by_an_operators_host(&scratch, "").await, "");
    put(&file, &ledger("2.0.0", "2.0.0", BREAKS[3].edits));
    assert_eq!(printed_by_an_operators_host(&scratch, "").await, "");
    // What was added has become a promise too, and going back to the version before it breaks none.
    put(&file, &ledger("1.2.0", "1.2.0", &[]));
    let told = printed_by_an_operators_host(&scratch, "").await;
    assert!(
        told.contains("it breaks what ledger 1.1.0 offers") && told.contains("ledger.total: function removed"),
        "{told}"
    );
    put(&file, &ledger("1.0.0", "1.0.0", &[]));
    assert_eq!(printed_by_an_operators_host(&scratch, "").await, "");
}

#[tokio::test]
async fn an_operator_may_let_a_break_happen() {
    let scratch = furnished();
    put(&scratch.plugins().join("next.wasm"), &ledger("1.1.0", "1.1.0", BREAKS[0].edits));
    let printed = printed_by_an_operators_host(&scratch, "").await;
    assert!(printed.contains("not loaded: next.wasm: it breaks"), "{printed}");
    assert_eq!(printed_by_an_operators_host(&scratch, "loader.breaking_changes = \"warn\"").await, "");
    let log = fs::read_to_string(scratch.log()).unwrap();
    assert!(log.contains("taken although it breaks") && log.contains("would break reader 1.0.0"), "{log}");
}
