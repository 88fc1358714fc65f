//! The host's own socket, for operators on its machine: whoever may open it is one.
//!
//! It lies in a directory of the data directory that only the user may enter who runs the host. So the first key can
//! be made without a key, and nothing that comes over the network is ever taken for it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use axum::{Extension, Router};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use super::identity::Local;

/// Where the socket of a host with this data directory is.
pub fn path(data: &Path) -> PathBuf {
    data.join("run").join("tenon.sock")
}

/// A socket that is served until this is dropped.
pub struct Served {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
        _ = fs::remove_file(&self.path);
    }
}

/// Serves the router on the socket. Without one the host works, and its operators need a key.
pub(super) fn serve(data: &Path, router: Router) -> Option<Served> {
    let path = path(data);
    let listener = match bind(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "the host has no socket of its own: commands need --url and a key");
            return None;
        }
    };
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router.layer(Extension(Local))).await {
            tracing::warn!(%error, "the host's own socket is served no longer");
        }
    });
    Some(Served { path, task })
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        closed_to_others(directory)?;
    }
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another host runs with this data directory"));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

/// The directory may have been there, open to others.
fn closed_to_others(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}
