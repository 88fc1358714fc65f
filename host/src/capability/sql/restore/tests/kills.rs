//! The process is killed at each of the moments at which something has just been done to the files.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::*;
use crate::capability::sql::Purged;

const DIRECTORY: &str = "TENON_TEST_DIRECTORY";
const WHAT: &str = "TENON_TEST_WHAT";

/// What the killed process does. It is this test program again, with this one test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the tests of this file start it"]
async fn child() {
    let world = World::at(std::env::var_os(DIRECTORY).unwrap().into());
    match std::env::var(WHAT).unwrap().as_str() {
        "migrate" => drop(world.texts(&world.version(2)).await.unwrap()),
        "purge" => drop(world.backend.purge(&world.tenant, &world.plugin).await.unwrap()),
        what => drop(world.back_to(what.parse().unwrap()).await.unwrap()),
    }
}

/// Runs [`child`] on the data of `world`, which nobody else has open. True if it was killed.
fn killed(world: &World, what: &str, moment: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "capability::sql::restore::tests::kills::child"]);
    command.env(DIRECTORY, world.directory.path()).env(WHAT, what).env("TENON_TEST_KILL_AT", moment);
    let output = command.output().unwrap();
    let killed = output.status.signal() == Some(9);
    assert!(killed || output.status.success(), "{output:?}");
    assert!(killed || String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    killed
}

#[tokio::test]
async fn a_process_killed_while_it_migrates_leaves_the_data_of_before_or_after_and_a_snapshot_of_it() {
    for (moment, committed, kept) in [
        ("snapshot: copied", false, 0),
        ("snapshot: kept", false, 1),
        ("migrate: before the commit", false, 1),
        ("migrate: after the commit", true, 1),
    ] {
        let world = World::new();
        world.write(&world.version(1), "one").await.unwrap();
        let world = world.restart(SqlConfig::default());
        assert!(killed(&world, "migrate", moment), "{moment}");
        assert_eq!(world.snapshots().await.len(), kept, "{moment}");
        let state = world.backend.state(&world.tenant, &world.version(2), soon()).await.unwrap();
        assert_eq!(state.version, if committed { 2 } else { 1 }, "{moment}");
        // It goes on from there.
        assert_eq!(world.texts(&world.version(2)).await.unwrap(), ["one"], "{moment}");
        let oldest = world.snapshots().await.last().unwrap().clone();
        assert_eq!(oldest.data_version, 1);
        world.back_to(oldest.id).await.unwrap();
        assert_eq!(world.texts(&world.version(1)).await.unwrap(), ["one"], "{moment}");
        assert!(!world.files().iter().any(|name| name.contains("part")), "{moment}: {:?}", world.files());
    }
}

#[tokio::test]
async fn a_process_killed_while_it_restores_leaves_one_database_or_the_other() {
    for (moment, restored) in [
        ("restore: staged", false),
        ("snapshot: copied", false),
        ("snapshot: kept", false),
        ("restore: closed", false),
        ("restore: exchanged", true),
    ] {
        let (world, v1, v2) = moved().await;
        let snapshot = world.snapshots().await[0].id;
        let world = world.restart(SqlConfig::default());
        assert!(killed(&world, &snapshot.to_string(), moment), "{moment}");
        let (tables, texts) = if restored { (&v1, &["one"][..]) } else { (&v2, &["one", "two"][..]) };
        assert_eq!(world.texts(tables).await.unwrap(), texts, "{moment}");
        assert!(!world.files().iter().any(|name| name.contains("restore")), "{moment}: {:?}", world.files());
        // Either way nothing is lost.
        if restored {
            let kept = world.snapshots().await[0].clone();
            assert_eq!(kept.data_version, 2);
            world.back_to(kept.id).await.unwrap();
            assert_eq!(world.texts(&v2).await.unwrap(), ["one", "two"]);
        }
        world.back_to(snapshot).await.unwrap();
        assert_eq!(world.texts(&v1).await.unwrap(), ["one"], "{moment}");
    }
}

#[tokio::test]
async fn a_process_killed_while_it_purges_leaves_nothing_in_use_and_the_next_purge_finishes() {
    for moment in ["purge: a file set aside", "purge: set aside"] {
        let (world, v1, v2) = moved().await;
        let log = world.directory.path().join("tenants/acme/notes.sqlite-wal");
        let written = fs::read(&log).unwrap();
        assert!(!written.is_empty());
        let world = world.restart(SqlConfig::default());
        // As if the host had been killed before, so that the log has notes.
        assert!(!log.exists());
        fs::write(&log, &written).unwrap();
        assert!(killed(&world, "purge", moment), "{moment}");
        assert!(!world.database().exists(), "{moment}: {:?}", world.files());
        assert_eq!(log.exists(), moment == "purge: a file set aside");
        let left = world.backend.tenants_of(&world.plugin).await.unwrap();
        assert_eq!(left, std::slice::from_ref(&world.tenant), "{moment}: it is known that something is left");
        assert_eq!(world.texts(&v1).await.unwrap(), [""; 0], "{moment}: it begins anew");
        world.write(&v2, "anew").await.unwrap();
        let purge = async || world.backend.purge(&world.tenant, &world.plugin).await.unwrap();
        assert_eq!((purge().await, purge().await), (Purged::Done, Purged::Nothing), "{moment}");
        assert_eq!(world.files(), [""; 0], "{moment}");
        assert_eq!(world.backend.tenants_of(&world.plugin).await.unwrap(), [], "{moment}");
        assert_eq!(world.texts(&v2).await.unwrap(), [""; 0], "{moment}");
    }
}
