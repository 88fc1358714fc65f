//! The directories of one host.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A directory that goes with its owner: a plugins directory, a place for data, and the log.
pub struct Scratch {
    directory: TempDir,
}

impl Scratch {
    /// With these plugins in its plugins directory. A name is a plugin of `plugins-dist/`, in whichever
    /// version is built, or one of `target/testdata/`.
    ///
    /// # Panics
    ///
    /// When a plugin is not built.
    pub fn with_plugins(names: &[&str]) -> Self {
        let scratch = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(scratch.plugins()).unwrap();
        for name in names {
            scratch.add_plugin(name);
        }
        scratch
    }

    /// Copies one more plugin into the plugins directory, and its manifest if that lies beside it.
    pub fn add_plugin(&self, name: &str) {
        copy_plugin(name, &self.plugins());
    }

    /// Another plugins directory beside the first.
    pub fn plugins_directory(&self, directory: &str, names: &[&str]) -> PathBuf {
        let directory = self.path(directory);
        std::fs::create_dir(&directory).unwrap();
        for name in names {
            copy_plugin(name, &directory);
        }
        directory
    }

    pub fn plugins(&self) -> PathBuf {
        self.path("plugins")
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// What the hosts of this directory wrote to standard error, all of them one after the other.
    pub fn log(&self) -> PathBuf {
        self.path("host.log")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The binary, to be run in this directory without what the developer's environment says of Tenon.
    pub fn tenon(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenon"));
        command.args(args).current_dir(self.directory.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TENON_")) {
            command.env_remove(name);
        }
        command
    }

    /// `serve` on a free port with these directories. Further arguments come after.
    pub fn serve(&self) -> Command {
        let mut command = self.tenon(&["serve", "--listen", "127.0.0.1:0"]);
        let directories = [OsString::from("--plugins"), self.plugins().into(), "--data".into(), self.data().into()];
        command.args(directories);
        command
    }
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn copy_plugin(name: &str, directory: &Path) {
    let file = built(name);
    for file in [file.with_extension("plugin.json"), file] {
        if file.exists() {
            // Copied, not linked: what a test does to its file must not reach the one that was built.
            std::fs::copy(&file, directory.join(file.file_name().unwrap())).unwrap();
        }
    }
}

fn built(name: &str) -> PathBuf {
    let versions = std::fs::read_dir(repository().join("plugins-dist")).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = versions.map(|entry| entry.path()).filter(|path| is_of(path, name)).collect();
    files.sort();
    let testdata = repository().join("target/testdata").join(format!("{name}.wasm"));
    files.pop().or_else(|| testdata.exists().then_some(testdata)).unwrap_or_else(|| {
        panic!("no {name}.wasm in plugins-dist/ or target/testdata/: run `cargo just test` (it builds the plugins)")
    })
}

/// `crm-1.0.0.wasm` is of `crm`; `crm-double-1.0.0.wasm` is not.
fn is_of(path: &Path, plugin: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let version = name.strip_prefix(plugin).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".wasm"));
    version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}
