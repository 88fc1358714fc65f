//! What the file system tells of the directory by itself, so that a change is seen before the next rescan.
//!
//! It is a hint and never the only way: on network file systems it tells nothing of what other machines do, the system
//! may have no watch left to give, and its queue may overflow. Whatever is missed here, the rescan finds. Bound: as
//! many names as the directory may have files; of more, nothing is kept. Only the host's own watch is asked, so that a
//! directory that was replaced by another is told by its device and inode, and followed anew.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::directory;

/// Follows one directory.
pub struct Notices {
    told: Arc<Told>,
    following: Arc<Mutex<Following>>,
}

/// What was told and not yet taken.
struct Told {
    names: Mutex<Names>,
    /// A file was closed or moved into place.
    complete: Notify,
}

/// The watch, and why there is none.
#[derive(Default)]
struct Following {
    watch: Option<Watch>,
    complaint: Option<String>,
}

struct Watch {
    directory: (u64, u64),
    /// Ends the watch when it is dropped.
    _watcher: RecommendedWatcher,
}

/// What a look may take from the notices, by the name of the plugin file.
#[derive(Debug, Default)]
pub struct Hints {
    /// Closed or moved into place, and left alone since.
    pub whole: HashSet<String>,
    /// Written to and not closed.
    pub open: HashSet<String>,
    /// Opened as soon as they were there, and not closed by someone who could write.
    pub made: HashSet<String>,
}

impl Notices {
    /// `settle` is how long a file is left alone after it was closed, and the least time between two looks.
    pub fn new(settle: Duration, names_max: usize) -> Self {
        let names = Names { settle, names_max, by_file: HashMap::new() };
        let told = Arc::new(Told { names: Mutex::new(names), complete: Notify::new() });
        Self { told, following: Arc::default() }
    }

    /// Begins to follow the directory, or follows another that has taken its place. That it cannot is said once.
    pub async fn follow(&self, directory: &Path) {
        let (told, following, directory) = (self.told.clone(), self.following.clone(), directory.to_owned());
        // A directory on a network may take its time.
        let followed = tokio::task::spawn_blocking(move || locked(&following).follow(&told, &directory));
        if let Err(error) = followed.await {
            tracing::error!(%error, "the plugins directory is not watched; it is looked at every loader.rescan_ms");
        }
    }

    /// Waits until a file is whole by what was told, but not before `earliest`.
    pub async fn due(&self, earliest: Instant) {
        loop {
            let due = locked(&self.told.names).due();
            match due {
                Some(due) if due.max(earliest) <= Instant::now() => return,
                // What is told meanwhile is due later.
                Some(due) => tokio::time::sleep_until(due.max(earliest)).await,
                None => self.told.complete.notified().await,
            }
        }
    }

    /// What there is to know for a look that begins now. What is whole is told once.
    pub fn take(&self) -> Hints {
        locked(&self.told.names).take(Instant::now())
    }
}

impl Following {
    fn follow(&mut self, told: &Arc<Told>, directory: &Path) {
        match self.try_follow(told, directory) {
            Ok(()) => self.complaint = None,
            Err(error) => {
                self.watch = None;
                locked(&told.names).by_file.clear();
                let error = error.to_string();
                if self.complaint.as_ref() != Some(&error) {
                    tracing::warn!(
                        error,
                        "the plugins directory cannot be watched; changes are found every loader.rescan_ms"
                    );
                }
                self.complaint = Some(error);
            }
        }
    }

    fn try_follow(&mut self, told: &Arc<Told>, directory: &Path) -> notify::Result<()> {
        let Ok(metadata) = std::fs::metadata(directory) else {
            // Whoever looks at it says so.
            self.watch = None;
            locked(&told.names).by_file.clear();
            return Ok(());
        };
        let is = (metadata.dev(), metadata.ino());
        if self.watch.as_ref().is_some_and(|watch| watch.directory == is) {
            return Ok(());
        }
        self.watch = None;
        locked(&told.names).by_file.clear();
        let told = told.clone();
        let mut watcher = notify::recommended_watcher(move |event| told.hear(event))?;
        watcher.watch(directory, RecursiveMode::NonRecursive)?;
        self.watch = Some(Watch { directory: is, _watcher: watcher });
        Ok(())
    }
}

impl Told {
    /// Takes one event in, on the watcher's thread.
    fn hear(&self, event: notify::Result<Event>) {
        let mut names = locked(&self.names);
        let Ok(event) = event else { return };
        if event.need_rescan() {
            // Something was lost, and with it who has closed what.
            names.by_file.clear();
            return;
        }
        let Some(news) = News::of(&event.kind) else { return };
        for path in event.paths {
            names.note(&path, news, Instant::now());
        }
        drop(names);
        if matches!(news, News::Closed | News::Arrived | News::Linked) {
            self.complete.notify_one();
        }
    }
}

/// What one event says of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// A name was made: for a new file, or a link to one that is there.
    Linked,
    Opened,
    Written,
    /// By someone who could write.
    Closed,
    /// It was moved here under this name.
    Arrived,
    Gone,
    /// Its permissions or times.
    Touched,
}

impl News {
    fn of(kind: &EventKind) -> Option<Self> {
        Some(match kind {
            EventKind::Create(_) => Self::Linked,
            EventKind::Access(AccessKind::Open(_)) => Self::Opened,
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => Self::Closed,
            EventKind::Modify(ModifyKind::Data(_)) => Self::Written,
            EventKind::Modify(ModifyKind::Metadata(_)) => Self::Touched,
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Self::Arrived,
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => Self::Gone,
            _ => return None,
        })
    }
}

/// Plugin files with their manifests, by the name of the `.wasm`.
struct Names {
    settle: Duration,
    names_max: usize,
    by_file: HashMap<String, Entry>,
}

struct Entry {
    component: Progress,
    sidecar: Progress,
    last: Instant,
}

/// How far a file is, by what was told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Unknown,
    /// Its name was made, and nobody has opened it.
    Linked,
    /// Its name was made, and it was opened: to be written, or by someone who reads it.
    Made,
    Open,
    Whole,
}

impl Progress {
    fn after(self, news: News) -> Self {
        match (self, news) {
            (_, News::Linked) => Self::Linked,
            (Self::Linked, News::Opened) => Self::Made,
            (_, News::Written) => Self::Open,
            (_, News::Closed | News::Arrived) => Self::Whole,
            (_, News::Gone) => Self::Unknown,
            (same, News::Opened | News::Touched) => same,
        }
    }

    fn is_complete(self) -> bool {
        matches!(self, Self::Linked | Self::Whole)
    }

    /// Once told, it is not told again.
    fn taken(self) -> Self {
        if self.is_complete() { Self::Unknown } else { self }
    }
}

impl Entry {
    fn both(&self) -> [Progress; 2] {
        [self.component, self.sidecar]
    }

    fn is_open(&self) -> bool {
        self.both().contains(&Progress::Open)
    }

    fn is_complete(&self) -> bool {
        !self.is_open() && self.both().into_iter().any(Progress::is_complete)
    }
}

impl Names {
    fn note(&mut self, path: &Path, news: News, now: Instant) {
        let Some((file, is_sidecar)) = path.file_name().and_then(plugin_file) else { return };
        if !self.by_file.contains_key(&file) {
            let says_nothing = matches!(news, News::Opened | News::Touched | News::Gone);
            if says_nothing || self.by_file.len() >= self.names_max {
                return;
            }
        }
        let new = Entry { component: Progress::Unknown, sidecar: Progress::Unknown, last: now };
        let entry = self.by_file.entry(file.clone()).or_insert(new);
        let progress = if is_sidecar { &mut entry.sidecar } else { &mut entry.component };
        *progress = progress.after(news);
        if news != News::Opened {
            entry.last = now;
        }
        if entry.both() == [Progress::Unknown; 2] {
            self.by_file.remove(&file);
        }
    }

    /// When the next file is whole, if nothing more is told of it.
    fn due(&self) -> Option<Instant> {
        let complete = self.by_file.values().filter(|entry| entry.is_complete());
        complete.map(|entry| entry.last + self.settle).min()
    }

    fn take(&mut self, now: Instant) -> Hints {
        let mut hints = Hints::default();
        for (file, entry) in &mut self.by_file {
            if entry.component == Progress::Made {
                hints.made.insert(file.clone());
            }
            if entry.is_open() {
                hints.open.insert(file.clone());
            } else if entry.is_complete() && entry.last + self.settle <= now {
                hints.whole.insert(file.clone());
                entry.component = entry.component.taken();
                entry.sidecar = entry.sidecar.taken();
            }
        }
        self.by_file.retain(|_, entry| entry.both() != [Progress::Unknown; 2]);
        hints
    }
}

/// The plugin file that an entry of the directory belongs to, as it is shown, and whether it is its manifest.
fn plugin_file(name: &OsStr) -> Option<(String, bool)> {
    let bytes = name.as_bytes();
    if directory::concerns(bytes) {
        return Some((directory::shown(name), false));
    }
    if bytes.starts_with(b".") {
        return None;
    }
    let stem = bytes.strip_suffix(b".plugin.json")?;
    let file = PathBuf::from(OsString::from_vec([stem, b".wasm"].concat()));
    Some((directory::shown(file.as_os_str()), true))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
