//! What was found: one line each, with what to do about it.

use serde::Serialize;

use crate::cli::output;

/// From well to ill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    /// Worth a look.
    Hint,
    /// Something does not work, or will not, or lets in whom it should not.
    Fix,
}

#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What was looked at.
    pub(super) about: &'static str,
    pub(super) message: String,
    /// Absent where the message says it.
    pub(super) fix: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, about: &'static str, message: impl Into<String>) {
        self.add(Level::Ok, about, message.into(), None);
    }

    pub(super) fn hint(&mut self, about: &'static str, message: impl Into<String>, fix: Option<String>) {
        self.add(Level::Hint, about, message.into(), fix);
    }

    pub(super) fn fix(&mut self, about: &'static str, message: impl Into<String>, fix: Option<String>) {
        self.add(Level::Fix, about, message.into(), fix);
    }

    fn add(&mut self, level: Level, about: &'static str, message: String, fix: Option<String>) {
        self.0.push(Finding { level, about, message, fix });
    }

    pub(super) fn all(&self) -> &[Finding] {
        &self.0
    }

    /// How many were found that are at least so bad.
    pub(super) fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level >= level).count()
    }

    pub(super) fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    pub(super) fn lines(&self) -> String {
        let line = |finding: &Finding| {
            let Finding { level, about, message, fix } = finding;
            let level = match level {
                Level::Ok => "ok  ",
                Level::Hint => "hint",
                Level::Fix => "fix ",
            };
            let fix = fix.as_ref().map(|fix| format!("; {fix}")).unwrap_or_default();
            output::visible(&format!("{level}  {about}: {message}{fix}"))
        };
        let must = self.count(Level::Fix);
        let sum = match must {
            0 => "\nNothing must be fixed.".to_owned(),
            1 => "\nOne thing must be fixed.".to_owned(),
            _ => format!("\n{must} things must be fixed."),
        };
        self.0.iter().map(line).chain([sum]).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_one_line_with_its_fix() {
        let mut findings = Findings::default();
        findings.ok("clock", "it is right");
        assert_eq!((findings.worst(), findings.count(Level::Hint)), (Level::Ok, 0));
        findings.fix("plugins", "x.wasm: two\nlines", Some("remove it".into()));
        assert_eq!(findings.worst(), Level::Fix);
        let told = "ok    clock: it is right\nfix   plugins: x.wasm: two lines; remove it\n\nOne thing must be fixed.";
        assert_eq!(findings.lines(), told);
    }
}
