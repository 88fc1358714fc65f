//! What is wrong with a manifest, told so that its author can mend it: where, what was found, what
//! was expected, and the fix.
//!
//! Bound: at most [`MAX_PROBLEMS`] are kept, the rest are counted, and a place is shown cut short where its names
//! are long or it lies deep, so that a report stays readable whatever was sent.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::id::excerpt;

/// How many problems one report lists.
pub const MAX_PROBLEMS: usize = 100;

/// How many steps of a place are shown.
const SHOWN_STEPS: usize = 32;

/// A place in a JSON document, printed as `$.endpoints[2].path`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(Arc<str>),
    Item(usize),
}

impl JsonPath {
    pub fn root() -> Self {
        JsonPath::default()
    }

    pub fn field(&self, name: impl AsRef<str>) -> Self {
        self.and(Step::Field(name.as_ref().into()))
    }

    pub fn item(&self, index: usize) -> Self {
        self.and(Step::Item(index))
    }

    /// The field of the document that this place lies in; none for the document itself.
    pub fn top_field(&self) -> Option<&str> {
        match self.0.first() {
            Some(Step::Field(name)) => Some(name),
            _ => None,
        }
    }

    fn and(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        JsonPath(steps)
    }
}

/// One thing wrong at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    pub path: JsonPath,
    pub found: String,
    pub expected: String,
    pub fix: String,
}

/// Everything wrong with one manifest: first what lacks its shape, in the order of the document,
/// then what disagrees.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestErrors {
    pub problems: Vec<Problem>,
    /// How many more there are than are listed.
    pub unlisted: usize,
}

/// Gathers problems, up to the bound.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    unlisted: usize,
}

impl Problems {
    pub fn add(
        &mut self,
        path: &JsonPath,
        found: impl Into<String>,
        expected: impl Into<String>,
        fix: impl Into<String>,
    ) {
        if self.found.len() == MAX_PROBLEMS {
            self.unlisted += 1;
            return;
        }
        self.found.push(Problem {
            path: path.clone(),
            found: found.into(),
            expected: expected.into(),
            fix: fix.into(),
        });
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.found.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether problems went unlisted, so that `iter` no longer tells every place.
    pub fn is_full(&self) -> bool {
        self.unlisted > 0
    }

    pub fn append(&mut self, other: Problems) {
        for problem in other.found {
            self.add(&problem.path, problem.found, problem.expected, problem.fix);
        }
        self.unlisted += other.unlisted;
    }

    pub fn into_result<T>(self, value: T) -> Result<T, ManifestErrors> {
        if self.is_empty() { Ok(value) } else { Err(self.into_errors()) }
    }

    pub fn into_errors(self) -> ManifestErrors {
        ManifestErrors { problems: self.found, unlisted: self.unlisted }
    }
}

/// Joins what is allowed for a reader: `a, b, c`, each in backquotes.
pub(super) fn quoted_list(names: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$');
        f.write_str("$")?;
        for step in self.0.iter().take(SHOWN_STEPS) {
            match step {
                Step::Field(name) if plain(name) => write!(f, ".{}", excerpt(name))?,
                Step::Field(name) => write!(f, "[{:?}]", excerpt(name))?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        if self.0.len() > SHOWN_STEPS { f.write_str("…") } else { Ok(()) }
    }
}

impl Serialize for JsonPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { path, found, expected, fix } = self;
        write!(f, "{path}: found {found}; expected {expected}. Fix: {fix}")
    }
}

impl fmt::Display for ManifestErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len() + self.unlisted;
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "the manifest has {count} {noun}:")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        if self.unlisted > 0 {
            write!(f, "\n  and {} more", self.unlisted)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_prints_as_one_would_write_it() {
        let path = JsonPath::root().field("endpoints").item(2).field("a b");
        assert_eq!(path.to_string(), "$.endpoints[2][\"a b\"]");
        assert_eq!(path.top_field(), Some("endpoints"));
        assert_eq!(JsonPath::root().to_string(), "$");
    }

    #[test]
    fn a_place_is_cut_short_where_it_is_long_or_deep() {
        let long = JsonPath::root().field("k".repeat(100_000)).field("\u{7f}".repeat(100_000));
        assert!(long.to_string().len() < 600, "{long}");
        let deep = (0..100).fold(JsonPath::root(), |path, _| path.field("a"));
        assert_eq!(deep.to_string(), format!("${}…", ".a".repeat(SHOWN_STEPS)));
        assert_ne!(deep, deep.field("b"));
    }

    #[test]
    fn a_report_is_bounded_and_says_what_it_leaves_out() {
        let mut problems = Problems::default();
        for _ in 0..MAX_PROBLEMS + 5 {
            problems.add(&JsonPath::root(), "a", "b", "c");
        }
        assert!(problems.is_full());
        let errors = problems.into_errors();
        assert_eq!((errors.problems.len(), errors.unlisted), (MAX_PROBLEMS, 5));
        let text = errors.to_string();
        assert!(text.starts_with("the manifest has 105 problems:\n  $: found a; expected b. Fix: c\n"));
        assert!(text.ends_with("and 5 more"));
    }
}
