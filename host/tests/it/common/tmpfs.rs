//! A disk of a few mebibytes, to be filled.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const PAGE_BYTES: u64 = 4096;

/// A file system in memory, mounted for one test and unmounted with its owner. A limit on file sizes would not be the
/// same: what fails there is one file's growth, here it is every write.
pub struct Tmpfs {
    directory: TempDir,
}

impl Tmpfs {
    /// `None`, said aloud, where this user may not mount. Under CI that is a failure.
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { directory }),
            refused => {
                let why = format!("a tmpfs cannot be mounted, which takes root: {refused:?}");
                assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
                eprintln!("skipped: {why}");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Fills the disk but for this many pages of 4 KiB.
    pub fn fill_but(&self, pages: u64) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.ballast()).unwrap();
        let some = [7; PAGE_BYTES as usize];
        while file.write_all(&some).is_ok() {}
        let bytes = file.metadata().unwrap().len() / PAGE_BYTES * PAGE_BYTES;
        file.set_len(bytes.checked_sub(pages * PAGE_BYTES).expect("the disk is smaller than that")).unwrap();
    }

    /// Takes the ballast away.
    pub fn free(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still have files open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
