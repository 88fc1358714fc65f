//! `tenon deferred`: writes the deferred view of a service's interface.
//!
//! Invariant: the view says the same as the interface, function by function and type by type, so that the
//! host can serve it from the plain interface alone. It is generated and checked in; [`check`] tells when
//! the two have drifted apart. Only plain interfaces have a view: a resource, stream or future belongs to
//! one store and cannot cross to the task that runs the call.

mod load;
mod render;

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The end of every generated file's name. Files named so are never read as sources.
const SUFFIX: &str = "-deferred.wit";

/// Write the deferred view of each service interface in a WIT package.
///
/// Beside the functions of a service stands a view of them whose calls are started now and answered later,
/// so that a plugin can have several under way. It is generated from the interface and checked in with it.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon deferred wit/crm-deals                     write wit/crm-deals/deals-deferred.wit\n  \
    tenon deferred --check wit/crm-deals             fail when that file is not what deals.wit says")]
pub(super) struct Deferred {
    /// Directories of WIT packages.
    #[arg(required = true, value_name = "DIR")]
    packages: Vec<PathBuf>,
    /// Write nothing; fail when a file is missing or differs.
    #[arg(long)]
    check: bool,
}

impl Deferred {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if !self.check {
            for package in &self.packages {
                for file in write(package)? {
                    super::output::print(&format!("wrote {}", file.display()))?;
                }
            }
            return Ok(());
        }
        let mut drifts = Vec::new();
        for package in &self.packages {
            drifts.extend(check(package)?.iter().map(Drift::to_string));
        }
        anyhow::ensure!(drifts.is_empty(), "{}", drifts.join("\n"));
        Ok(())
    }
}

/// Why no view could be made.
#[derive(Debug, Error)]
pub enum DeferredError {
    /// A file or directory could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// There is nothing to read.
    #[error("{} holds no .wit file; name the directory of a WIT package, as wit/crm-deals", dir.display())]
    Empty { dir: PathBuf },
    /// The sources are not valid WIT. The text shows the place.
    #[error("the WIT in {} cannot be read: {problem}", dir.display())]
    Wit { dir: PathBuf, problem: String },
    /// The package has no interface to make a view of.
    #[error("{} has no interface whose calls can be deferred: {}", dir.display(), reasons(passed_over))]
    NothingToDefer { dir: PathBuf, passed_over: Vec<String> },
    /// The view needs a name that the package has given away.
    #[error("`{interface}` in {file}: {what}, but the deferred view needs that name {need}; rename it")]
    NameTaken { interface: String, file: String, what: String, need: String },
}

fn reasons(passed_over: &[String]) -> String {
    if passed_over.is_empty() { "it has no interfaces".to_owned() } else { passed_over.join("; ") }
}

/// How a file on disk differs from what would be generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// The view has never been written.
    Missing(PathBuf),
    /// The interface has changed since, or the file was edited.
    Changed(PathBuf),
    /// The interface it was made from is gone.
    Leftover(PathBuf),
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(file) => write!(f, "{} is missing; run `tenon deferred`", file.display()),
            Self::Changed(file) => {
                write!(f, "{} is not what its source says; run `tenon deferred`", file.display())
            }
            Self::Leftover(file) => write!(f, "{} has no interface behind it any more; remove it", file.display()),
        }
    }
}

/// Makes the deferred view of every plain interface that has functions: the name of each file and its text.
///
/// Packages that the sources use are looked for in `deps` and beside the directory.
///
/// # Errors
///
/// The sources cannot be read or parsed, a name that a view needs is taken, or no interface has a view.
pub fn generate(wit_dir: &Path) -> Result<Vec<(String, String)>, DeferredError> {
    let (resolve, package) = load::package(wit_dir)?;
    let mut files = Vec::new();
    let mut passed_over = Vec::new();
    for (name, id) in &resolve.packages[package].interfaces {
        match render::view(&resolve, *id, name)? {
            render::View::Text(text) => files.push((format!("{name}{SUFFIX}"), text)),
            render::View::None { why } => passed_over.push(format!("`{name}` {why}")),
        }
    }
    if files.is_empty() {
        return Err(DeferredError::NothingToDefer { dir: wit_dir.to_owned(), passed_over });
    }
    Ok(files)
}

/// Writes what [`generate`] makes beside its sources and gives the files that were not already so.
///
/// # Errors
///
/// As [`generate`], or a file cannot be written.
pub fn write(wit_dir: &Path) -> Result<Vec<PathBuf>, DeferredError> {
    let mut written = Vec::new();
    for (name, text) in generate(wit_dir)? {
        let path = wit_dir.join(name);
        if on_disk(&path)?.as_deref() != Some(text.as_str()) {
            std::fs::write(&path, text).map_err(|source| io("write", &path, source))?;
            written.push(path);
        }
    }
    Ok(written)
}

/// Compares the files on disk with what [`generate`] makes. Empty when they are the same.
///
/// # Errors
///
/// As [`generate`], or a file cannot be read.
pub fn check(wit_dir: &Path) -> Result<Vec<Drift>, DeferredError> {
    let generated = generate(wit_dir)?;
    let mut drifts = Vec::new();
    for (name, text) in &generated {
        let path = wit_dir.join(name);
        match on_disk(&path)? {
            None => drifts.push(Drift::Missing(path)),
            Some(found) if found != *text => drifts.push(Drift::Changed(path)),
            Some(_) => {}
        }
    }
    for path in load::wit_files(wit_dir)? {
        let name = load::file_name(&path);
        if name.ends_with(SUFFIX) && !generated.iter().any(|(known, _)| known == name) {
            drifts.push(Drift::Leftover(path));
        }
    }
    Ok(drifts)
}

fn on_disk(path: &Path) -> Result<Option<String>, DeferredError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io("read", path, source)),
    }
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> DeferredError {
    DeferredError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
