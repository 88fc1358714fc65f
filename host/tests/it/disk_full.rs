//! A disk that fills up under the host: writes fail as what they are, reads go on, nothing is lost or damaged, and once
//! there is room again everything works without a restart.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;
use serde_json::json;

use crate::common::{Answer, Client, Host, Output, Process, Scratch, Tmpfs, output, rounds};

const CONTACTS: &str = "/plugins/crm/contacts";

/// A short log, so that a few contacts fill it, and writing it back meets the full disk too.
const CONFIG: &str = "log.filter = \"warn\"\nsql.log_bytes = 8388608";

/// A host whose data lie on the small disk.
async fn host_on(disk: &Tmpfs) -> Host {
    let scratch = Scratch::with_plugins(&["crm"]);
    std::os::unix::fs::symlink(disk.path(), scratch.data()).unwrap();
    let config = scratch.file("tenon.toml", CONFIG);
    Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await
}

/// A contact with as many tags as it may have, so that a few of them fill what is left.
async fn create(client: &Client, email: &str) -> Answer {
    let tags: Vec<String> = (0..50).map(|n| format!("{n:03}{}", "x".repeat(46))).collect();
    let contact = json!({
        "firstName": "Ada", "lastName": "a".repeat(100), "email": email, "company": "c".repeat(200), "tags": tags,
    });
    client.post(CONTACTS, contact).await
}

async fn emails(client: &Client) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    loop {
        let page = client.get(&format!("{CONTACTS}?skip={}&take=100", found.len())).await;
        found.extend(page.column("email").into_iter().map(str::to_owned));
        if found.len() as u64 >= page.total() {
            return found;
        }
    }
}

fn assert_sound(file: &Path) {
    let told: String = Connection::open(file)
        .and_then(|connection| connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(told, "ok", "{}", file.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_writes_alone_wherever_it_fills_up() {
    let Some(disk) = Tmpfs::mount(24) else { return };
    let host = host_on(&disk).await;
    let mut written = emails(&host).await;
    let (begun, mut refused) = (Instant::now(), 0);
    // Page by page where a transaction ends up half written, then in steps past what one takes.
    let points: Vec<u64> = rounds((0..40).chain((40..120).step_by(5)).collect(), (0..400).collect());
    for pages in &points {
        disk.fill_but(*pages);
        for number in 0.. {
            let email = format!("{pages}-{number}@example.com");
            let answer = create(&host, &email).await;
            if answer.status == 201 {
                written.insert(email);
                assert!(number < 200, "{pages} free pages took {number} contacts");
                continue;
            }
            let message = answer.message(503, "unavailable");
            assert!(message.contains("the disk of the host is full"), "{pages} free pages: {message}");
            refused += 1;
            break;
        }
        assert_eq!(host.get(CONTACTS).await.total(), written.len() as u64, "while {pages} pages were left");
        disk.free();
        let email = format!("{pages}-after@example.com");
        create(&host, &email).await.data(201);
        written.insert(email);
    }
    assert_eq!(emails(&host).await, written);
    println!(
        "{} points, {refused} writes refused, {} contacts kept, in {:.1?}",
        points.len(),
        written.len(),
        begun.elapsed()
    );
    assert!(points.len() >= 50 && refused == points.len());
    assert_sound(&disk.path().join("tenants/demo/crm.sqlite"));
    assert_sound(&disk.path().join("control.db"));
}

#[tokio::test]
async fn a_tenant_that_comes_while_the_disk_is_full_is_told_so_and_served_afterwards() {
    let Some(disk) = Tmpfs::mount(24) else { return };
    let mut host = host_on(&disk).await;
    let before = host.get(CONTACTS).await.total();
    let mut told = BTreeSet::new();
    for pages in (0..40).step_by(2) {
        disk.fill_but(pages);
        // A tenant nobody knows: a row in the control plane, then a database with its migrations.
        let answer = host.tenant(&format!("new{pages}")).get(CONTACTS).await;
        let code = answer.json["error"]["code"].as_str().unwrap_or_default().to_owned();
        match (answer.status, code.as_str()) {
            (200, _) => {}
            (503, "storage_full" | "unavailable") => {
                let message = answer.json["error"]["message"].as_str().unwrap_or_default();
                assert!(message.contains("the disk of the host is full"), "{pages} free pages: {message}");
            }
            _ => panic!("{pages} free pages: {answer:#?}"),
        }
        told.insert(code);
        assert_eq!(host.get(CONTACTS).await.total(), before);
        assert_eq!(host.get("/health/ready").await.status, 200);
        disk.free();
        assert_eq!(host.tenant(&format!("new{pages}")).get(CONTACTS).await.total(), 0);
    }
    assert!(told.contains("storage_full") && told.contains("unavailable"), "{told:?}");
    host.restart().await;
    assert_eq!(host.tenant("new0").get(CONTACTS).await.total(), 0);
    assert_sound(&disk.path().join("control.db"));
}

#[tokio::test]
async fn a_host_that_starts_on_a_full_disk_says_so_and_starts_once_there_is_room() {
    let Some(disk) = Tmpfs::mount(24) else { return };
    let host = host_on(&disk).await;
    create(&host, "kept@example.com").await.data(201);
    let scratch = Scratch::with_plugins(&["crm"]);
    drop(host);
    std::os::unix::fs::symlink(disk.path(), scratch.data()).unwrap();
    // With a few pages more it can start.
    for pages in 0..4 {
        disk.fill_but(pages);
        let mut command = scratch.serve();
        command.arg("--dev");
        let Output { status, stdout, stderr } = output(command).await;
        assert!(status == Some(1) && stdout.is_empty(), "{pages} free pages: {status:?} {stdout} {stderr}");
        assert!(stderr.contains("full") && stderr.contains("free space"), "{pages} free pages: {stderr}");
        disk.free();
    }
    let host = Host::start(scratch, &["--dev"]).await;
    assert!(emails(&host).await.contains("kept@example.com"));
}

#[tokio::test]
async fn machine_code_that_the_disk_cannot_keep_runs_all_the_same() {
    let Some(disk) = Tmpfs::mount(24) else { return };
    let host = host_on(&disk).await;
    let before = host.get(CONTACTS).await.total();
    let scratch = Scratch::with_plugins(&["crm"]);
    drop(host);
    std::fs::remove_dir_all(disk.path().join("compiled")).unwrap();
    // Room for the databases, none for the code of a plugin. The tests' own cache furnishes another directory.
    disk.fill_but(100);
    let mut command = scratch.tenon(&["serve", "--dev", "--listen", "127.0.0.1:0"]);
    command.arg("--data").arg(disk.path()).arg("--plugins").arg(scratch.plugins());
    let process = Process::start(&scratch, command).await;
    assert_eq!(Client::new(process.address()).get(CONTACTS).await.total(), before);
    let log = std::fs::read_to_string(scratch.log()).unwrap();
    assert!(log.contains("compiled code could not be kept"), "{log}");
}
