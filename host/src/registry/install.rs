//! Putting a plugin into the directory, and taking it out again.
//!
//! Invariants: nothing lies under a name the host looks at before the loader has accepted it, and what the registry
//! then refuses, because of what else is loaded, is taken out again, with what was there before put back. One
//! installation at a time, from the moment that its file is here as a whole: who sends slowly holds up nobody. A crash
//! leaves at most hidden files (`.tenon-upload-…`), which a later installation removes once they are an hour old.

mod remove;
mod upload;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use self::remove::{Broken, Removed};
pub use self::upload::Upload;
use super::directory;
use super::lifecycle::{Failure, UninstallError};
use super::plugin::Plugin;
use super::{Registry, RegistryError};
use crate::runtime::PluginKey;

/// How long the registry may take to say what becomes of a file that the loader has accepted.
const VERDICT: Duration = Duration::from_secs(60);

/// How often it is asked.
const POLL: Duration = Duration::from_millis(20);

/// What is known of a file that was sent, also of one that comes to nothing.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// What its sender calls it.
    pub file_name: Option<String>,
    /// What it says it is.
    pub key: Option<PluginKey>,
    pub sha256: Option<String>,
}

/// What became of a file.
pub struct Installed {
    pub key: PluginKey,
    pub file_name: String,
    pub sha256: String,
    /// False when exactly this was there already.
    pub new: bool,
    /// None while the registry has not taken it yet.
    pub plugin: Option<Arc<Plugin>>,
}

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// In the loader's words, which are safe to show.
    #[error("{0}")]
    Refused(String),
    #[error("{key} is installed with other bytes: give this one another version")]
    Taken { key: PluginKey },
    #[error("{key} is being uninstalled: try again when it is gone")]
    Uninstalling { key: PluginKey },
    #[error("{file_name} holds {key}, so the new plugin cannot be written under that name: rename the file")]
    NameTaken { file_name: String, key: PluginKey },
    #[error("the file is larger than {0} bytes (loader.file_bytes)")]
    TooLarge(u64),
    #[error("there is no {0} {1}")]
    Unknown(String, String),
    #[error("{0} {1} is kept in memory for others, and its file holds another version: it goes when nobody needs it")]
    Kept(String, String),
    #[error("others would not work without it")]
    Needed(Vec<Broken>),
    #[error("it was not uninstalled: {0}; to remove it all the same, force it")]
    Unwilling(Failure),
    #[error("the plugins directory cannot be written")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<UninstallError> for InstallError {
    fn from(error: UninstallError) -> Self {
        match error {
            UninstallError::Failed(failure) => Self::Unwilling(failure),
            UninstallError::Control(error) => Self::Registry(error.into()),
        }
    }
}

impl Registry {
    /// Begins to take in a file.
    ///
    /// # Errors
    ///
    /// When the directory cannot be written.
    pub async fn upload(&self) -> Result<Upload, InstallError> {
        // What an installation keeps aside has the age of the file that it was.
        if let Ok(_turn) = self.installing.try_lock() {
            Upload::sweep(&self.directory).await.map_err(|source| self.unusable(source))?;
        }
        let begun = Upload::begin(&self.directory, self.loader.limits().file_bytes).await;
        begun.map_err(|source| self.unusable(source))
    }

    /// What could not be done in the directory, with the directory where it is not there at all.
    fn unusable(&self, source: io::Error) -> InstallError {
        match source.kind() {
            io::ErrorKind::NotFound => RegistryError::Directory { directory: self.directory.clone(), source }.into(),
            _ => source.into(),
        }
    }

    /// Has the loader judge what was uploaded, once no other installation is under way, puts it into the directory and
    /// waits until it is taken. What is found out of it on the way is noted in `sent`.
    ///
    /// # Errors
    ///
    /// [`InstallError::Refused`] says why it is no plugin, or cannot be one beside those that are there;
    /// [`InstallError::Taken`] that its version is another. The directory is as it was before, then.
    pub async fn install(&self, upload: Upload, sent: &mut Sent) -> Result<Installed, InstallError> {
        let upload = upload.finish().await?;
        let _turn = self.installing.clone().lock_owned().await;
        let found = directory::found(upload.name(), upload.component().to_owned());
        let found = found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let policy = Arc::new(self.policy(&mut *self.files.lock().await).await?);
        let outcome = self.loader.load(&found, None, &policy).await;
        (sent.sha256, sent.key) = (outcome.sha256.clone(), outcome.key.clone());
        let plugin = outcome.result.map_err(|error| upload.refused(&error.to_string()))?;
        let key = plugin.key().clone();
        (sent.sha256, sent.key) = (Some(plugin.sha256.clone()), Some(key.clone()));
        let snapshot = self.snapshot();
        // What is only kept in memory lies in no file.
        let in_a_file = |known: &&Arc<Plugin>| *known.key() == key && snapshot.kept_for(known).is_none();
        let there = snapshot.plugins().iter().find(in_a_file);
        let target = match there {
            Some(known) if self.lifecycle.is_leaving(known) => return Err(InstallError::Uninstalling { key }),
            Some(known) if known.claims.content == plugin.claims.content => {
                let (file_name, sha256) = (known.file_name.clone(), known.sha256.clone());
                return Ok(Installed { key, file_name, sha256, new: false, plugin: Some(known.clone()) });
            }
            Some(_) if !self.dev => return Err(InstallError::Taken { key }),
            // In dev mode an author builds the same version again.
            Some(known) => self.directory.join(&known.file_name),
            None => self.directory.join(format!("{}-{}.wasm", key.id, key.version)),
        };
        let file_name = target.file_name().map(directory::shown).unwrap_or_default();
        let other = |known: &&Arc<Plugin>| known.file_name == file_name && *known.key() != key;
        if let Some(other) = snapshot.plugins().iter().find(other) {
            return Err(InstallError::NameTaken { file_name, key: other.key().clone() });
        }
        let placed = upload.place(target).await?;
        match self.verdict(&file_name, &plugin).await {
            Ok(taken) => {
                placed.keep().await;
                Ok(Installed { key, file_name, sha256: plugin.sha256.clone(), new: true, plugin: taken })
            }
            Err(error) => {
                placed.undo().await?;
                self.until(|registry| !registry.is_refused(&file_name, &plugin)).await?;
                Err(error)
            }
        }
    }

    /// What the registry makes of a file in the directory; none if it has not said so in time.
    async fn verdict(&self, file_name: &str, plugin: &Plugin) -> Result<Option<Arc<Plugin>>, InstallError> {
        let taken = |registry: &Self| {
            let snapshot = registry.snapshot();
            let same =
                |known: &&Arc<Plugin>| known.key() == plugin.key() && known.claims.content == plugin.claims.content;
            snapshot.plugins().iter().find(same).cloned()
        };
        self.until(|registry| taken(registry).is_some() || registry.is_refused(file_name, plugin)).await?;
        if let Some(plugin) = taken(self) {
            return Ok(Some(plugin));
        }
        let snapshot = self.snapshot();
        match snapshot.rejected().iter().find(|file| file.file_name == *file_name) {
            Some(file) => Err(InstallError::Refused(file.reason.clone())),
            None => Ok(None),
        }
    }

    fn is_refused(&self, file_name: &str, plugin: &Plugin) -> bool {
        let snapshot = self.snapshot();
        let mut refused = snapshot.rejected().iter();
        refused.any(|file| file.file_name == file_name && file.sha256.as_ref() == Some(&plugin.sha256))
    }

    /// Waits until something is so, or for long enough. Whoever follows the directory sees its changes; more looks
    /// than those would take files of others for whole that are still being copied.
    async fn until(&self, so: impl Fn(&Self) -> bool) -> Result<(), RegistryError> {
        let end = Instant::now() + VERDICT;
        loop {
            if self.loader.limits().rescan().is_none() {
                self.look_now().await?;
            }
            if so(self) || Instant::now() > end {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Removes a file; that it is not there is no error.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes what was done to the entries of a directory last.
fn sync(directory: &Path) -> io::Result<()> {
    std::fs::File::open(directory)?.sync_all()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The files of one plugin.
#[derive(Debug, Clone)]
struct Pair {
    component: PathBuf,
    manifest: PathBuf,
    signatures: PathBuf,
}

impl Pair {
    fn of(component: PathBuf) -> Self {
        let (manifest, signatures) = (directory::sidecar(&component), directory::signatures(&component));
        Self { component, manifest, signatures }
    }

    fn remove(&self) -> io::Result<()> {
        remove(&self.component)?;
        remove(&self.manifest)?;
        remove(&self.signatures)
    }
}
