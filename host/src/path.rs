//! Names of files.

use std::path::{Path, PathBuf};

/// The file beside this one that has its name with an ending behind it, as SQLite's log (`-wal`).
pub fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_comes_behind_those_that_there_are() {
        assert_eq!(beside(Path::new("a/b.c"), "-wal"), Path::new("a/b.c-wal"));
        assert_eq!(beside(Path::new("key"), ".pub"), Path::new("key.pub"));
    }
}
