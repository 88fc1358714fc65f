//! Data that goes with the version of its plugin: forward with a snapshot, back only if the newer version allows it.
//!
//! The newer version is the probe again, with another version in its manifest and one migration more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::loader::component;
use crate::common::{Answer, Client, Host, Scratch, Tmpfs, eventually, rounds};

const TEXTS: &str = "SELECT text FROM note ORDER BY id";
const MIGRATION: &str = "ALTER TABLE note ADD COLUMN colour TEXT; UPDATE note SET colour = 'white'";

/// Looks at the directory often, because each test puts files there.
const QUICK: &str = "log.filter = \"error\"\nloader.rescan_ms = 50\nlifecycle.flush_ms = 50\nlifecycle.retry_ms = 50";

async fn run(client: &Client, how: &str, statement: &str, parameters: &[&str]) -> Answer {
    client.post(&format!("/plugins/probe/{how}"), json!({ "statement": statement, "parameters": parameters })).await
}

async fn write(client: &Client, text: &str) -> Answer {
    run(client, "execute", "INSERT INTO note (text) VALUES ($1)", &[text]).await
}

async fn texts(client: &Client) -> Value {
    run(client, "query", TEXTS, &[]).await.data(200).clone()
}

/// Why no version could be brought to the tenant.
#[track_caller]
fn unavailable(answer: &Answer) -> &str {
    answer.message(503, "plugin_inactive")
}

/// Puts version 1.1.0 beside 1.0.0. `data` is what its manifest says of its tables.
fn add_newer(scratch: &Scratch, data: &str) {
    let mut bytes = std::fs::read(scratch.plugins().join("probe.wasm")).unwrap();
    let description = "\"description\": \"Does what plugins should not, and tells what a plugin sees of the host.\"";
    let version = "\"name\": \"Probe\",\n  \"version\": \"1.0.0\"";
    let data = format!("\"data\": {data:<width$}", width = description.len() - "\"data\": ".len());
    for (from, to) in [(version, version.replace("1.0.0", "1.1.0")), (description, data)] {
        let is_there = |place: &usize| bytes[*place..].starts_with(from.as_bytes());
        let places: Vec<usize> = (0..bytes.len()).filter(is_there).collect();
        assert!(!places.is_empty(), "the probe's manifest has no {from}");
        for place in places {
            bytes[place..place + from.len()].copy_from_slice(to.as_bytes());
        }
    }
    // Behind the header of a component of its own, which the probe has already.
    bytes.extend(&component(&[("tenon:migration:0002_colour", MIGRATION)])[8..]);
    let hidden = scratch.plugins().join(".probe-newer.wasm");
    std::fs::write(&hidden, bytes).unwrap();
    std::fs::rename(hidden, newer(scratch)).unwrap();
}

fn newer(scratch: &Scratch) -> PathBuf {
    scratch.plugins().join("probe-newer.wasm")
}

async fn answers(client: &Client, version: &str) {
    eventually(version, async || {
        let info = client.get("/plugins/probe/info").await;
        (info.json["data"]["version"] == version).then_some(())
    })
    .await;
}

/// The names of a tenant's snapshots of the probe, the oldest first.
fn snapshots(data: &Path, tenant: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(data.join("tenants").join(tenant).join("snapshots/probe"));
    entries.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn an_older_version_is_refused_the_newer_ones_data_without_a_restart_and_after_one() {
    let mut host = Host::with_config(&["probe"], QUICK).await;
    write(&host, "one").await.data(200);
    write(&host.tenant("other"), "theirs").await.data(200);
    add_newer(host.scratch(), r#"{ "compatibleFrom": 2 }"#);
    answers(&host, "1.1.0").await;
    let colours = run(&host, "query", "SELECT colour FROM note", &[]).await;
    assert_eq!(*colours.data(200), json!([["white"]]));
    let kept = snapshots(&host.scratch().data(), "demo");
    assert_eq!(kept.len(), 1, "{kept:?}");
    let name = kept.first().unwrap();
    assert!(name.ends_with("_1_1.0.0.sqlite"), "{name}");
    // What is kept is what was there.
    let file = host.scratch().data().join("tenants/demo/snapshots/probe").join(name);
    let text: String = Connection::open(file).unwrap().query_row(TEXTS, [], |row| row.get(0)).unwrap();
    assert_eq!(text, "one");

    std::fs::remove_file(newer(host.scratch())).unwrap();
    answers(&host, "1.0.0").await;
    for _ in 0..2 {
        let refused = run(&host, "query", TEXTS, &[]).await;
        let told = unavailable(&refused);
        assert!(told.contains("version 2 since plugin version 1.1.0") && told.contains("snapshot"), "{told}");
        unavailable(&write(&host, "wrong").await);
        // A tenant that has not moved goes on.
        assert_eq!(texts(&host.tenant("other")).await, json!([["theirs"]]));
        host.restart().await;
    }
    add_newer(host.scratch(), r#"{ "compatibleFrom": 2 }"#);
    answers(&host, "1.1.0").await;
    assert_eq!(texts(&host).await, json!([["one"]]));
}

#[tokio::test]
async fn an_older_version_goes_on_where_the_newer_one_allows_it() {
    let mut host = Host::with_config(&["probe"], QUICK).await;
    write(&host, "one").await.data(200);
    add_newer(host.scratch(), r#"{ "compatibleFrom": 1 }"#);
    answers(&host, "1.1.0").await;
    write(&host, "two").await.data(200);
    std::fs::remove_file(newer(host.scratch())).unwrap();
    answers(&host, "1.0.0").await;
    write(&host, "three").await.data(200);
    host.restart().await;
    assert_eq!(texts(&host).await, json!([["one"], ["two"], ["three"]]));
}

#[tokio::test]
async fn what_a_manifest_says_of_migrations_that_are_not_there_is_refused() {
    let host = Host::with_config(&["probe"], QUICK).await;
    add_newer(host.scratch(), r#"{ "compatibleFrom": 3 }"#);
    let reason = eventually("the file to be refused", async || {
        let plugins = host.get("/api/v1/plugins").await;
        plugins.json["rejected"][0]["reason"].as_str().map(str::to_owned)
    });
    let reason = reason.await;
    assert!(reason.contains("$.data.compatibleFrom: found 3; expected at most 2"), "{reason}");
}

#[tokio::test]
async fn a_migration_without_room_for_its_snapshot_is_refused_and_works_once_there_is_room() {
    let Some(disk) = Tmpfs::mount(24) else { return };
    let scratch = Scratch::with_plugins(&["probe"]);
    std::os::unix::fs::symlink(disk.path(), scratch.data()).unwrap();
    let config = scratch.file("tenon.toml", QUICK);
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    for number in 0..20 {
        write(&host, &format!("{number}{}", "x".repeat(200_000))).await.data(200);
    }
    add_newer(host.scratch(), r#"{ "compatibleFrom": 2 }"#);
    answers(&host, "1.1.0").await;
    // Room for the migration, and for a part of the 4 MB that a snapshot takes.
    for pages in [100, 500, 900] {
        disk.fill_but(pages);
        // The version before goes on, with all it has.
        eventually("it is tried, and refused", async || {
            let count = run(&host, "query", "SELECT count(text) FROM note", &[]).await;
            assert_eq!(*count.data(200), json!([["20"]]), "{pages} pages");
            let plugins = host.get("/api/v1/plugins").await;
            let newer = plugins.rows().iter().find(|plugin| plugin["version"] == "1.1.0").unwrap().clone();
            let reason = newer["reason"].as_str().unwrap_or_default();
            // Nothing is wrong with the version.
            (newer["status"] == "inactive" && reason.contains("the disk of the host is full")).then_some(())
        })
        .await;
        assert_eq!(snapshots(disk.path(), "demo"), BTreeSet::new(), "{pages} pages");
        disk.free();
    }
    // Tried again by itself, because the plugin was not to blame.
    eventually("there is room again", async || {
        let count = run(&host, "query", "SELECT count(colour) FROM note", &[]).await;
        (count.json["data"] == json!([["20"]])).then_some(())
    })
    .await;
    assert_eq!(snapshots(disk.path(), "demo").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_killed_while_tenants_migrate_has_lost_nothing_and_migrates_once() {
    let begun = Instant::now();
    let (kills, tenants) = (rounds(5_u32, 100), 6);
    let mut host = Host::with_config(&["probe"], QUICK).await;
    let mut half = 0;
    for round in 0..kills {
        let tenant = |number: u32| format!("t{round}-{number}");
        for number in 0..tenants {
            write(&host.tenant(&tenant(number)), "one").await.data(200);
        }
        add_newer(host.scratch(), r#"{ "compatibleFrom": 2 }"#);
        answers(&host, "1.1.0").await;
        let calls: Vec<_> = (0..tenants)
            .map(|number| {
                let client = host.tenant(&tenant(number));
                let body = json!({ "statement": TEXTS, "parameters": [] });
                tokio::spawn(client.request(reqwest::Method::POST, "/plugins/probe/query").json(&body).send())
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(u64::from(round % 5 * 7))).await;
        host.process().kill();
        for call in calls {
            let _ = call.await.unwrap();
        }
        let data = host.scratch().data();
        half += (0..tenants).filter(|number| snapshots(&data, &tenant(*number)).is_empty()).count();
        host.start_again().await;
        for number in 0..tenants {
            let client = host.tenant(&tenant(number));
            let colours = run(&client, "query", "SELECT text, colour FROM note", &[]).await;
            assert_eq!(*colours.data(200), json!([["one", "white"]]), "{}", tenant(number));
            // One more only if it was killed between the snapshot and the commit. A part is swept with the next one.
            let kept = snapshots(&data, &tenant(number));
            let whole: Vec<_> = kept.iter().filter(|name| name.ends_with("_1_1.0.0.sqlite")).collect();
            assert!(matches!(whole.len(), 1 | 2), "{kept:?}");
        }
        std::fs::remove_file(newer(host.scratch())).unwrap();
        answers(&host, "1.0.0").await;
    }
    println!("{kills} kills, {half} of {} tenants not migrated then, in {:.1?}", kills * tenants, begun.elapsed());
}
