//! A file on its way into the directory: hidden until it is judged, removed unless it is taken.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::{InstallError, Pair, blocking, remove, sync};
use crate::registry::directory;
use crate::registry::rejected::Rejected;

/// How the names of files begin that are on their way. The host looks at no hidden file.
const HIDDEN: &str = ".tenon-upload-";

/// What a host left that ended in the middle is removed after this time: another one may share the directory.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// A file that is being written.
pub struct Upload {
    files: Pair,
    directory: PathBuf,
    component: Option<File>,
    written: u64,
    limit: u64,
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Small and rare: not worth a thread of its own.
        if let Err(error) = self.files.remove() {
            tracing::warn!(%error, file = %self.files.component.display(), "an upload that was given up stays");
        }
    }
}

impl Upload {
    /// Removes what was abandoned. Only while no installation is under way.
    pub(super) async fn sweep(directory: &Path) -> io::Result<()> {
        let directory = directory.to_owned();
        blocking(move || sweep(&directory)).await
    }

    pub(super) async fn begin(directory: &Path, limit: u64) -> io::Result<Self> {
        let files = Pair::of(directory.join(format!("{HIDDEN}{}.wasm", uuid::Uuid::now_v7().simple())));
        let component = Some(File::create_new(&files.component).await?);
        Ok(Self { files, directory: directory.to_owned(), component, written: 0, limit })
    }

    /// Takes some more bytes of the component.
    ///
    /// # Errors
    ///
    /// When they are more than `loader.file_bytes`, or the disk takes no more.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), InstallError> {
        self.written += bytes.len() as u64;
        if self.written > self.limit {
            return Err(InstallError::TooLarge(self.limit));
        }
        if let Some(file) = &mut self.component {
            file.write_all(bytes).await?;
        }
        Ok(())
    }

    /// The manifest that goes beside the component.
    ///
    /// # Errors
    ///
    /// When the disk takes no more.
    pub async fn manifest(&mut self, bytes: &[u8]) -> Result<(), InstallError> {
        Ok(tokio::fs::write(&self.files.manifest, bytes).await?)
    }

    /// The signatures that go beside the component.
    ///
    /// # Errors
    ///
    /// When the disk takes no more.
    pub async fn signatures(&mut self, bytes: &[u8]) -> Result<(), InstallError> {
        Ok(tokio::fs::write(&self.files.signatures, bytes).await?)
    }

    pub(super) fn name(&self) -> String {
        self.files.component.file_name().map(directory::shown).unwrap_or_default()
    }

    pub(super) fn component(&self) -> &Path {
        &self.files.component
    }

    /// All of it is on disk, what goes beside the component as well: after a crash no plugin lies beside half of it.
    pub(super) async fn finish(mut self) -> Result<Self, InstallError> {
        if let Some(mut file) = self.component.take() {
            file.flush().await?;
            file.sync_all().await?;
        }
        let files = self.files.clone();
        blocking(move || {
            for beside in [&files.manifest, &files.signatures] {
                match fs::File::open(beside) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    opened => opened?.sync_all()?,
                }
            }
            Ok(())
        })
        .await?;
        Ok(self)
    }

    /// A reason of the loader, in which the file has the name that its sender knows.
    pub(super) fn refused(&self, reason: &str) -> InstallError {
        let stem = self.files.component.file_stem().map(directory::shown).unwrap_or_default();
        let reason = reason.replace(&stem, "<the file>");
        InstallError::Refused(Rejected::new(self.name(), None, None, &reason).reason)
    }

    /// Puts it where the host looks, in one step. What was there is kept aside.
    pub(super) async fn place(self, component: PathBuf) -> io::Result<Placed> {
        let target = Pair::of(component);
        let aside =
            Pair::of(self.files.component.with_file_name(format!("{HIDDEN}{}.wasm", uuid::Uuid::now_v7().simple())));
        let (from, directory) = (self.files.clone(), self.directory.clone());
        let placed = Placed { target, aside, _upload: self };
        let (to, aside) = (placed.target.clone(), placed.aside.clone());
        let moved = blocking(move || {
            keep(&to.component, &aside.component)?;
            keep(&to.manifest, &aside.manifest)?;
            keep(&to.signatures, &aside.signatures)?;
            // The component last: it is not looked at without what belongs to it.
            for (from, to) in [(&from.manifest, &to.manifest), (&from.signatures, &to.signatures)] {
                put_back(from, to)?;
            }
            fs::rename(&from.component, &to.component)?;
            sync(&directory)
        });
        match moved.await {
            Ok(()) => Ok(placed),
            Err(error) => {
                placed.undo().await?;
                Err(error)
            }
        }
    }
}

/// A file that lies in the directory and is not yet taken.
pub(super) struct Placed {
    target: Pair,
    aside: Pair,
    _upload: Upload,
}

impl Placed {
    /// It stays; what it replaced goes.
    pub(super) async fn keep(self) {
        let aside = self.aside.clone();
        if let Err(error) = blocking(move || aside.remove()).await {
            tracing::warn!(%error, "a file that was replaced stays hidden in the plugins directory for an hour");
        }
    }

    /// What was there before is there again.
    pub(super) async fn undo(self) -> io::Result<()> {
        let (target, aside, directory) = (self.target.clone(), self.aside.clone(), self._upload.directory.clone());
        blocking(move || {
            put_back(&aside.component, &target.component)?;
            put_back(&aside.manifest, &target.manifest)?;
            put_back(&aside.signatures, &target.signatures)?;
            sync(&directory)
        })
        .await
    }
}

fn keep(file: &Path, aside: &Path) -> io::Result<()> {
    match fs::hard_link(file, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Lets one file take the place of another, or its absence.
fn put_back(aside: &Path, file: &Path) -> io::Result<()> {
    match fs::rename(aside, file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => remove(file),
        other => other,
    }
}

fn sweep(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(HIDDEN) {
            continue;
        }
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age > ABANDONED_AFTER) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}
