//! The data directory: whose it is, who may enter it, and what lies in it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

use super::finding::Findings;
use crate::config::Config;
use crate::db::{CONTROL_PLANE_FILE, SqliteControlPlane, inspect};
use crate::secret::KEY_BYTES;

/// A host that has the socket open.
pub(super) struct Running {
    /// Its process, where the system tells it.
    pub(super) pid: Option<i32>,
}

/// Directories that only the host's user may enter.
const PRIVATE: [&str; 4] = ["keys", "run", "compiled", "tenants"];

/// Keys of one length, and what to do about one that has another.
const KEYS: [(&str, &str); 2] = [
    ("compiled-code.key", "delete it: the next start makes another, and compiles the plugins anew"),
    ("api-keys.key", "put the copy back; without one delete it, and make all API keys anew (`tenon key create`)"),
];

/// The longest path that a Unix socket can have.
const SOCKET_PATH_MAX: usize = 107;

pub(super) async fn look(config: &Config, findings: &mut Findings) -> Option<Running> {
    let data = &config.data;
    let shown = data.display();
    let metadata = match fs::metadata(data) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            let fix = "remove it, or name another directory with --data".to_owned();
            findings.fix("data", format!("{shown} is not a directory"), Some(fix));
            return None;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = format!("there is no directory {shown} yet: the first start makes it");
            findings.hint("data", what, Some("if there should be one, name it with --data".into()));
            return None;
        }
        Err(error) => {
            let fix = "give this user permission to enter it, or run this as the host's user".to_owned();
            findings.fix("data", format!("{shown} cannot be looked at: {error}"), Some(fix));
            return None;
        }
    };
    permissions(data, &metadata, findings);
    keys(data, findings);
    socket(config, findings).await
}

fn permissions(data: &Path, metadata: &Metadata, findings: &mut Findings) {
    let before = findings.all().len();
    let shown = data.display();
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        let what = format!("{shown} belongs to user {}, and this is run by {user}", metadata.uid());
        findings.hint("data", what, Some("run this as the user that runs the host".into()));
    }
    if rustix::fs::access(data, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_err() {
        let fix = format!("chown -R the directory to the host's user, and chmod u+rwx {shown}");
        findings.fix("data", format!("this user cannot write to {shown}"), Some(fix));
    }
    let control = data.join(CONTROL_PLANE_FILE);
    for path in [data.to_owned(), control].into_iter().filter(|path| mode(path).is_some_and(|mode| mode & 0o022 != 0)) {
        let (shown, mode) = (path.display(), mode(&path).unwrap_or_default());
        let what = format!("others can write to {shown} ({mode:04o})");
        findings.fix("data", what, Some(format!("chmod go-w {shown}")));
    }
    for path in PRIVATE.iter().map(|name| data.join(name)) {
        if let Some(mode) = mode(&path).filter(|mode| mode & 0o077 != 0) {
            let what = format!("others can enter {} ({mode:04o})", path.display());
            findings.fix("data", what, Some(format!("chmod 0700 {}", path.display())));
        }
    }
    for path in strangers(data, metadata.uid()) {
        let what = format!("{} belongs to another user than the directory it is in", path.display());
        let fix = format!("chown it to user {}; was the host run as somebody else once?", metadata.uid());
        findings.fix("data", what, Some(fix));
    }
    if findings.all().len() == before {
        findings.ok("data", format!("{shown} can be written, and what is secret is its user's alone"));
    }
}

/// What of the host's own belongs to another user, the first few of it.
fn strangers(data: &Path, owner: u32) -> Vec<PathBuf> {
    let below = |name: &&str| fs::read_dir(data.join(name)).into_iter().flatten().flatten().map(|entry| entry.path());
    let entries = ["", "keys", "run", "compiled", "tenants"];
    let all = entries.iter().flat_map(below);
    all.filter(|path| path.symlink_metadata().is_ok_and(|file| file.uid() != owner)).take(5).collect()
}

fn keys(data: &Path, findings: &mut Findings) {
    for entry in fs::read_dir(data.join("keys")).into_iter().flatten().flatten() {
        let path = entry.path();
        if let Some(mode) = mode(&path).filter(|mode| mode & 0o077 != 0) {
            let what = format!("others can read the key {} ({mode:04o})", path.display());
            findings.fix("keys", what, Some(format!("chmod 0600 {}", path.display())));
        }
    }
    for (name, fix) in KEYS {
        let path = data.join("keys").join(name);
        if fs::metadata(&path).is_ok_and(|file| file.len() != KEY_BYTES as u64) {
            let what = format!("{} holds something else than a key of {KEY_BYTES} bytes", path.display());
            findings.fix("keys", what, Some(fix.to_owned()));
        }
    }
}

fn mode(path: &Path) -> Option<u32> {
    Some(fs::symlink_metadata(path).ok()?.mode() & 0o7777)
}

/// Whether a host runs, found out by knocking.
async fn socket(config: &Config, findings: &mut Findings) -> Option<Running> {
    let path = super::socket(config);
    let shown = path.display();
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        let what = format!("the path of the socket {shown} has more than {SOCKET_PATH_MAX} bytes: no host can make it");
        findings.fix("socket", what, Some("name the data directory by a shorter path".into()));
        return None;
    }
    match UnixStream::connect(&path).await {
        Ok(stream) => {
            findings.ok("socket", format!("a host answers on {shown}"));
            Some(Running { pid: stream.peer_cred().ok().and_then(|peer| peer.pid()) })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            findings.ok("socket", format!("no host runs with {}", config.data.display()));
            None
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let what = format!("{shown} is left from a host that was ended at once");
            findings.hint("socket", what, Some("start the host: it makes the socket anew".into()));
            None
        }
        Err(error) => {
            let what = format!("{shown} cannot be used: {error}");
            findings.fix("socket", what, Some("run this as the user that runs the host".into()));
            None
        }
    }
}

/// Opens a copy of the control plane in `scratch`; a new one where there is none yet.
pub(super) async fn control_plane(
    config: &Config,
    in_use: bool,
    scratch: &Path,
    findings: &mut Findings,
) -> Option<SqliteControlPlane> {
    let (file, copy) = (config.data.join(CONTROL_PLANE_FILE), scratch.join(CONTROL_PLANE_FILE));
    if !file.exists() {
        missing(config, &file, findings);
        return SqliteControlPlane::open(&copy, &config.db).await.ok();
    }
    match inspect::open_copy(&file, &copy, in_use, &config.db).await {
        Ok(control) => {
            findings.ok("control plane", format!("{} is sound, and its tables fit this version", file.display()));
            Some(control)
        }
        Err(error) => {
            findings.fix("control plane", error.to_string(), None);
            None
        }
    }
}

/// A new directory has none, and nothing else.
fn missing(config: &Config, file: &Path, findings: &mut Findings) {
    let has = |name: &&str| fs::read_dir(config.data.join(name)).is_ok_and(|mut entries| entries.next().is_some());
    let left: Vec<&str> = ["tenants", "keys", "compiled"].into_iter().filter(has).collect();
    if left.is_empty() {
        return;
    }
    let what = format!(
        "there is no {}, and beside it there is {}: tenants, API keys, grants and the audit log are gone with it",
        file.display(),
        left.join(", ")
    );
    let fix = "restore it from a backup before a host is started, which would begin with an empty one".to_owned();
    findings.fix("control plane", what, Some(fix));
}
