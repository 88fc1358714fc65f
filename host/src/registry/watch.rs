//! The plugins directory over time: what each file was when it was last looked at, and what came of it.
//!
//! Invariant: a bad file never changes what runs. What was loaded from a file goes on until that file is gone,
//! or holds something else that can be loaded. A changed file is read when it is whole ([`settle`]), so one that
//! is still being copied is left alone. Each file is loaded by itself: one that takes long to compile holds up no
//! other. Bounds: `loader.files`, and `loader.versions` of one plugin.

pub(super) mod notice;
mod settle;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use self::notice::Hints;
use self::settle::{Pending, Settled};
use super::claims::{Arrangement, Contender, Records, arrange};
use super::contract::Breach;
use super::directory::{self, Found, Identity, Listing};
use super::loader::{Loader, Outcome};
use super::plugin::Plugin;
use super::rejected::Rejected;
use super::swap::SwapError;
use super::trust::Policy;
use crate::config::LoaderConfig;
use crate::db;

/// All files that were looked at.
#[derive(Default)]
pub(super) struct Files {
    slots: BTreeMap<String, Slot>,
    /// Changed files, as the last look found them, until something came of them.
    pending: HashMap<String, Pending>,
    loading: HashMap<String, Loading>,
    /// A file was loaded, and has not been taken in.
    loaded: Arc<Notify>,
    /// Files that the last rescan did not find.
    absent: HashMap<String, Absent>,
    /// How many files lie beyond `loader.files`.
    more: usize,
    /// Something is different from what the current snapshot was made of.
    stale: bool,
    /// The trusted keys that the files were last held against.
    keys: Vec<db::TrustedKey>,
    /// Files that the first look found and of which it is not known yet what they hold.
    awaited: HashSet<String>,
}

/// One file.
#[derive(Default)]
struct Slot {
    /// As it was when it was last loaded.
    identity: Option<Identity>,
    held: Option<Held>,
    /// What runs from it.
    running: Option<Arc<Plugin>>,
}

/// What a file was found to hold.
enum Held {
    Plugin(Arc<Plugin>),
    Rejected(Rejected),
}

struct Loading {
    identity: Identity,
    /// What comes of it counts even if it is bad.
    surely: bool,
    finished: Arc<AtomicBool>,
    task: JoinHandle<Outcome>,
}

impl Drop for Loading {
    /// Nobody waits for it any longer; a process that compiles for it ends too.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A file that is missed.
struct Absent {
    since: Instant,
    /// What was on its way when it was first missed: it may be what takes its place.
    coming: HashSet<String>,
}

/// Says that a file was loaded, however that ended.
struct Finish {
    finished: Arc<AtomicBool>,
    loaded: Arc<Notify>,
}

impl Drop for Finish {
    fn drop(&mut self) {
        self.finished.store(true, Ordering::Release);
        self.loaded.notify_one();
    }
}

/// Why the directory is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The host starts: everything is read at once, as there is nothing yet that could be kept running.
    Start,
    /// It was time to. Only these looks count for what takes two of them.
    Rescan,
    /// Something was told, or loaded.
    Notice,
}

/// What runs next, and what is written down of it.
pub(super) struct Next {
    pub(super) running: BTreeMap<String, Arc<Plugin>>,
    pub(super) rejected: Vec<Rejected>,
    pub(super) claims: Vec<db::Claim>,
    /// Files that break a promise and run nevertheless.
    pub(super) tolerated: BTreeMap<String, Breach>,
}

impl Files {
    /// Looks at the directory, begins to load what has changed, and takes in what has been loaded.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read. Then everything stays as it is.
    pub(super) async fn look(
        &mut self,
        (loader, policy): (&Arc<Loader>, &Arc<Policy>),
        directory: &Path,
        preferred: HashSet<String>,
        (occasion, hints): (Occasion, &Hints),
    ) -> io::Result<()> {
        let (directory, limit) = (directory.to_owned(), loader.limits().files);
        let listing = tokio::task::spawn_blocking(move || directory::list(&directory, limit, &preferred));
        let Listing { files, more } = listing.await.map_err(io::Error::other)??;
        self.stale |= more != self.more;
        self.more = more;
        let present: HashSet<String> = files.iter().map(|found| found.name.clone()).collect();
        for found in files {
            self.consider((loader, policy), found, (occasion, hints));
        }
        self.forget_absent(&present, occasion, loader.limits().compile_wall());
        let wait = loader.limits().start_wait();
        self.take_in(occasion, wait).await;
        self.await_rest(occasion, wait);
        Ok(())
    }

    /// Whether each file that lay there when the host started was loaded or refused, or is gone.
    pub(super) fn is_complete(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Whether a file lay there when the host started and is not loaded yet.
    pub(super) fn awaits(&self, file_name: &str) -> bool {
        self.awaited.contains(file_name)
    }

    /// Notes of which files the first look has not told what they hold. Where it waits for all of them there is no
    /// other look.
    fn await_rest(&mut self, occasion: Occasion, wait: Option<Duration>) {
        if occasion == Occasion::Start {
            let read_again = self.slots.iter().filter(|(_, slot)| slot.identity.is_none()).map(|(name, _)| name);
            let rest = self.pending.keys().chain(self.loading.keys()).chain(read_again);
            self.awaited = rest.filter(|_| wait.is_some()).cloned().collect();
            return;
        }
        let before = self.awaited.len();
        self.awaited.retain(|name| self.pending.contains_key(name) || self.loading.contains_key(name));
        // One that went before it was loaded has changed nothing else, and what it held is gone with it.
        self.stale |= self.awaited.len() != before;
    }

    /// The files that something runs from.
    pub(super) fn running(&self) -> HashSet<String> {
        self.slots.iter().filter(|(_, slot)| slot.running.is_some()).map(|(name, _)| name.clone()).collect()
    }

    /// The names of all files that the directory holds, whatever they are.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.slots.keys().chain(self.pending.keys()).chain(self.loading.keys()).cloned().collect()
    }

    /// Holds all files against these keys: if they are others than before, each file is read again at the next look.
    pub(super) fn trust(&mut self, keys: &[db::TrustedKey]) {
        if self.keys == keys {
            return;
        }
        self.keys = keys.to_vec();
        self.judge_anew();
    }

    /// Reads each file again at the next look, although none has changed: something that it is judged by has.
    pub(super) fn judge_anew(&mut self) {
        self.stale = true;
        self.loading.clear();
        for pending in self.pending.values_mut() {
            pending.doubtful = None;
        }
        for (name, slot) in &mut self.slots {
            // It has not changed, so there is nothing to wait for.
            self.pending.extend(slot.identity.take().map(|identity| (name.clone(), Pending::known(identity))));
        }
    }

    pub(super) fn is_stale(&self) -> bool {
        self.stale
    }

    /// What runs is decided anew after the next look.
    pub(super) fn set_stale(&mut self) {
        self.stale = true;
    }

    /// The same, with a look at once.
    pub(super) fn decide_anew(&mut self) {
        self.set_stale();
        self.loaded.notify_one();
    }

    /// Tells when a file was loaded, or something decided that concerns one: then it is time to look.
    pub(super) fn loaded(&self) -> Arc<Notify> {
        self.loaded.clone()
    }

    /// A file is gone when two rescans did not find it: it may be on its way from one name to another, or the whole
    /// directory be mounted anew. And not before what came when it went has been loaded, for as long as a file may be
    /// compiled: who takes a provider away as he puts another there means one change.
    fn forget_absent(&mut self, present: &HashSet<String>, occasion: Occasion, wait: Duration) {
        self.pending.retain(|name, _| present.contains(name));
        self.loading.retain(|name, _| present.contains(name));
        if occasion == Occasion::Notice {
            self.absent.retain(|name, _| !present.contains(name));
            return;
        }
        let coming: HashSet<&String> = self.pending.keys().chain(self.loading.keys()).collect();
        let mut missed = std::mem::take(&mut self.absent);
        let mut gone = Vec::new();
        for name in self.slots.keys().filter(|name| !present.contains(*name)) {
            let known = missed.remove(name);
            let is_awaited = |absent: &Absent| {
                absent.since.elapsed() < wait && absent.coming.iter().any(|other| coming.contains(other))
            };
            match known {
                _ if occasion == Occasion::Start => gone.push(name.clone()),
                Some(absent) if !is_awaited(&absent) => gone.push(name.clone()),
                Some(absent) => _ = self.absent.insert(name.clone(), absent),
                None => {
                    let coming = coming.iter().map(|other| (*other).clone()).collect();
                    self.absent.insert(name.clone(), Absent { since: Instant::now(), coming });
                }
            }
        }
        self.stale |= !gone.is_empty();
        self.slots.retain(|name, _| !gone.contains(name));
    }

    /// Nothing runs from this file any more; what lies under its name from now on is new.
    pub(super) fn forget(&mut self, file: &str) {
        self.pending.remove(file);
        self.loading.remove(file);
        self.stale |= self.slots.remove(file).is_some();
    }

    /// Begins to load a file if it has changed and is whole.
    fn consider(
        &mut self,
        (loader, policy): (&Arc<Loader>, &Arc<Policy>),
        found: Found,
        (occasion, hints): (Occasion, &Hints),
    ) {
        let name = found.name.clone();
        let slot = self.slots.get(&name);
        if slot.is_some_and(|slot| slot.identity.as_ref() == Some(&found.identity)) {
            self.pending.remove(&name);
            self.loading.remove(&name);
            return;
        }
        let pending = self.pending.entry(name.clone()).or_insert_with(|| Pending::new(found.identity.clone()));
        if pending.identity != found.identity {
            *pending = Pending::new(found.identity.clone());
        }
        let settled = pending.judge(&name, occasion, hints);
        if let Some(loading) = self.loading.get_mut(&name).filter(|loading| loading.identity == found.identity) {
            loading.surely |= settled == Settled::Surely;
            return;
        }
        self.loading.remove(&name);
        let surely = match settled {
            Settled::No => return,
            Settled::Likely => false,
            Settled::Surely => true,
        };
        if let Some(outcome) = pending.doubtful.take() {
            self.take(name, found.identity, outcome);
            return;
        }
        let known = slot.and_then(|slot| slot.running.clone());
        let identity = found.identity.clone();
        let (loader, policy, finished) = (loader.clone(), policy.clone(), Arc::new(AtomicBool::new(false)));
        let finish = Finish { finished: finished.clone(), loaded: self.loaded.clone() };
        let task = tokio::spawn(async move {
            let _finish = finish;
            loader.load(&found, known.as_ref(), &policy).await
        });
        self.loading.insert(name, Loading { identity, surely, finished, task });
    }

    /// Takes in the files that are loaded by now; at start, waits for them as long as it may.
    async fn take_in(&mut self, occasion: Occasion, wait: Option<Duration>) {
        let end = wait.map(|wait| Instant::now() + wait);
        let ready = |loading: &Loading| occasion == Occasion::Start || loading.finished.load(Ordering::Acquire);
        let ready: Vec<String> =
            self.loading.iter().filter(|(_, loading)| ready(loading)).map(|(name, _)| name.clone()).collect();
        for name in ready {
            let Some(mut loading) = self.loading.remove(&name) else { continue };
            let outcome = match in_time(end, &mut loading.task).await {
                Some(Ok(outcome)) => outcome,
                None => {
                    tracing::info!(
                        file = name,
                        "it takes long to load; the host starts without it, and events and schedules wait for it"
                    );
                    self.loading.insert(name, loading);
                    continue;
                }
                Some(Err(error)) => {
                    tracing::error!(%error, file = name, "loading was broken off; it is tried again");
                    // Nobody waits for it for ever.
                    self.stale |= self.awaited.remove(&name);
                    continue;
                }
            };
            let transient = outcome.result.as_ref().is_err_and(|error| error.is_transient());
            if transient && occasion != Occasion::Start {
                continue;
            }
            match self.pending.get_mut(&name) {
                Some(pending) if outcome.result.is_err() && !loading.surely => pending.doubtful = Some(outcome),
                _ => self.take(name, loading.identity.clone(), outcome),
            }
        }
    }

    /// From now on the file holds this.
    fn take(&mut self, name: String, identity: Identity, outcome: Outcome) {
        self.pending.remove(&name);
        let transient = outcome.result.as_ref().is_err_and(|error| error.is_transient());
        let slot = self.slots.entry(name.clone()).or_default();
        // What was not whole is read again at the next look.
        slot.identity = Some(identity).filter(|_| !transient);
        slot.held = Some(match outcome.result {
            Ok(plugin) => Held::Plugin(plugin),
            Err(error) => Held::Rejected(Rejected::new(name, outcome.sha256, outcome.key, &error.to_string())),
        });
        self.stale = true;
    }

    /// Decides who runs, by who came first, without those whose swap was `refused`.
    pub(super) fn arrange(
        &self,
        records: &Records,
        dev: bool,
        limits: &LoaderConfig,
        refused: &BTreeMap<String, SwapError>,
    ) -> Next {
        let mut contenders: Vec<Contender<'_>> = self.slots.iter().map(|(file, slot)| slot.contender(file)).collect();
        for contender in contenders.iter_mut().filter(|contender| refused.contains_key(contender.file)) {
            contender.candidate = None;
        }
        let arrangement = arrange(&contenders, records, limits, dev);
        let mut rejected = Vec::new();
        for (file, slot) in &self.slots {
            match &slot.held {
                Some(Held::Rejected(reason)) => rejected.push(reason.clone()),
                Some(Held::Plugin(plugin)) => {
                    let claimed = arrangement.refused.get(file).map(|error| Rejected::claimed(file, plugin, error));
                    let swap = || refused.get(file).map(|error| Rejected::swap(file, plugin, error));
                    rejected.extend(claimed.or_else(swap));
                }
                None => {}
            }
        }
        if self.more > 0 {
            rejected.push(Rejected::beyond(self.more, limits.files));
        }
        let Arrangement { running, claims, tolerated, .. } = arrangement;
        Next { running, rejected, claims, tolerated }
    }

    /// Notes what runs from now on.
    pub(super) fn settle(&mut self, running: &BTreeMap<String, Arc<Plugin>>) {
        for (file, slot) in &mut self.slots {
            slot.running = running.get(file).cloned();
        }
        self.stale = false;
    }

    /// The hashes of the code of all files that are loaded, whether they run or not.
    pub(super) fn hashes(&self) -> HashSet<String> {
        let plugins = self.slots.values().flat_map(|slot| slot.running.iter().chain(slot.candidate()));
        plugins.map(|plugin| plugin.code.clone()).collect()
    }
}

impl Slot {
    fn candidate(&self) -> Option<&Arc<Plugin>> {
        match &self.held {
            Some(Held::Plugin(plugin)) => Some(plugin),
            _ => None,
        }
    }

    fn contender<'a>(&'a self, file: &'a str) -> Contender<'a> {
        Contender { file, running: self.running.as_ref(), candidate: self.candidate() }
    }
}

/// What a task gives, unless it takes longer.
async fn in_time<T>(end: Option<Instant>, task: &mut JoinHandle<T>) -> Option<Result<T, JoinError>> {
    match end {
        Some(end) => tokio::time::timeout_at(end, task).await.ok(),
        None => Some(task.await),
    }
}
