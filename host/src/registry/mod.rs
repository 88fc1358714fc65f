//! Which plugins there are, who provides what to whom, and where it is written down.
//!
//! A [`Snapshot`] never changes. A request takes the one that is current when it arrives and keeps it to its
//! end, so loading plugins anew touches no call under way.

pub mod catalogue;
mod changes;
pub mod choices;
mod claims;
pub mod compile;
pub mod contract;
mod directory;
pub mod endpoint;
pub mod forget;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod handler;
mod inspect;
pub mod install;
pub mod lifecycle;
mod loader;
pub mod manifest;
mod package;
mod plugin;
mod ready;
mod record;
mod rejected;
pub mod resolve;
mod scheduled;
pub mod settings;
mod snapshot;
mod start;
mod swap;
pub mod trust;
mod watch;

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError, RwLock};

use futures::FutureExt;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, MissedTickBehavior};

use self::choices::Choices;
use self::claims::Records;
use self::lifecycle::Lifecycle;
use self::settings::Settings;
use self::swap::{SwapError, Swaps};
use self::trust::{Policy, Settings as Trust, Versions};
use self::watch::notice::{Hints, Notices};
use self::watch::{Files, Next, Occasion};

pub use self::changes::DIRECTORY_OPERATIONS;
pub use self::compile::{Compiler, Compiling};
pub use self::directory::{sidecar as sidecar_of, signatures as signatures_of};
pub use self::inspect::{InspectError, Inspection, Inspector};
pub use self::loader::Loader;
#[doc(hidden)]
pub use self::package::{Package, PackageError, read as read_package};
pub use self::plugin::Plugin;
pub use self::ready::NotReady;
pub use self::rejected::Rejected;
pub use self::snapshot::{Explanation, KeptVersion, Loaded, Served, SharedRead, Snapshot, TenantView};
pub use self::swap::Kept;
use crate::config::Config;
use crate::db::{ControlPlane, DbError};
use crate::id::{PluginId, TenantId};
use crate::runtime::Runtime;
use crate::seal::Seals;

/// The current snapshot, and how to make the next.
pub struct Registry {
    loader: Arc<Loader>,
    control: Arc<dyn ControlPlane>,
    /// Tries what is to take the place of something that works.
    runtime: Arc<Runtime>,
    directory: PathBuf,
    /// In dev mode a file may take the place of another with the same id and version.
    dev: bool,
    /// Every plugin has what it asks for.
    grants_all: bool,
    lifecycle: Arc<Lifecycle>,
    /// Plugins whose tenants are to be moved in the background; one of them, where it is named.
    unsettled: Lock<BTreeSet<(PluginId, Option<TenantId>)>>,
    /// The revision of the decisions that the snapshot was made with.
    decided: AtomicI64,
    changed: Notify,
    /// Opens what tenants have set in secret.
    seals: Arc<Seals>,
    /// One file is put into the directory or taken out of it at a time.
    installing: Arc<Mutex<()>>,
    trust: Trust,
    files: Mutex<Files>,
    /// Absent when nobody is to tell of changes.
    notices: Option<Notices>,
    current: RwLock<Arc<Snapshot>>,
}

/// Why the plugins directory could not be taken over as a whole.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("cannot read the plugins directory {}: create it or name another with --plugins", .directory.display())]
    Directory { directory: PathBuf, source: io::Error },
    #[error("the host failed while it looked at the plugins directory; its log says where")]
    Panic,
    #[error("cannot write down which plugins there are")]
    Control(#[from] DbError),
}

impl Registry {
    pub fn new(
        loader: Loader,
        control: Arc<dyn ControlPlane>,
        runtime: Arc<Runtime>,
        seals: Arc<Seals>,
        config: &Config,
    ) -> Self {
        let limits = loader.limits();
        let notices = limits.rescan().filter(|_| limits.watch).map(|_| Notices::new(limits.settle(), limits.files));
        let lifecycle = Arc::new(Lifecycle::new(runtime.clone(), control.clone(), config.lifecycle.clone()));
        let snapshot = Snapshot::new(Loaded::default(), Choices::default(), lifecycle.moves().clone());
        Self {
            loader: Arc::new(loader),
            control,
            runtime,
            directory: config.plugins.clone(),
            dev: config.dev,
            grants_all: config.grants.automatic.applies(config.dev),
            trust: Trust::new(&config.trust, config.dev),
            lifecycle,
            unsettled: Lock::default(),
            decided: AtomicI64::new(0),
            changed: Notify::new(),
            seals,
            installing: Arc::default(),
            files: Mutex::default(),
            notices,
            current: RwLock::new(Arc::new(snapshot)),
        }
    }

    /// Reads the directory, resolves what it holds, writes it down and makes it current.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read or the control plane cannot be written; the old snapshot stays.
    pub async fn load(&self) -> Result<(), RegistryError> {
        self.lifecycle.read().await?;
        // From before the first look on, so that nothing is missed between it and the next.
        self.follow_notices().await;
        // What ran before the host was stopped is looked at first, should there be more than may be.
        let known = self.control.plugin_list().await?;
        let preferred = known.into_iter().map(|plugin| plugin.file_name).collect();
        self.look(preferred, Occasion::Start, &Hints::default()).await?;
        self.loader.yield_to_requests();
        Ok(())
    }

    /// Follows the changes of the directory: as they are told, and as often as `loader.rescan_ms` says. Returns only
    /// when it is not to be followed.
    pub async fn watch(&self) {
        let limits = self.loader.limits();
        let Some(pause) = limits.rescan() else { return };
        let mut ticks = tokio::time::interval_at(Instant::now() + pause, pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let loaded = self.files.lock().await.loaded();
        let mut told_until = Instant::now();
        let mut failing = None;
        loop {
            // The directory may be another by now.
            self.follow_notices().await;
            let told = async {
                match &self.notices {
                    Some(notices) => notices.due(told_until + limits.settle()).await,
                    None => std::future::pending().await,
                }
            };
            let occasion = tokio::select! {
                _ = ticks.tick() => Occasion::Rescan,
                () = loaded.notified() => Occasion::Notice,
                () = told => Occasion::Notice,
            };
            let hints = self.notices.as_ref().map(Notices::take).unwrap_or_default();
            told_until = Instant::now();
            failing = self.follow(occasion, &hints, failing).await;
        }
    }

    async fn follow_notices(&self) {
        if let Some(notices) = &self.notices {
            notices.follow(&self.directory).await;
        }
    }

    /// One look. What is wrong with the whole directory is logged once and given back, not at every look.
    async fn follow(&self, occasion: Occasion, hints: &Hints, failing: Option<String>) -> Option<String> {
        let preferred = self.files.lock().await.running();
        // A panic here is a fault of the host's, and no reason to stop following the directory.
        let look = AssertUnwindSafe(self.look(preferred, occasion, hints)).catch_unwind();
        let looked = look.await.unwrap_or_else(|_panic| Err(RegistryError::Panic));
        let error = format!("{:#}", anyhow::Error::from(looked.err()?));
        if failing.as_ref() != Some(&error) {
            tracing::error!(error, "the plugins directory cannot be followed; what runs goes on");
        }
        Some(error)
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Only with the lock on the files, so that nobody makes another meanwhile.
    fn set_current(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        let before = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, snapshot.clone())
        };
        // What was answered under another configuration, whoever has written it down.
        for (tenant, plugin) in snapshot.choices().settings().differing(before.choices().settings()) {
            self.runtime.invalidate(tenant, plugin);
        }
    }

    pub fn lifecycle(&self) -> &Arc<Lifecycle> {
        &self.lifecycle
    }

    /// Takes over what was decided and written down since: a new snapshot of the same plugins.
    ///
    /// # Errors
    ///
    /// When the control plane cannot be read; the old decisions stay.
    pub async fn decide(&self) -> Result<(), DbError> {
        // Nobody makes another snapshot meanwhile.
        let _files = self.files.lock().await;
        let choices = self.choices().await?;
        self.set_current(self.snapshot().with_choices(choices));
        Ok(())
    }

    /// Takes over what another process on the same database has decided, if it has.
    async fn decide_as_others(&self) -> Result<(), DbError> {
        match self.control.decision_revision().await? == self.decided.load(Ordering::Relaxed) {
            true => Ok(()),
            false => self.decide().await,
        }
    }

    /// Looks at the directory now, without waiting for the next time it is due.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read or the control plane cannot be written; the old snapshot stays.
    async fn look_now(&self) -> Result<(), RegistryError> {
        let preferred = self.files.lock().await.running();
        self.look(preferred, Occasion::Rescan, &Hints::default()).await
    }

    /// Takes a file for gone that the host has removed itself: no other look need miss it.
    ///
    /// # Errors
    ///
    /// As for a look. Then the next one makes up for it.
    async fn removed(&self, file_name: &str) -> Result<(), RegistryError> {
        let mut files = self.files.lock().await;
        files.forget(file_name);
        let policy = self.policy(&mut files).await?;
        self.make_current(&mut files, policy.versions()).await
    }

    /// The files that are being compiled, or wait for it.
    pub fn compiling(&self) -> Vec<Compiling> {
        self.loader.compiling()
    }

    /// What seals tenants' secrets.
    pub fn seals(&self) -> &Arc<Seals> {
        &self.seals
    }

    /// What is decided now. It is noted as known as of before it was read, so that nothing is missed.
    async fn choices(&self) -> Result<Choices, DbError> {
        let control = &self.control;
        self.decided.store(control.decision_revision().await?, Ordering::Relaxed);
        let grants = if self.grants_all { None } else { Some(control.grant_list().await?) };
        let settings = Settings::read(control.config_list().await?, &self.seals);
        let choices = Choices::read(control.tenant_plugin_list().await?, control.rollout_list().await?, grants);
        Ok(choices.with_settings(settings))
    }

    async fn look(&self, preferred: HashSet<String>, occasion: Occasion, hints: &Hints) -> Result<(), RegistryError> {
        let mut files = self.files.lock().await;
        let policy = Arc::new(self.policy(&mut files).await?);
        files
            .look((&self.loader, &policy), &self.directory, preferred, (occasion, hints))
            .await
            .map_err(|source| RegistryError::Directory { directory: self.directory.clone(), source })?;
        if files.is_stale() || occasion == Occasion::Start {
            self.make_current(&mut files, policy.versions()).await?;
        }
        Ok(())
    }

    /// Whom the host trusts now. Without an answer nothing is looked at: a key may have been removed.
    async fn policy(&self, files: &mut Files) -> Result<Policy, RegistryError> {
        let keys = self.control.trusted_key_list().await?;
        files.trust(&keys);
        let versions =
            Versions::new(&self.control.highest_version_list().await?, self.control.kept_version_list().await?);
        Ok(Policy::new(self.trust.clone(), &keys, versions))
    }

    /// Makes a snapshot of the files and writes it down. Until both have succeeded the old one stays.
    async fn make_current(&self, files: &mut Files, versions: &Versions) -> Result<(), RegistryError> {
        let records = Records::new(self.control.claim_list().await?);
        let before = self.snapshot();
        let choices = self.choices().await?;
        let (snapshot, next, undecided) = self.arrange(files, &records, &before, &choices).await;
        changes::log_overwritten(&next.claims, &records);
        changes::log_tolerated(&next.tolerated);
        let noted = versions.after(&snapshot.present(), &files.names());
        if noted != *versions {
            let (highest, kept) = noted.rows();
            // Before they run: should the host end in between, an older one is refused all the same.
            self.control.versions_note(highest, kept).await?;
        }
        let (known, refused) = (self.control.plugin_list().await?, self.control.rejected_file_list().await?);
        let audited = changes::audited(&known, &refused, &snapshot);
        let announced = changes::announced(&audited);
        self.control.registry_replace(record::of(&snapshot, next.claims, audited)).await?;
        changes::announce(&announced, self.runtime.announcements());
        self.lifecycle.forgive_due(snapshot.plugins());
        changes::log(&before, &snapshot);
        changes::log_withheld(&before, &snapshot);
        files.settle(&snapshot.by_file());
        if undecided {
            files.set_stale();
        }
        let kept: Vec<String> = snapshot.kept().iter().map(|kept| kept.plugin.code.clone()).collect();
        self.set_current(snapshot);
        // Not before: whoever found one in the snapshot before this one would take it for staying.
        self.lifecycle.gone(&self.snapshot());
        self.loader.prune(files.hashes().into_iter().chain(kept).collect()).await;
        Ok(())
    }

    /// The next snapshot, with what is to be written down of it: all that may run by who came first, without those
    /// that would take the place of something that works and do not work themselves. Whether one of those could not be
    /// tried, and is to be later.
    async fn arrange(
        &self,
        files: &Files,
        records: &Records,
        before: &Snapshot,
        choices: &Choices,
    ) -> (Snapshot, Next, bool) {
        let limits = self.loader.limits();
        let next = |swaps: &Swaps<'_>| files.arrange(records, self.dev, limits, &swaps.refused);
        let snapshot = |swaps: &mut Swaps<'_>| {
            let Next { running, rejected, .. } = next(swaps);
            swaps.release(&running);
            let plugins = running.into_values().collect();
            let loaded = Loaded { plugins, kept: swaps.kept.clone(), rejected };
            Snapshot::new(loaded, choices.clone(), self.lifecycle.moves().clone())
        };
        let mut swaps = Swaps::new(before, limits.dependants, limits.versions);
        let mut undecided = false;
        loop {
            let settled = swaps.settle(&snapshot);
            let Some((file, error, passing)) = self.first_that_does_not_start(&swaps, &settled).await else {
                return (settled, next(&swaps), undecided);
            };
            swaps.refused.insert(file, error);
            undecided |= passing;
        }
    }

    async fn first_that_does_not_start(&self, swaps: &Swaps<'_>, next: &Snapshot) -> Option<(String, SwapError, bool)> {
        for (file, old, new) in swaps.replacing(next) {
            if let Err(failed) = start::try_start(&self.runtime, &new, next.default_view()).await {
                let (new, failure) = (new.key().clone(), failed.failure);
                return Some((file, SwapError::Start { old, new, failure }, failed.passing));
            }
        }
        None
    }
}
