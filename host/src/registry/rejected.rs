//! A file that was found and is not loaded, with the reason in words that are safe to show.
//!
//! A reason quotes the file: names of functions, text of a manifest. Whatever of that could move a terminal's
//! cursor is escaped here, once, and a long reason is cut, so that nobody who shows one needs to think of it.

use std::sync::Arc;

use jiff::Timestamp;

use super::claims::ClaimError;
use super::contract::Breach;
use super::directory::unprintable;
use super::plugin::Plugin;
use super::swap::SwapError;
use crate::runtime::PluginKey;

/// Characters of one reason.
const REASON_MAX: usize = 4_000;

/// A file that was found and not loaded.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// As it can be shown.
    pub file_name: String,
    /// Absent when the file could not be read to its end.
    pub sha256: Option<String>,
    /// What it says it is. Absent when its manifest could not be read.
    pub key: Option<PluginKey>,
    /// The plugin whose service it claims, or those that it would break.
    pub against: Vec<String>,
    /// The promise of an earlier version that it does not keep.
    pub breach: Option<Arc<Breach>>,
    /// The plugin itself, where it would run if something else were decided: a grant, a rollout, a pin.
    pub undecided: Option<Arc<Plugin>>,
    pub reason: String,
    pub seen_at: Timestamp,
}

impl Rejected {
    pub(super) fn new(file_name: String, sha256: Option<String>, key: Option<PluginKey>, reason: &str) -> Self {
        let (reason, seen_at) = (printable(reason), Timestamp::now());
        Self { file_name, sha256, key, against: Vec::new(), breach: None, undecided: None, reason, seen_at }
    }

    /// A plugin that claims what is somebody else's, or breaks what it promised.
    pub(super) fn claimed(file_name: &str, plugin: &Arc<Plugin>, error: &ClaimError) -> Self {
        let breach = error.breach().cloned().map(Arc::new);
        Self { against: error.against(), breach, ..Self::plugin(file_name, plugin, &error.to_string()) }
    }

    /// A plugin that cannot take the place of the one that runs.
    pub(super) fn swap(file_name: &str, plugin: &Arc<Plugin>, error: &SwapError) -> Self {
        let undecided = matches!(error, SwapError::Inactive { .. }).then(|| plugin.clone());
        Self { undecided, ..Self::plugin(file_name, plugin, &error.to_string()) }
    }

    fn plugin(file_name: &str, plugin: &Arc<Plugin>, reason: &str) -> Self {
        let (sha256, key) = (plugin.sha256.clone(), plugin.key().clone());
        Self { seen_at: plugin.loaded_at, ..Self::new(file_name.to_string(), Some(sha256), Some(key), reason) }
    }

    /// All those that are too many to be looked at.
    pub(super) fn beyond(more: usize, limit: usize) -> Self {
        let reason = format!(
            "only {limit} files of the directory are looked at (loader.files): remove some, or raise the limit"
        );
        Self::new(format!("({more} more)"), None, None, &reason)
    }

    /// Whether it has to do with the plugin of this id: it says it is that plugin, claims its service or would
    /// break it.
    pub fn concerns(&self, plugin: &str) -> bool {
        let is = self.key.as_ref().is_some_and(|key| key.id.as_str() == plugin);
        is || self.against.iter().any(|other| other == plugin)
    }
}

pub(super) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(REASON_MAX) {
        if character != '\n' && unprintable(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if text.chars().nth(REASON_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_moves_no_cursor_and_has_an_end() {
        assert_eq!(printable("`\u{1b}[2J\u{202e}x`\n  é"), "`\\u{1b}[2J\\u{202e}x`\n  é");
        let long = printable(&"x".repeat(1_000_000));
        assert_eq!(long.chars().count(), REASON_MAX + 1);
    }
}
