//! What files of plugins can take, and what becomes of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{GIB, KIB, MIB};
use crate::config::section::section;

/// What happens when a new version of a plugin takes from others what they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dependants {
    /// The old version stays loaded for them.
    Keep,
    /// The new version is refused.
    Refuse,
}

/// What becomes of a plugin that breaks what an earlier version promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakingChanges {
    /// [`Self::Warn`] in dev mode, else [`Self::Refuse`].
    ByMode,
    /// It is not loaded; what ran goes on.
    Refuse,
    /// It is loaded, and the log says whom it breaks.
    Warn,
}

section! {
    /// What a file in the plugins directory can take before it runs.
    pub struct LoaderConfig {
        /// Files of the directory that are looked at. Those that are loaded come first, then by name.
        files: usize = 1_000,
        /// Versions of one plugin that are loaded at once.
        versions: usize = 32,
        /// The file.
        file_bytes: u64 = 64 * MIB as u64,
        /// Migrations and demo data embedded in it, their names included.
        embedded_sql_bytes: usize = 4 * MIB,
        /// The types of one interface that it exports, as the text that is remembered to hold later versions to it.
        /// Of longer ones only a hash is kept.
        types_bytes: usize = 64 * KIB,
        /// What becomes of a version that breaks what an earlier one on its compatibility track offered: `refuse`, `warn`
        /// (it is loaded, and the log names whom it breaks), or `by-mode`: `warn` in dev mode, else `refuse`.
        breaking_changes: BreakingChanges = BreakingChanges::ByMode,
        /// Processor time of the process that compiles it.
        compile_cpu_s: u64 = 10,
        /// Memory of the process that compiles it.
        compile_memory_bytes: u64 = GIB,
        /// Time from start to end of the process that compiles it. Once the host serves, it yields to requests
        /// (`compile_niceness`).
        compile_wall_s: u64 = 120,
        /// Processes that compile at once. Each uses one processor.
        compile_processes: usize = 2,
        /// How much lower than the host's their priority is once the host serves, as `nice` counts it: with 10 each gets
        /// about a tenth of a processor that is busy with requests, and all of one that is not. At most 19, with which a
        /// busy machine hardly compiles at all.
        compile_niceness: u8 = 10,
        /// The machine code of one file.
        compiled_bytes: u64 = 256 * MIB as u64,
        /// The cache of machine code. Over it, what is not in use goes, the longest unused first.
        cache_bytes: u64 = GIB,
        /// How often the directory is looked at, whatever was told of it. A change of which nothing was told counts when
        /// it is the same in two such looks; 0 looks at start only.
        rescan_ms: u64 = 1_000,
        /// Whether the operating system is asked to tell of changes, so that they are seen at once. Without it, and on
        /// network file systems, they are found by looking.
        watch: bool = true,
        /// Time that a file is left alone after it was closed or moved into place, before it is read; also the least
        /// time between two looks for which something was told.
        settle_ms: u64 = 50,
        /// What happens when a new version in the place of an old one leaves other plugins without a provider: `keep`
        /// keeps the old one loaded for them, `refuse` refuses the new one.
        dependants: Dependants = Dependants::Keep,
        /// Time the start waits for files to be loaded. Those that take longer, as to compile, are taken when they are
        /// ready.
        start_wait_ms: u64 = 60_000,
    }
}

impl LoaderConfig {
    /// Whether a plugin is loaded that breaks what an earlier version promised.
    pub fn takes_breaking(&self, dev: bool) -> bool {
        match self.breaking_changes {
            BreakingChanges::ByMode => dev,
            BreakingChanges::Refuse => false,
            BreakingChanges::Warn => true,
        }
    }

    /// [`Self::compile_wall_s`] as a duration.
    pub fn compile_wall(&self) -> Duration {
        Duration::from_secs(self.compile_wall_s)
    }

    /// [`Self::start_wait_ms`] as a duration; none when the start is the only time that files are taken.
    pub fn start_wait(&self) -> Option<Duration> {
        self.rescan().map(|_| Duration::from_millis(self.start_wait_ms))
    }

    /// [`Self::settle_ms`] as a duration.
    pub fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }

    /// [`Self::rescan_ms`] as a duration; none when the directory is looked at only at start.
    pub fn rescan(&self) -> Option<Duration> {
        (self.rescan_ms > 0).then(|| Duration::from_millis(self.rescan_ms))
    }
}
