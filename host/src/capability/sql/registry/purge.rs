//! The end of a plugin's database.
//!
//! Nobody opens a database while it is deleted: the lock on what is open is held from the look at who uses it until its
//! files are gone. So a log never stays beside a database that is made anew.

use std::fs;
use std::io;
use std::sync::PoisonError;

use super::Databases;

/// Where copies of databases are kept, beside them.
const SNAPSHOTS: &str = "snapshots";

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
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = open.tenants.get_mut(tenant);
        if let Some(slots) = slots {
            match slots.get(plugin) {
                Some(slot) if !slot.place.is_idle() => return Ok(Purged::InUse),
                Some(_) => {
                    drop(slots.remove(plugin));
                    open.count -= 1;
                }
                None => {}
            }
        }
        let directory = self.root.join("tenants").join(tenant);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Purged::Nothing),
            entries => entries?,
        };
        let file = format!("{plugin}.sqlite");
        let mut purged = Purged::Nothing;
        for entry in entries {
            let entry = entry?;
            // The database, and what lies beside it under its name: `-wal`, `-shm`, `-journal`, copies.
            let name = entry.file_name();
            let beside = name.to_str().and_then(|name| name.strip_prefix(&file));
            if beside.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.'])) {
                fs::remove_file(entry.path())?;
                purged = Purged::Done;
            }
        }
        let snapshots = directory.join(SNAPSHOTS);
        match fs::remove_dir_all(snapshots.join(plugin)) {
            Ok(()) => purged = Purged::Done,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // It stays while other plugins have some.
        _ = fs::remove_dir(snapshots);
        Ok(purged)
    }

    /// The tenants that have a database of a plugin. Blocks.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub(in crate::capability::sql) fn tenants_of(&self, plugin: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join("tenants")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut tenants = Vec::new();
        for entry in entries {
            let entry = entry?;
            let has = |path: &str| entry.path().join(path).join(plugin).exists();
            if entry.path().join(format!("{plugin}.sqlite")).exists() || has(SNAPSHOTS) {
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
