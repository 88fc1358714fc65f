//! Restoring under use, under attack, and with the process killed in the middle of it.

mod disk;
mod kills;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::super::account::free;
use super::super::testing::{World, assert_unavailable, soon};
use super::*;
use crate::capability::sql::PluginTables;

impl World {
    async fn back_to(&self, id: SnapshotId) -> Result<Restored, SqlError> {
        self.backend.restore(&self.tenant, &self.plugin, id, soon()).await
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("tenants/acme/notes.sqlite")
    }

    fn snapshot_file(&self, snapshot: &Snapshot) -> PathBuf {
        let version = snapshot.plugin_version.as_ref().unwrap();
        let name = format!("{}_{}_{version}.sqlite", snapshot.id, snapshot.data_version);
        self.directory.path().join("tenants/acme/snapshots/notes").join(name)
    }
}

/// Notes of version 1, then of version 2; so there is one snapshot, with the first.
async fn moved() -> (World, PluginTables, PluginTables) {
    let world = World::new();
    let (v1, v2) = (world.version(1), world.version(2));
    world.write(&v1, "one").await.unwrap();
    world.write(&v2, "two").await.unwrap();
    (world, v1, v2)
}

#[tokio::test]
async fn events_of_a_snapshot_are_not_published_again_and_none_that_waits_is_lost() {
    const PUBLISH: &str = "INSERT INTO _tenon_outbox (id, topic, data, at_us, correlation_id, hops) \
        VALUES ('e', 'note.written', '{}', 0, 'c', 1)";
    let world = World::new();
    let (v1, v2) = (world.version(1), world.version(2));
    let events = async || {
        let database = world.backend.visit(&world.tenant, &world.plugin, soon()).await.unwrap().unwrap();
        database.query("SELECT id FROM _tenon_outbox", Vec::new()).await.unwrap().rows.len()
    };
    world.write(&v1, "one").await.unwrap();
    let database = world.backend.visit(&world.tenant, &world.plugin, soon()).await.unwrap().unwrap();
    database.execute(PUBLISH, Vec::new()).await.unwrap();
    drop(database);
    world.write(&v2, "two").await.unwrap();
    let snapshot = world.snapshots().await[0].id;
    let in_vain = Instant::now() + Duration::from_millis(100);
    let refused = world.backend.restore(&world.tenant, &world.plugin, snapshot, in_vain).await;
    assert_unavailable(refused, &["events", "on their way"]);
    assert_eq!((events().await, world.texts(&v2).await.unwrap().len()), (1, 2));
    // Somebody takes it on while the restore waits for that.
    let taken = async {
        let database = world.backend.visit(&world.tenant, &world.plugin, soon()).await.unwrap().unwrap();
        database.execute("DELETE FROM _tenon_outbox", Vec::new()).await.unwrap();
    };
    let (restored, ()) = tokio::join!(world.back_to(snapshot), taken);
    restored.unwrap();
    assert_eq!((events().await, world.texts(&v1).await.unwrap().len()), (0, 1));
}

#[tokio::test]
async fn going_back_and_forth_loses_nothing() {
    let (world, v1, v2) = moved().await;
    let first = world.snapshots().await[0].clone();
    let restored = world.back_to(first.id).await.unwrap();
    assert_eq!(restored.snapshot, first);
    assert_eq!(world.texts(&v1).await.unwrap(), ["one"]);
    // The older version works with it, and what was there can be had again.
    world.write(&v1, "one again").await.unwrap();
    let kept = restored.kept.unwrap();
    let found = world.snapshots().await;
    assert_eq!(
        found.iter().map(|snapshot| (snapshot.id, snapshot.data_version)).collect::<Vec<_>>(),
        [(kept, 2), (first.id, 1)]
    );
    assert_eq!(found[0].plugin_version.as_ref().unwrap().to_string(), "1.2.0");
    let forth = world.back_to(kept).await.unwrap();
    assert_eq!(world.texts(&v2).await.unwrap(), ["one", "two"]);
    world.back_to(forth.kept.unwrap()).await.unwrap();
    assert_eq!(world.texts(&v1).await.unwrap(), ["one", "one again"]);
    assert!(!world.files().iter().any(|name| name.contains("restore") || name.contains("part")), "{:?}", world.files());
    // And it survives a restart like anything else.
    let world = world.restart(SqlConfig::default());
    assert_eq!(world.texts(&v1).await.unwrap(), ["one", "one again"]);
}

#[tokio::test]
async fn what_cannot_be_restored_changes_nothing() {
    let (world, _, v2) = moved().await;
    let snapshot = world.snapshots().await[0].clone();
    let other: SnapshotId = "20260131-235959-123".parse().unwrap();
    let error = world.back_to(other).await.unwrap_err();
    assert!(matches!(&error, SqlError::Invalid(message) if message.contains("20260131-235959-123")), "{error}");
    let file = world.snapshot_file(&snapshot);
    let whole = fs::read(&file).unwrap();
    let mut torn = whole.clone();
    torn[4096..4196].fill(0xff);
    for damaged in [&b""[..], b"no database", &whole[..whole.len() / 2], &torn] {
        fs::write(&file, damaged).unwrap();
        let told = world.back_to(snapshot.id).await;
        // To SQLite an empty file is an empty database; but no snapshot is.
        assert_unavailable(told, &["the snapshot is damaged"]);
        assert_eq!(world.texts(&v2).await.unwrap(), ["one", "two"]);
        assert_eq!(world.snapshots().await.len(), 1);
        assert!(!world.files().iter().any(|name| name.contains("restore")), "{:?}", world.files());
    }
    fs::write(&file, whole).unwrap();
    world.back_to(snapshot.id).await.unwrap();
}

#[tokio::test]
async fn a_damaged_database_can_be_replaced_and_is_kept_as_it_is() {
    let (world, v1, v2) = moved().await;
    let snapshot = world.snapshots().await[0].clone();
    let world = world.restart(SqlConfig::default());
    fs::write(world.database(), b"damaged".repeat(2000)).unwrap();
    assert_unavailable(world.texts(&v2).await, &["damaged"]);
    let restored = world.back_to(snapshot.id).await.unwrap();
    assert_eq!(restored.kept, None);
    assert_eq!(world.texts(&v1).await.unwrap(), ["one"]);
    let kept = world.directory.path().join("tenants/acme/snapshots/notes/damaged.sqlite");
    assert_eq!(fs::read(kept).unwrap(), b"damaged".repeat(2000));
}

#[tokio::test]
async fn a_call_that_does_not_end_is_waited_for_until_the_deadline() {
    let (world, v1, v2) = moved().await;
    let snapshot = world.snapshots().await[0].id;
    let call = world.call(&v2).await.unwrap();
    let transaction = call.database.begin(&free(soon())).await.unwrap();
    let deadline = Instant::now() + Duration::from_millis(50);
    let refused = world.backend.restore(&world.tenant, &world.plugin, snapshot, deadline).await;
    assert_unavailable(refused, &["calls that began before"]);
    transaction.rollback().await;
    drop(call);
    world.back_to(snapshot).await.unwrap();
    assert_eq!(world.texts(&v1).await.unwrap(), ["one"]);
}

#[tokio::test]
async fn a_database_that_another_program_has_open_is_left_alone() {
    let (world, v1, v2) = moved().await;
    let snapshot = world.snapshots().await[0].id;
    let other = rusqlite::Connection::open(world.database()).unwrap();
    let count: u32 = other.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 2);
    for _ in 0..3 {
        let deadline = Instant::now() + Duration::from_millis(500);
        let refused = world.backend.restore(&world.tenant, &world.plugin, snapshot, deadline).await;
        assert_unavailable(refused, &["perhaps by another program"]);
        assert_eq!(world.texts(&v2).await.unwrap(), ["one", "two"]);
        assert_eq!(world.snapshots().await.len(), 1, "an attempt that fails leaves nothing");
    }
    drop(other);
    world.back_to(snapshot).await.unwrap();
    assert_eq!(world.texts(&v1).await.unwrap(), ["one"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_come_meanwhile_wait_and_see_one_or_the_other() {
    let (world, v1, _) = moved().await;
    let patched = world.stating(2, 1, Some(1));
    world.write(&patched, "three").await.unwrap();
    // From here on both versions work with whatever is there; the newer one migrates it when it has to.
    let (world, v1, v2) = (Arc::new(world), Arc::new(v1), Arc::new(patched));
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..6)
        .map(|client| {
            let (world, stop, calls) = (world.clone(), stop.clone(), calls.clone());
            let tables = if client % 2 == 0 { v1.clone() } else { v2.clone() };
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let call = world.call(&tables).await.unwrap();
                    // Within one call, the rows stay those of one database whoever restores.
                    let read = tables.check("SELECT count(*) FROM note").unwrap();
                    let first = call.database.query(&read, vec![], &free(soon())).await.unwrap();
                    tokio::task::yield_now().await;
                    assert_eq!(call.database.query(&read, vec![], &free(soon())).await.unwrap(), first);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let begun = Instant::now();
    let mut restored = 0;
    while restored < 20 || calls.load(Ordering::Relaxed) < 200 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{restored} restored, {calls:?} calls");
        // The newest, then the one before; a migration may add one meanwhile.
        let found = world.snapshots().await;
        assert!(found.len() <= 3);
        world.back_to(found[restored % 2 % found.len()].id).await.unwrap();
        restored += 1;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_restored_log_never_reaches_the_snapshot() {
    let (world, v1, v2) = moved().await;
    let snapshot = world.snapshots().await[0].id;
    // What the writer has just written stands in the log alone.
    for number in 0..50 {
        world.write(&v2, &format!("late {number}")).await.unwrap();
    }
    let log = with_suffix(&world.database(), "-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    let kept = world.back_to(snapshot).await.unwrap().kept.unwrap();
    assert!(!log.exists());
    assert_eq!(world.texts(&v1).await.unwrap(), ["one"]);
    world.back_to(kept).await.unwrap();
    assert_eq!(world.texts(&v2).await.unwrap().len(), 52);
}
