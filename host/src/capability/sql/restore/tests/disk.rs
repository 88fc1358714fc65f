//! Restoring on a disk that has no room for it.

use std::io::Write;
use std::process::Command;

use super::*;

const PAGE: u64 = 4096;

/// A small file system in memory, where this user may mount one.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(directory.path()).status();
        match mounted {
            Ok(status) if status.success() => Some(Disk(directory)),
            refused => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "a tmpfs cannot be mounted: {refused:?}");
                eprintln!("skipped: a tmpfs cannot be mounted, which takes root: {refused:?}");
                None
            }
        }
    }

    fn fill_but(&self, pages: u64) {
        let mut file = fs::File::create(self.0.path().join("ballast")).unwrap();
        while file.write_all(&[7; PAGE as usize]).is_ok() {}
        let length = file.metadata().unwrap().len() / PAGE * PAGE;
        file.set_len(length - pages * PAGE).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.0.path().join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_stops_a_restore_wherever_it_fills_up_and_nothing_is_changed() {
    let Some(disk) = Disk::mount() else { return };
    let world = World::at(disk.0.path().to_owned());
    let (v1, v2) = (world.version(1), world.version(2));
    for _ in 0..50 {
        world.write(&v1, &"x".repeat(40_000)).await.unwrap();
    }
    world.write(&v2, "late").await.unwrap();
    let snapshot = world.snapshots().await[0].clone();
    let pages = snapshot.bytes / PAGE;
    let before = world.files();
    // Copying the snapshot takes so many, and keeping what is there as many again.
    for left in [0, pages / 2, pages - 1, pages + pages / 2] {
        disk.fill_but(left);
        assert_unavailable(world.back_to(snapshot.id).await, &["the disk of the host is full"]);
        assert_eq!(world.texts(&v2).await.unwrap().len(), 51, "{left} pages left");
        disk.free();
        assert_eq!(world.files(), before, "{left} pages left");
    }
    world.back_to(snapshot.id).await.unwrap();
    assert_eq!(world.texts(&v1).await.unwrap().len(), 50);
    assert_eq!(world.snapshots().await.len(), 2);
}
