//! Versions of one plugin, one after the other and side by side, on one tenant's data.

use std::time::Duration;

use super::super::account::free;
use super::super::testing::{World, assert_unavailable, soon};
use super::*;

#[tokio::test]
async fn data_moves_forward_with_a_snapshot_of_what_was_there() {
    let world = World::new();
    let (v1, v2, v3) = (world.version(1), world.version(2), world.version(3));
    let state = world.backend.state(&world.tenant, &v2, soon()).await.unwrap();
    assert_eq!((state.version, state.by, state.pending.len(), state.readable), (0, None, 2, Ok(())));
    assert_eq!(world.files(), [""; 0], "asking made a file");

    let moved = world.backend.move_to(&world.tenant, &v1, &free(soon())).await.unwrap();
    assert_eq!(moved, Moved { from: 0, to: 1, applied: vec!["0001".into()], snapshot: None });
    world.write(&v1, "kept").await.unwrap();
    let state = world.backend.state(&world.tenant, &v3, soon()).await.unwrap();
    assert_eq!((state.version, state.by), (1, Some(Version::new(1, 1, 0))));
    assert_eq!(state.pending, ["0002", "0003"]);

    let moved = world.backend.move_to(&world.tenant, &v3, &free(soon())).await.unwrap();
    assert_eq!((moved.from, moved.to, moved.applied.len()), (1, 3, 2));
    let [snapshot] = &world.snapshots().await[..] else { panic!() };
    assert_eq!((Some(snapshot.id), snapshot.data_version), (moved.snapshot, 1));
    assert_eq!(snapshot.plugin_version, Some(Version::new(1, 1, 0)));
    assert!(snapshot.bytes >= 4096);
    assert_eq!(world.texts(&v3).await.unwrap(), ["kept"]);
    // Nothing is left to do, so nothing is kept either.
    let again = world.backend.move_to(&world.tenant, &v3, &free(soon())).await.unwrap();
    assert_eq!(again, Moved { from: 3, to: 3, ..Moved::default() });
    assert_eq!(world.snapshots().await.len(), 1);
}

#[tokio::test]
async fn a_version_that_knows_less_than_it_has_to_is_refused_at_once_and_after_a_restart() {
    let mut world = World::new();
    let (v1, v2) = (world.version(1), world.version(2));
    world.write(&v1, "old").await.unwrap();
    world.write(&v2, "new").await.unwrap();
    for _ in 0..2 {
        let says = ["version 2 since plugin version 1.2.0", "version 1.1.0 knows 1", "snapshot", "forward"];
        assert_unavailable(world.texts(&v1).await, &says);
        assert_unavailable(world.write(&v1, "wrong").await, &says);
        assert_unavailable(world.backend.move_to(&world.tenant, &v1, &free(soon())).await, &says);
        let state = world.backend.state(&world.tenant, &v1, soon()).await.unwrap();
        assert!(matches!(state.readable, Err(Unreadable::Newer { found: 2, needed: 2, known: 1, .. })), "{state:?}");
        assert_eq!(world.texts(&v2).await.unwrap(), ["old", "new"]);
        world = world.restart(SqlConfig::default());
    }
}

#[tokio::test]
async fn a_newer_version_can_let_older_ones_go_on_with_its_data() {
    let mut world = World::new();
    let (v1, v2, v3) = (world.version(1), world.version(2), world.stating(3, 0, Some(2)));
    world.write(&v2, "two").await.unwrap();
    world.write(&v3, "three").await.unwrap();
    for _ in 0..2 {
        world.write(&v2, "two again").await.unwrap();
        let back = world.backend.move_to(&world.tenant, &v2, &free(soon())).await.unwrap();
        assert_eq!(back, Moved { from: 3, to: 3, ..Moved::default() });
        let says = ["version 3 since plugin version 1.3.0", "at least data version 2", "1.1.0 knows 1"];
        assert_unavailable(world.texts(&v1).await, &says);
        world = world.restart(SqlConfig::default());
    }
    // The next one takes it back: what counts is what the last one says.
    let v4 = world.version(4);
    world.write(&v4, "four").await.unwrap();
    assert_unavailable(world.texts(&v2).await, &["version 4 since plugin version 1.4.0"]);
    assert_unavailable(world.texts(&v3).await, &["version 4 since plugin version 1.4.0"]);
}

#[tokio::test]
async fn a_later_patch_can_say_what_the_author_had_forgotten() {
    let world = World::new();
    let (v1, v2, patched) = (world.version(1), world.version(2), world.stating(2, 1, Some(1)));
    world.write(&v1, "one").await.unwrap();
    world.write(&v2, "two").await.unwrap();
    assert_unavailable(world.texts(&v1).await, &["version 2"]);
    world.write(&patched, "patched").await.unwrap();
    assert_eq!(world.texts(&v1).await.unwrap(), ["one", "two", "patched"]);
    // The earlier patch says nothing any more, and none of this was a migration.
    assert_eq!(world.texts(&v2).await.unwrap().len(), 3);
    assert_eq!(world.texts(&v1).await.unwrap().len(), 3);
    assert_eq!(world.snapshots().await.len(), 1);
}

#[tokio::test]
async fn a_migration_waits_for_calls_under_way_and_calls_wait_for_it() {
    let world = World::new();
    let (v1, v2) = (world.version(1), world.version(2));
    world.write(&v1, "one").await.unwrap();
    let call = world.call(&v1).await.unwrap();
    let too_soon = Instant::now() + Duration::from_millis(50);
    let refused = world.backend.move_to(&world.tenant, &v2, &free(too_soon)).await;
    assert_unavailable(refused, &["calls that began before"]);
    // The call has noticed nothing, and another can begin.
    world.write(&v1, "two").await.unwrap();

    let terms = free(soon());
    let moving = world.backend.move_to(&world.tenant, &v2, &terms);
    let ending = async {
        let insert = v1.check("INSERT INTO note (text) VALUES ('three')").unwrap();
        call.database.execute(&insert, vec![], &free(soon())).await.unwrap();
        drop(call);
    };
    let (moved, ()) = tokio::join!(moving, ending);
    assert_eq!(moved.unwrap().to, 2);
    assert_eq!(world.texts(&v2).await.unwrap(), ["one", "two", "three"]);
}

#[tokio::test]
async fn what_fails_leaves_the_data_and_no_snapshot() {
    let world = World::with(SqlConfig { storage_bytes: 256 << 10, ..SqlConfig::default() });
    let v1 = world.version(1);
    world.write(&v1, "one").await.unwrap();
    let first = super::super::testing::MIGRATIONS[0];
    let double = "INSERT INTO note (text) SELECT text || text FROM note";
    let full = [double; 20].join("; ");
    for (second, says) in [
        ("CREATE TABLE a (b TEXT); INSERT INTO nowhere (c) VALUES (1)", "nowhere"),
        ("INSERT INTO note (id, text) VALUES (1, 'x')", "note.id"),
        (full.as_str(), "storage: the database of this plugin is full"),
    ] {
        let bad = world.bringing(&Version::new(1, 2, 0), &[first, second], Some(1)).unwrap();
        for _ in 0..2 {
            let error = world.backend.move_to(&world.tenant, &bad, &free(soon())).await.unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            let error = world.texts(&bad).await.unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        assert_eq!(world.texts(&v1).await.unwrap(), ["one"]);
    }
    assert_eq!(world.files(), ["notes.sqlite"]);
    // A migration that the deadline stops is one that fails.
    let endless = "UPDATE note SET text = (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) \
        SELECT count(*) FROM c)";
    let slow = world.bringing(&Version::new(1, 2, 0), &[first, endless], None).unwrap();
    let deadline = Instant::now() + Duration::from_millis(100);
    assert_eq!(world.backend.move_to(&world.tenant, &slow, &free(deadline)).await.unwrap_err(), SqlError::Timeout);
    assert_eq!(world.texts(&v1).await.unwrap(), ["one"]);
    world.backend.move_to(&world.tenant, &world.version(2), &free(soon())).await.unwrap();
}

#[tokio::test]
async fn a_database_at_its_limit_can_be_migrated_and_its_snapshot_does_not_count() {
    let world = World::with(SqlConfig { storage_bytes: 1 << 20, ..SqlConfig::default() });
    let (v2, v3) = (world.version(2), world.version(3));
    let fill = "x".repeat(40_000);
    while world.write(&v2, &fill).await.is_ok() {}
    // The third migration needs a few pages.
    let call = world.call(&v2).await.unwrap();
    call.database.execute(&v2.check("DELETE FROM note WHERE id = 1").unwrap(), vec![], &free(soon())).await.unwrap();
    drop(call);
    let rows = world.texts(&v2).await.unwrap().len();
    assert!(rows > 20, "{rows}");
    let moved = world.backend.move_to(&world.tenant, &v3, &free(soon())).await.unwrap();
    assert_eq!(world.texts(&v3).await.unwrap().len(), rows);
    let [snapshot] = &world.snapshots().await[..] else { panic!() };
    assert!(snapshot.bytes > 900_000 && Some(snapshot.id) == moved.snapshot, "{snapshot:?}");
}

#[tokio::test]
async fn a_version_without_tables_is_in_nobodys_way() {
    let world = World::new();
    let (none, v2) = (world.version(0), world.version(2));
    assert_eq!(world.backend.move_to(&world.tenant, &none, &free(soon())).await.unwrap(), Moved::default());
    assert_eq!(world.files(), [""; 0]);
    world.write(&v2, "two").await.unwrap();
    let state = world.backend.state(&world.tenant, &none, soon()).await.unwrap();
    assert_eq!((state.version, state.readable), (2, Ok(())));
    let back = world.backend.move_to(&world.tenant, &none, &free(soon())).await.unwrap();
    assert_eq!((back.from, back.to, back.snapshot), (2, 2, None));
}
