//! A change is seen when it is told, and found when it is not.

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use serde_json::{Value, json};

use super::{NEVER, answers, asker, host_with, refused, replace, thing};
use crate::common::eventually;
use crate::loader::{component, rejected};

#[tokio::test]
async fn a_file_answers_when_it_is_complete_however_it_was_brought_and_however_rarely_the_host_looks() {
    let host = host_with(&[], NEVER).await;
    let plugins = host.scratch().plugins();
    // Renamed into place, as rsync does; then written over, as cp does.
    replace(&host, "thing.wasm", &thing("1.0.0", "1.0.0", 1));
    answers(&host, "/plugins/thing/act", 1).await;
    fs::write(plugins.join("thing.wasm"), thing("1.1.0", "1.0.0", 2)).unwrap();
    answers(&host, "/plugins/thing/act", 2).await;
    // As a link to a file elsewhere, hard or soft.
    let elsewhere = host.scratch().path("elsewhere.wasm");
    fs::write(&elsewhere, asker("hard", "1.0.0", "1.0.0")).unwrap();
    fs::hard_link(&elsewhere, plugins.join("hard.wasm")).unwrap();
    answers(&host, "/plugins/hard/ask", 2).await;
    let elsewhere = host.scratch().path("elsewhere-too.wasm");
    fs::write(&elsewhere, asker("soft", "1.0.0", "1.0.0")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, plugins.join("soft.wasm")).unwrap();
    answers(&host, "/plugins/soft/ask", 2).await;
    // Its manifest beside it, after it.
    fs::write(plugins.join("beside.wasm"), component(&[])).unwrap();
    let manifest = json!({ "id": "beside", "name": "Beside", "version": "1.0.0" });
    fs::write(plugins.join("beside.plugin.json"), manifest.to_string()).unwrap();
    eventually("the manifest beside to be taken", async || {
        host.get("/plugins/beside/info").await.status.eq(&200).then_some(())
    })
    .await;
    assert_eq!(rejected(&host).await, []);
}

#[tokio::test]
async fn a_file_written_in_pieces_and_closed_between_them_is_not_reported_and_is_taken_when_it_is_whole() {
    let host = host_with(&[], &format!("{NEVER}\nloader.settle_ms = 1")).await;
    let (path, bytes) = (host.scratch().plugins().join("thing.wasm"), thing("1.0.0", "1.0.0", 7));
    for piece in bytes.chunks(bytes.len() / 40) {
        let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.write_all(piece).unwrap();
        drop(file);
        assert_eq!(rejected(&host).await, []);
    }
    answers(&host, "/plugins/thing/act", 7).await;
    assert_eq!(rejected(&host).await, []);
}

#[tokio::test]
async fn a_file_that_somebody_writes_is_left_alone_until_it_is_closed_however_long_that_takes() {
    let host = host_with(&[], "loader.rescan_ms = 20\nloader.settle_ms = 1").await;
    let bytes = thing("1.0.0", "1.0.0", 7);
    let (begin, end) = bytes.split_at(bytes.len() / 2);
    let mut file = File::create(host.scratch().plugins().join("thing.wasm")).unwrap();
    file.write_all(begin).unwrap();
    // What is bad and closed is reported after two rescans. So there have been as many, and more.
    for number in 0..5 {
        let name = format!("bad-{number}.wasm");
        replace(&host, &name, b"garbage");
        refused(&host, &name).await;
    }
    assert_eq!(rejected(&host).await.len(), 5, "the half file is not among them");
    file.write_all(end).unwrap();
    drop(file);
    answers(&host, "/plugins/thing/act", 7).await;
}

#[tokio::test]
async fn a_file_that_was_made_and_not_written_yet_is_left_alone_until_it_is_closed() {
    let host = host_with(&[], "loader.rescan_ms = 20").await;
    let mut file = File::create(host.scratch().plugins().join("thing.wasm")).unwrap();
    // As long as somebody who is done with an empty one hears that it is.
    File::create(host.scratch().plugins().join("empty.wasm")).unwrap();
    refused(&host, "empty.wasm").await;
    for number in 0..5 {
        let name = format!("bad-{number}.wasm");
        replace(&host, &name, b"garbage");
        refused(&host, &name).await;
    }
    assert_eq!(rejected(&host).await.len(), 6, "the file that nothing was written to is not among them");
    file.write_all(&thing("1.0.0", "1.0.0", 7)).unwrap();
    drop(file);
    answers(&host, "/plugins/thing/act", 7).await;
}

#[tokio::test]
async fn with_the_watch_off_the_rescan_finds_what_is_new_replaced_and_gone() {
    let host = host_with(&[], "loader.watch = false\nloader.rescan_ms = 20").await;
    replace(&host, "thing.wasm", &thing("1.0.0", "1.0.0", 1));
    answers(&host, "/plugins/thing/act", 1).await;
    replace(&host, "thing.wasm", &thing("1.1.0", "1.0.0", 2));
    answers(&host, "/plugins/thing/act", 2).await;
    fs::remove_file(host.scratch().plugins().join("thing.wasm")).unwrap();
    eventually("it to be gone", async || host.get("/plugins/thing/act").await.status.eq(&404).then_some(())).await;
}

#[tokio::test]
async fn what_is_being_compiled_is_told_and_so_is_how_long_it_took() {
    let config = "loader.rescan_ms = 20\nloader.compile_processes = 1\nlog.filter = \"info\"";
    let host = host_with(&[], config).await;
    let plugins = host.scratch().plugins();
    replace(&host, "thing-3.wasm", b"garbage");
    refused(&host, "thing-3.wasm").await;
    for number in 0..4 {
        let name = format!("thing-{number}.wasm");
        fs::write(plugins.join(name), thing(&format!("1.{number}.0"), "1.0.0", number)).unwrap();
    }
    let told = eventually("a file is being compiled, and others wait", async || {
        let list = host.get("/api/v1/plugins").await;
        let compiling = list.json["compiling"].as_array().unwrap().clone();
        let has = |status: &str| compiling.iter().any(|file| file["status"] == status);
        assert!(list.rows().len() < 4, "all are there, and none was seen: {list:?}");
        // What was refused before is not while it is being compiled anew.
        let is_refused =
            |name: &Value| list.json["rejected"].as_array().unwrap().iter().any(|file| file["fileName"] == *name);
        assert!(!compiling.iter().any(|file| is_refused(&file["fileName"])), "{list:?}");
        (has("compiling") && has("waiting")).then_some(compiling)
    })
    .await;
    assert!(told.iter().all(|file| file["id"] == "thing" && file["since"].is_string()), "{told:?}");
    eventually("all are there", async || (host.get("/api/v1/plugins").await.rows().len() == 4).then_some(())).await;
    assert_eq!(host.get("/api/v1/plugins").await.json["compiling"], json!([]));
    let log = fs::read_to_string(host.scratch().log()).unwrap();
    assert_eq!(log.matches("compiling begins").count(), 4, "{log}");
    let added: Vec<&str> = log.lines().filter(|line| line.contains("plugin added")).collect();
    assert!(added.len() == 4 && added.iter().all(|line| line.contains("took_ms")), "{added:?}");
}
