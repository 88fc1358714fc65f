//! The directory is followed while the host runs: a good file is taken when it is whole, a bad one changes
//! nothing.

use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{PATIENCE, loaded, loaded_become, looking_every, put, refused_become, rounds};
use crate::common::{Host, eventually, within};
use crate::loader::{greets, rejected, testdata};

const GREETING: &str = "/plugins/greeter/greetings/Ada";

#[tokio::test]
async fn a_file_copied_slowly_is_taken_when_it_is_whole_and_not_reported_before() {
    let host = looking_every(500, &["caller"]).await;
    let bytes = testdata("greeter-1-0");
    let mut file = fs::File::create(host.scratch().plugins().join("greeter.wasm")).unwrap();
    for (number, chunk) in bytes.chunks(bytes.len() / 150).enumerate() {
        file.write_all(chunk).unwrap();
        assert_eq!(rejected(&host).await, [], "with chunk {number}");
    }
    drop(file);
    within(PATIENCE, "the greeter to answer", async || (host.get(GREETING).await.status == 200).then_some(())).await;
    // And who waited for it has it.
    assert_eq!(*host.get("/plugins/caller/ask/Ada").await.data(200), "1.0.0 greets Ada");
    assert_eq!(rejected(&host).await, []);
}

#[tokio::test]
async fn what_is_removed_is_gone_and_what_needed_it_says_so() {
    let host = looking_every(30, &["caller", "greeter-1-0", "greeter-1-1"]).await;
    assert_eq!(*host.get("/plugins/caller/ask/Ada").await.data(200), "1.1.0 greets Ada");
    fs::remove_file(host.scratch().plugins().join("greeter-1-1.wasm")).unwrap();
    loaded_become(&host, &["caller 1.0.0", "greeter 1.0.0"]).await;
    assert_eq!(*host.get("/plugins/caller/ask/Ada").await.data(200), "1.0.0 greets Ada");
    fs::remove_file(host.scratch().plugins().join("greeter-1-0.wasm")).unwrap();
    loaded_become(&host, &["caller 1.0.0"]).await;
    host.get(GREETING).await.refusal(404, "plugin_not_found");
    host.get("/plugins/caller/ask/Ada").await.refusal(503, "plugin_inactive");
    let log = fs::read_to_string(host.scratch().log()).unwrap();
    for line in ["plugin added", "plugin removed"] {
        assert!(log.contains(line), "{line} is not in the log:\n{log}");
    }
}

#[tokio::test]
async fn a_file_is_replaced_again_and_again_without_a_failed_request() {
    let host = Arc::new(looking_every(20, &["caller"]).await);
    let file = host.scratch().plugins().join("greeter.wasm");
    let versions = [("1.0.0", testdata("greeter-1-0")), ("1.1.0", testdata("greeter-1-1"))];
    put(&file, &versions[0].1);
    loaded_become(&host, &["caller 1.0.0", "greeter 1.0.0"]).await;
    let (over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = [GREETING, "/plugins/caller/ask/Ada"]
        .into_iter()
        .map(|path| {
            let (host, over, answers) = (host.clone(), over.clone(), answers.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    host.get(path).await.data(200);
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let swaps = rounds(24, 1000);
    for swap in 1..=swaps {
        let (version, bytes) = &versions[swap % 2];
        put(&file, bytes);
        loaded_become(&host, &["caller 1.0.0", &format!("greeter {version}")]).await;
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no request failed");
    }
    println!("{} answers during {swaps} swaps", answers.load(Ordering::Relaxed));
    assert!(answers.load(Ordering::Relaxed) >= swaps, "requests ran meanwhile");
}

#[tokio::test]
async fn a_bad_file_over_a_good_one_changes_nothing_until_it_is_good_again() {
    let host = looking_every(20, &["greeter-1-0"]).await;
    let file = host.scratch().plugins().join("greeter-1-0.wasm");
    let good = testdata("greeter-1-0");
    let bad: [&[u8]; 4] = [b"garbage", b"", &good[..good.len() / 2], b"\0asm\x01\0\0\0"];
    for bytes in bad {
        put(&file, bytes);
        let reasons = refused_become(&host, &["greeter-1-0.wasm"]).await;
        assert!(!reasons[0].is_empty());
        greets(&host).await;
        assert_eq!(loaded(&host).await, ["greeter 1.0.0"]);
        // Written in place, as `cp` does.
        fs::write(&file, &good).unwrap();
        refused_become(&host, &[]).await;
        greets(&host).await;
    }
    // Not even a file any longer.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    eventually("the file to be gone or refused", async || {
        let refused = rejected(&host).await;
        (!refused.is_empty() || host.get(GREETING).await.status == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_directory_may_go_and_come_back() {
    let host = looking_every(20, &["greeter-1-0"]).await;
    let (plugins, away) = (host.scratch().plugins(), host.scratch().path("away"));
    fs::rename(&plugins, &away).unwrap();
    eventually("the log to say so", async || {
        let log = fs::read_to_string(host.scratch().log()).unwrap();
        log.contains("the plugins directory cannot be followed").then_some(())
    })
    .await;
    greets(&host).await;
    fs::rename(&away, &plugins).unwrap();
    put(&plugins.join("greeter-1-1.wasm"), &testdata("greeter-1-1"));
    loaded_become(&host, &["greeter 1.0.0", "greeter 1.1.0"]).await;
}

#[tokio::test]
async fn with_no_time_between_looks_there_is_one_look() {
    let mut host = looking_every(0, &["greeter-1-0"]).await;
    put(&host.scratch().plugins().join("greeter-1-1.wasm"), &testdata("greeter-1-1"));
    greets(&host).await;
    assert_eq!(loaded(&host).await, ["greeter 1.0.0"]);
    host.restart().await;
    assert_eq!(loaded(&host).await, ["greeter 1.0.0", "greeter 1.1.0"]);
}

#[tokio::test]
async fn machine_code_of_what_is_gone_makes_room_and_what_is_used_stays() {
    let host = Host::with_config(&["greeter-1-0"], "loader.rescan_ms = 20\nloader.cache_bytes = 1").await;
    let plugins = host.scratch().plugins();
    put(&plugins.join("greeter-1-1.wasm"), &testdata("greeter-1-1"));
    loaded_become(&host, &["greeter 1.0.0", "greeter 1.1.0"]).await;
    let entries = || fs::read_dir(host.scratch().data().join("compiled")).unwrap().count();
    assert_eq!(entries(), 2, "both are in use");
    fs::remove_file(plugins.join("greeter-1-1.wasm")).unwrap();
    loaded_become(&host, &["greeter 1.0.0"]).await;
    eventually("the other's machine code to go", async || (entries() == 1).then_some(())).await;
    greets(&host).await;
}
