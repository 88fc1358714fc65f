//! When a changed file is read.
//!
//! Two rules, and each covers what the other cannot know. A file that was told to be closed or moved into place, and
//! was then left alone for `loader.settle_ms`, is likely to be whole: it is read at once, and what can be loaded is
//! taken. Whoever writes in pieces, closing in between, leaves halves that look the same; so that such a file cannot be
//! loaded is believed only when it stays as it is, as below. A file of which nothing was told is whole when two rescans
//! found it the same. One that is known to be open for writing is left alone, however long that takes; so is an
//! empty one that was opened when it was made, as by a shell that waits for what it is to write.

use super::Occasion;
use super::notice::Hints;
use crate::registry::directory::Identity;
use crate::registry::loader::Outcome;

/// A file that is not what was last loaded from it.
pub(super) struct Pending {
    pub identity: Identity,
    /// A rescan found it so.
    rescanned: bool,
    /// It could not be loaded when it was likely to be whole.
    pub doubtful: Option<Outcome>,
}

/// Whether a file is read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is left alone.
    No,
    /// What is good is taken; what is bad may yet become good.
    Likely,
    /// Whatever it is, that is what it holds.
    Surely,
}

impl Pending {
    pub fn new(identity: Identity) -> Self {
        Self { identity, rescanned: false, doubtful: None }
    }

    /// One that was read before and is to be read again.
    pub fn known(identity: Identity) -> Self {
        Self { identity, rescanned: true, doubtful: None }
    }

    /// Judges the file, which a look has found with the same identity as before.
    pub fn judge(&mut self, file: &str, occasion: Occasion, hints: &Hints) -> Settled {
        let rescanned = self.rescanned;
        self.rescanned |= occasion == Occasion::Rescan;
        if occasion == Occasion::Start {
            Settled::Surely
        } else if hints.open.contains(file) || hints.made.contains(file) && self.identity.is_empty() {
            Settled::No
        } else if occasion == Occasion::Rescan && rescanned {
            Settled::Surely
        } else if hints.whole.contains(file) && self.doubtful.is_none() {
            Settled::Likely
        } else {
            Settled::No
        }
    }
}
