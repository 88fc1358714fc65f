//! The directories of one host.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// A directory that goes with its owner: a plugins directory, a place for data, and the log.
pub struct Scratch {
    directory: TempDir,
    environment: Vec<(&'static str, &'static str)>,
}

impl Scratch {
    /// With these plugins in its plugins directory. A name is a plugin of `plugins-dist/`, in whichever
    /// version is built, one of `target/testdata/`, or a text of `plugins-src/testdata/hostile/wat/`.
    ///
    /// # Panics
    ///
    /// When a plugin is not built.
    pub fn with_plugins(names: &[&str]) -> Self {
        let scratch = Self { directory: tempfile::tempdir().unwrap(), environment: Vec::new() };
        std::fs::create_dir(scratch.plugins()).unwrap();
        for name in names {
            scratch.add_plugin(name);
        }
        scratch
    }

    /// Variables for every binary that is run in this directory.
    pub fn set_environment(&mut self, variables: &[(&'static str, &'static str)]) {
        self.environment.extend(variables);
    }

    /// Copies one more plugin into the plugins directory, and its manifest if that lies beside it.
    pub fn add_plugin(&self, name: &str) {
        copy_plugin(name, &self.plugins());
    }

    /// Copies a component that embeds no manifest under another name, with this one beside it: so one component can
    /// be several plugins.
    pub fn add_plugin_as(&self, component: &str, name: &str, manifest: &Value) {
        let file = self.plugins().join(format!("{name}.wasm"));
        std::fs::copy(built(component), &file).unwrap();
        std::fs::write(file.with_extension("plugin.json"), manifest.to_string()).unwrap();
    }

    /// Replaces a text in a component by another of the same length, so that all else stays where it is.
    pub fn rename_in_plugin(&self, name: &str, from: &str, to: &str) {
        assert_eq!(from.len(), to.len());
        let file = self.plugins().join(format!("{name}.wasm"));
        let mut bytes = std::fs::read(&file).unwrap();
        let places: Vec<_> =
            (0..=bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
        assert!(!places.is_empty(), "{from} is not in {name}");
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        std::fs::write(file, bytes).unwrap();
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
        command.envs(self.environment.iter().copied());
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
    let text = repository().join("plugins-src/testdata/hostile/wat").join(format!("{name}.wat"));
    if text.exists() {
        let binary = wat::parse_file(&text).unwrap_or_else(|error| panic!("{error}"));
        std::fs::write(directory.join(format!("{name}.wasm")), binary).unwrap();
        let manifest = format!("{name}.plugin.json");
        std::fs::copy(text.with_file_name(&manifest), directory.join(manifest)).unwrap();
        return;
    }
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
