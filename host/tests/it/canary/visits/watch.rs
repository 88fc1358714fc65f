//! What is found wrong, all of it, to be told at the end.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::finder::Finder;
use crate::common::Answer;

/// Looks at everything that others get, for the canaries of one tenant.
pub struct Watch {
    pub finder: Finder,
    looked_at: AtomicUsize,
    wrong: Mutex<BTreeSet<String>>,
    /// The names that others have said in changes: they may read them back.
    kept: Mutex<String>,
}

impl Watch {
    pub fn new(finder: Finder) -> Self {
        Self { finder, looked_at: AtomicUsize::default(), wrong: Mutex::default(), kept: Mutex::default() }
    }

    /// Looks at what somebody got for having said this.
    pub fn look(&self, who: &str, what: &str, said: &str, got: &[u8]) {
        self.looked_at.fetch_add(1, Ordering::Relaxed);
        let said = format!("{said}\n{}", self.kept.lock().unwrap());
        for canary in self.finder.foreign(got, &said) {
            let shown = String::from_utf8_lossy(got);
            self.wrong(format!("{who} finds {} ({}) by {what}:\n{shown}", canary.place, canary.text));
        }
    }

    /// The same for an answer over HTTP.
    pub fn look_at(&self, who: &str, what: &str, said: &str, answer: &Answer) {
        let headers = answer.headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        let bytes = [&headers.collect::<Vec<_>>().join(&b'\n')[..], answer.text.as_bytes()].join(&b'\n');
        self.look(who, what, said, &bytes);
    }

    /// Others have said this in a change, which may have been kept.
    pub fn keep(&self, said: &str) {
        let mut kept = self.kept.lock().unwrap();
        if !kept.contains(said) {
            kept.push_str(said);
            kept.push('\n');
        }
    }

    pub fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().insert(what);
    }

    /// How much was looked at.
    ///
    /// # Panics
    ///
    /// When something was wrong.
    pub fn end(self) -> usize {
        let wrong = self.wrong.into_inner().unwrap();
        assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), Vec::from_iter(wrong).join("\n\n"));
        self.looked_at.into_inner()
    }
}
