//! Which plugins there are, who provides what to whom, and where it is written down.
//!
//! A [`Snapshot`] never changes. A request takes the one that is current when it arrives and keeps it to its
//! end, so loading plugins anew touches no call under way.

pub mod compile;
pub mod endpoint;
mod loader;
pub mod manifest;
mod package;
mod plugin;
mod record;
pub mod resolve;
mod snapshot;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

pub use self::compile::Compiler;
pub use self::loader::{Loaded, Loader, Rejected};
pub use self::plugin::Plugin;
pub use self::snapshot::{Explanation, Served, Snapshot, TenantView};
use crate::db::{ControlPlane, DbError};

/// The current snapshot, and how to make the next.
pub struct Registry {
    loader: Loader,
    control: Arc<dyn ControlPlane>,
    current: RwLock<Arc<Snapshot>>,
}

/// Why the plugins directory could not be taken over as a whole.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("cannot read the plugins directory {}: create it or name another with --plugins", .directory.display())]
    Directory { directory: PathBuf, source: io::Error },
    #[error("cannot write down which plugins there are")]
    Control(#[from] DbError),
}

impl Registry {
    pub fn new(loader: Loader, control: Arc<dyn ControlPlane>) -> Self {
        Self { loader, control, current: RwLock::new(Arc::new(Snapshot::new(Loaded::default()))) }
    }

    /// Reads the directory, resolves what it holds, writes it down and makes it current.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read or the control plane cannot be written; the old snapshot stays.
    pub async fn load(&self, directory: &Path) -> Result<(), RegistryError> {
        let unreadable = |source| RegistryError::Directory { directory: directory.to_owned(), source };
        let loaded = self.loader.load(directory).await.map_err(unreadable)?;
        let snapshot = Snapshot::new(loaded);
        self.control.registry_replace(record::of(&snapshot)).await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(())
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
