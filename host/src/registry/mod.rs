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
mod current;
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
mod stand_in;
mod start;
mod swap;
pub mod trust;
mod watch;

use std::collections::BTreeSet;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError, RwLock};

use futures::FutureExt;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, MissedTickBehavior};

use self::choices::Choices;
use self::lifecycle::Lifecycle;
use self::trust::Settings as Trust;
use self::watch::notice::{Hints, Notices};
use self::watch::{Files, Occasion};

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
use crate::log::chain;
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
    /// The revision of the decisions that the current snapshot was made with.
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
    /// Why the last look at the whole directory came to nothing.
    directory_problem: Lock<Option<String>>,
    current: RwLock<Arc<Snapshot>>,
    /// See [`Self::is_complete`].
    complete: tokio::sync::watch::Sender<bool>,
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
            directory_problem: Lock::default(),
            current: RwLock::new(Arc::new(snapshot)),
            complete: tokio::sync::watch::Sender::new(false),
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
            self.follow(occasion, &hints).await;
        }
    }

    async fn follow_notices(&self) {
        if let Some(notices) = &self.notices {
            notices.follow(&self.directory).await;
        }
    }

    /// One look. What is wrong with the whole directory is kept, and logged once, not at every look.
    async fn follow(&self, occasion: Occasion, hints: &Hints) {
        let preferred = self.files.lock().await.running();
        // A panic here is a fault of the host's, and no reason to stop following the directory.
        let look = AssertUnwindSafe(self.look(preferred, occasion, hints)).catch_unwind();
        let looked = look.await.unwrap_or_else(|_panic| Err(RegistryError::Panic));
        let problem = looked.err().map(|error| chain(&error));
        let before = std::mem::replace(&mut *self.problem(), problem.clone());
        if let Some(error) = problem.filter(|problem| before.as_ref() != Some(problem)) {
            tracing::error!(error, "the plugins directory cannot be followed; what runs goes on");
        }
    }

    fn problem(&self) -> MutexGuard<'_, Option<String>> {
        self.directory_problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the plugins directory is not followed now, if so: nothing that changes there counts.
    pub fn directory_problem(&self) -> Option<String> {
        self.problem().clone()
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether each file that lay in the directory when the host started was loaded or refused. Before that a plugin
    /// that is not in the snapshot may still come, and nobody may conclude from its absence that nothing is owed to it.
    pub fn is_complete(&self) -> bool {
        *self.complete.borrow()
    }

    /// Waits until that is so. A file may take as long as it may be compiled, after its turn.
    pub async fn complete(&self) {
        // The sender is here, so that it cannot be gone.
        _ = self.complete.subscribe().wait_for(|complete| *complete).await;
    }

    pub fn lifecycle(&self) -> &Arc<Lifecycle> {
        &self.lifecycle
    }

    /// The files that are being compiled, or wait for it.
    pub fn compiling(&self) -> Vec<Compiling> {
        self.loader.compiling()
    }

    /// What seals tenants' secrets.
    pub fn seals(&self) -> &Arc<Seals> {
        &self.seals
    }
}
