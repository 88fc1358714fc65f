//! What came of computing a report.

use tenon_plugin::decimal::OutOfRange;

use crate::exports::analytics::reports::reports::ReportData;

/// A report's figures, and the account of where they come from and what is missing.
#[derive(Default)]
pub struct Outcome {
    pub data: Option<ReportData>,
    /// The services that answered.
    pub sources: Vec<&'static str>,
    pub records: u64,
    problems: Vec<String>,
}

/// Why a part of a report is missing, in words for the reader of the report.
pub struct Problem(pub String);

impl From<OutOfRange> for Problem {
    fn from(error: OutOfRange) -> Self {
        Self(error.to_string())
    }
}

impl Outcome {
    /// The answer of a service, if it gave one; otherwise the report will say why not.
    pub fn answer<T>(&mut self, source: &'static str, answer: Result<T, Problem>) -> Option<T> {
        let answer = self.keep(answer)?;
        if !self.sources.contains(&source) {
            self.sources.push(source);
        }
        Some(answer)
    }

    /// The figure, if it could be computed; otherwise the report will say why not, once for each reason.
    pub fn keep<T>(&mut self, figure: Result<T, Problem>) -> Option<T> {
        match figure {
            Ok(figure) => Some(figure),
            Err(Problem(why)) => {
                if !self.problems.contains(&why) {
                    self.problems.push(why);
                }
                None
            }
        }
    }

    pub fn error(&self) -> Option<String> {
        (!self.problems.is_empty()).then(|| self.problems.join("; "))
    }
}
