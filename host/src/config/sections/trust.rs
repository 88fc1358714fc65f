//! Whose plugins are taken.

use serde::{Deserialize, Serialize};

use crate::config::section::section;

/// Whether something is taken that may be an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Leave {
    /// Never.
    Refuse,
    /// Always.
    Allow,
    /// In dev mode alone.
    Dev,
}

impl Leave {
    pub fn holds(self, dev: bool) -> bool {
        match self {
            Self::Refuse => false,
            Self::Allow => true,
            Self::Dev => dev,
        }
    }
}

section! {
    /// Whose plugins are taken. The keys are in the control plane: `tenon trust`.
    pub struct TrustConfig {
        /// Files that nobody signed who is trusted here: `refuse`, `allow`, or `dev` to allow them in dev mode alone.
        unsigned: Leave = Leave::Dev,
        /// Versions below the highest one that ever ran, unless they stayed in the directory: the same words.
        downgrade: Leave = Leave::Dev,
        /// Signatures of one file.
        signatures: usize = 8,
        /// The file of signatures beside a plugin.
        signature_file_bytes: u64 = 4_096,
        /// Keys that are trusted at once.
        keys: usize = 1_000,
    }
}
