//! Names, order and bound of snapshots.

use super::super::testing::{World, soon};
use super::*;
use crate::config::SqlConfig;

#[test]
fn an_id_is_a_moment_and_written_in_one_way() {
    for text in ["20260131-235959-123", "19700101-000000-000", "20240229-120000-007"] {
        assert_eq!(text.parse::<SnapshotId>().unwrap().to_string(), text);
    }
    let at = "20260131-235959-123".parse::<SnapshotId>().unwrap();
    assert_eq!(at.taken_at().to_string(), "2026-01-31T23:59:59.123Z");
    for text in [
        "",
        "-",
        "20260131-235959",
        "20260131-235959-1",
        "20260131-235959-1234",
        "20260131-235959--12",
        "20260131-235959-+12",
        "20260230-000000-000",
        "20260131-245959-123",
        "20260131-235959-123 ",
        " 20260131-235959-123",
        "../20260131-235959-123",
        "20260131-235959-123/..",
        "20260131-235959-123\0",
        "２0260131-235959-123",
        "*",
        "damaged",
    ] {
        assert!(text.parse::<SnapshotId>().is_err(), "{text:?}");
    }
}

#[test]
fn a_file_name_tells_what_is_in_it() {
    let id: SnapshotId = "20260131-235959-123".parse().unwrap();
    let long = Version::parse(&format!("1.0.0-{}", "x".repeat(300))).unwrap();
    for (version, read) in [
        (Some(Version::parse("1.2.3-rc.1+build-7").unwrap()), Some(Version::parse("1.2.3-rc.1+build-7").unwrap())),
        (None, None),
        (Some(long), None),
    ] {
        let name = file_name(id, 7, version.as_ref());
        assert!(name.len() < 255 && !name.contains('/'), "{name}");
        let found = parse(&name, 1).unwrap();
        assert_eq!((found.id, found.data_version, found.plugin_version), (id, 7, read), "{name}");
    }
    for name in
        ["x", ".part", "damaged.sqlite", "20260131-235959-123_7_1.0.0.sqlite.part", "20260131-235959-123.sqlite"]
    {
        assert_eq!(parse(name, 1), None, "{name}");
    }
}

#[tokio::test]
async fn so_many_are_kept_and_the_oldest_goes() {
    let world = World::with(SqlConfig { snapshots: 2, ..SqlConfig::default() });
    for minor in 1..=4 {
        world.write(&world.version(minor), &format!("by {minor}")).await.unwrap();
    }
    let kept: Vec<u32> = world.snapshots().await.iter().map(|snapshot| snapshot.data_version).collect();
    assert_eq!(kept, [3, 2], "the newest first");
    // Restoring one keeps what was there, and stays within the bound too.
    let newest = world.snapshots().await[0].id;
    world.backend.restore(&world.tenant, &world.plugin, newest, soon()).await.unwrap();
    let kept: Vec<u32> = world.snapshots().await.iter().map(|snapshot| snapshot.data_version).collect();
    assert_eq!(kept, [4, 3]);
    world.backend.snapshot_delete(&world.tenant, &world.plugin, newest).await.unwrap();
    let error = world.backend.snapshot_delete(&world.tenant, &world.plugin, newest).await.unwrap_err();
    assert!(matches!(&error, SqlError::Invalid(message) if message.contains(&newest.to_string())), "{error}");
    assert_eq!(world.snapshots().await.len(), 1);
}

#[tokio::test]
async fn files_of_others_are_passed_over_and_what_was_left_half_is_swept() {
    let world = World::new();
    world.write(&world.version(1), "one").await.unwrap();
    let directory = world.directory.path().join("tenants/acme/snapshots/notes");
    fs::create_dir_all(directory.join("20260131-235959-123_1_1.0.0.sqlite")).unwrap();
    fs::write(directory.join("20260131-235959-999_1_1.0.0.sqlite.part"), "half").unwrap();
    fs::write(directory.join("note.txt"), "mine").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", directory.join("20260131-235959-124_1_1.0.0.sqlite")).unwrap();
    assert_eq!(world.snapshots().await, []);
    world.write(&world.version(2), "two").await.unwrap();
    assert_eq!(world.snapshots().await.len(), 1);
    assert!(!world.files().iter().any(|name| name.contains(".part")), "{:?}", world.files());
    assert!(directory.join("note.txt").exists());
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = fs::read_dir(&directory).unwrap().flatten().map(|entry| entry.path());
    let file =
        file.filter(|path| path.is_file() && !path.is_symlink() && path.extension().is_some_and(|e| e == "sqlite"));
    assert_eq!(file.map(|path| mode(&path)).collect::<Vec<_>>(), [0o600]);
}

#[tokio::test]
async fn a_snapshot_taken_after_the_clock_was_set_back_is_the_newest_all_the_same() {
    let world = World::new();
    world.write(&world.version(1), "one").await.unwrap();
    world.write(&world.version(2), "two").await.unwrap();
    let directory = world.directory.path().join("tenants/acme/snapshots/notes");
    let first = fs::read_dir(&directory).unwrap().flatten().next().unwrap().path();
    fs::rename(first, directory.join("29991231-235959-999_1_1.1.0.sqlite")).unwrap();
    world.write(&world.version(3), "three").await.unwrap();
    let found: Vec<String> = world.snapshots().await.iter().map(|snapshot| snapshot.id.to_string()).collect();
    assert_eq!(found, ["30000101-000000-000", "29991231-235959-999"]);
}
