//! The end of a plugin's database.
//!
//! Nobody opens a database while it is set aside: the lock on what is open is held from the look at who uses it until
//! its files have other names. So a log never stays beside a database that is made anew. Deleting may take long, and
//! every tenant's first statement needs that lock, so it comes after. What a crash leaves set aside goes with the next
//! purge.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::Databases;
use crate::fault;

/// Where copies of databases are kept, beside them.
const SNAPSHOTS: &str = "snapshots";

/// Follows the database's name where something waits to be deleted. No host makes other names with it.
const ASIDE: &str = ".purged-";

/// What became of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// There was none.
    Nothing,
    Done,
    /// A call uses it.
    InUse,
}

impl Databases {
    /// Closes and deletes a database. Blocks.
    ///
    /// # Errors
    ///
    /// When a file cannot be removed.
    pub(in crate::capability::sql) fn purge(&self, tenant: &str, plugin: &str) -> io::Result<Purged> {
        let directory = self.root.join("tenants").join(tenant);
        let Some(aside) = self.set_aside(tenant, plugin, &directory)? else { return Ok(Purged::InUse) };
        fault::moment("purge: set aside");
        for path in &aside {
            delete(path, plugin)?;
        }
        // It stays while other plugins have some.
        _ = fs::remove_dir(directory.join(SNAPSHOTS));
        Ok(if aside.is_empty() { Purged::Nothing } else { Purged::Done })
    }

    /// Closes a database and gives all that belongs to it names that nobody opens: what is to be deleted. None if a
    /// call uses it.
    fn set_aside(&self, tenant: &str, plugin: &str, directory: &Path) -> io::Result<Option<Vec<PathBuf>>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slots) = open.tenants.get_mut(tenant) {
            match slots.get(plugin) {
                Some(slot) if !slot.place.is_idle() => return Ok(None),
                Some(_) => {
                    // Here, as closing it removes its log by its name.
                    drop(slots.remove(plugin));
                    open.count -= 1;
                }
                None => {}
            }
        }
        let mut aside = Vec::new();
        for entry in beside(directory, plugin)? {
            let is_aside = is_aside(&entry.file_name(), plugin);
            // No directory is a database's. It stays, and deleting it fails and names it.
            if is_aside || entry.file_type()?.is_dir() {
                aside.push(entry.path());
            } else {
                aside.extend(rename(&entry.path(), directory, plugin)?);
                fault::moment("purge: a file set aside");
            }
        }
        aside.extend(rename(&directory.join(SNAPSHOTS).join(plugin), directory, plugin)?);
        Ok(Some(aside))
    }

    /// The tenants that have a database of a plugin, or something that is left of one. Blocks.
    ///
    /// # Errors
    ///
    /// When a directory cannot be read.
    pub(in crate::capability::sql) fn tenants_of(&self, plugin: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join("tenants")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut tenants = Vec::new();
        for entry in entries {
            let entry = entry?;
            let tenant = entry.path();
            if tenant.join(SNAPSHOTS).join(plugin).exists() || !beside(&tenant, plugin)?.is_empty() {
                tenants.extend(entry.file_name().into_string());
            }
        }
        Ok(tenants)
    }

    /// The plugins that have a database for a tenant. Blocks.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub(in crate::capability::sql) fn plugins_of(&self, tenant: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join("tenants").join(tenant)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut plugins = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            plugins.extend(name.to_str().and_then(|name| name.strip_suffix(".sqlite")).map(str::to_owned));
        }
        Ok(plugins)
    }
}

/// A plugin's database, and what lies beside it under its name: `-wal`, `-shm`, `-journal`, copies, and what was set
/// aside.
fn beside(directory: &Path, plugin: &str) -> io::Result<Vec<DirEntry>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let file = format!("{plugin}.sqlite");
    let belongs = |entry: &DirEntry| {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(&file));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if belongs(&entry) {
            found.push(entry);
        }
    }
    // The database first: a log without one is nobody's, and a database without its log may lack half a change.
    found.sort_by_key(DirEntry::file_name);
    Ok(found)
}

fn is_aside(name: &OsStr, plugin: &str) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(&format!("{plugin}.sqlite{ASIDE}")))
}

/// Gives something a name of its own among what is to be deleted. None if it is not there.
fn rename(from: &Path, directory: &Path, plugin: &str) -> io::Result<Option<PathBuf>> {
    let to = directory.join(format!("{plugin}.sqlite{ASIDE}{}", uuid::Uuid::now_v7().simple()));
    match fs::rename(from, &to) {
        Ok(()) => Ok(Some(to)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deletes what was set aside. Somebody else may have been faster.
fn delete(path: &Path, plugin: &str) -> io::Result<()> {
    let is_copies = path.is_dir() && path.file_name().is_some_and(|name| is_aside(name, plugin));
    let deleted = if is_copies { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match deleted {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
