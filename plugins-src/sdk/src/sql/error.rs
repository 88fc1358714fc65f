//! Why a statement failed.

use std::fmt;

use super::{ConstraintKind, HostError};

pub type Result<T> = std::result::Result<T, Error>;

/// Why a statement failed, or why its rows could not be read.
#[derive(Debug)]
pub enum Error {
    /// The host refused the statement or could not run it.
    Host(HostError),
    /// A column is not what the code reading it expects.
    Column(ColumnError),
    /// One row was expected.
    RowCount { found: usize },
}

/// A column that is not what the code reading it expects.
#[derive(Debug, PartialEq, Eq)]
pub struct ColumnError {
    pub column: String,
    pub problem: ColumnProblem,
}

#[derive(Debug, PartialEq, Eq)]
pub enum ColumnProblem {
    /// The query did not select it.
    Missing,
    /// Its value was handed over by an earlier read.
    AlreadyRead,
    Type {
        expected: &'static str,
        found: &'static str,
    },
}

impl Error {
    /// Whether the statement broke a rule of this kind in the schema, which is then what to tell the caller.
    pub fn violates(&self, kind: ConstraintKind) -> bool {
        matches!(self, Self::Host(HostError::Constraint(violation)) if violation.kind == kind)
    }

    /// The service's error for this one: `why` where the statement broke a rule of this kind, which the caller can
    /// mend; otherwise what the service makes of every failed statement.
    pub fn explain<E: From<Self>>(self, kind: ConstraintKind, why: impl FnOnce() -> E) -> E {
        if self.violates(kind) { why() } else { self.into() }
    }

    /// What the plugin's caller may know: all about a database that is busy, nothing about the plugin's own
    /// statements and tables. What is kept back goes to standard error, where the plugin's author finds it.
    pub fn for_caller(&self) -> String {
        match self {
            Self::Host(HostError::Busy | HostError::Quota(_) | HostError::Timeout | HostError::Unavailable(_)) => {
                self.to_string()
            }
            _ => {
                eprintln!("a statement failed: {self}");
                "the plugin could not use its own data; its log says why".to_owned()
            }
        }
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(error) => describe(error, f),
            Self::Column(error) => error.fmt(f),
            Self::RowCount { found } => write!(f, "the query found {found} rows where it must find one"),
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for ColumnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = &self.column;
        match self.problem {
            ColumnProblem::Missing => write!(f, "column `{column}` is not among the columns the query selects"),
            ColumnProblem::AlreadyRead => write!(f, "column `{column}` was read before; keep what the first read gave"),
            ColumnProblem::Type { expected, found } => {
                write!(f, "column `{column}` should hold {expected}, but holds {found}")
            }
        }
    }
}

impl std::error::Error for ColumnError {}

/// The generated type has a `Display` of its own that prints its parts as Rust writes them; people get sentences.
fn describe(error: &HostError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        HostError::Constraint(broken) => {
            let rule = match broken.kind {
                ConstraintKind::Unique | ConstraintKind::PrimaryKey => "must be unique",
                ConstraintKind::ForeignKey => "must refer to a row that is there",
                ConstraintKind::NotNull => "must not be NULL",
                ConstraintKind::Check => "is a check that must hold",
                ConstraintKind::Other => "is a rule that must hold",
            };
            write!(f, "the statement breaks the schema: {} {rule}", broken.name)
        }
        HostError::Denied(denial) => write!(f, "plugins may not use {}: {}", denial.what, denial.why),
        HostError::Busy => f.write_str("the database is busy with other changes; try again"),
        HostError::Quota(limit) => write!(f, "a limit is reached: {limit}"),
        HostError::Syntax(error) if error.line == 0 => write!(f, "the SQL cannot be read: {}", error.message),
        HostError::Syntax(error) => {
            write!(f, "the SQL cannot be read at line {}, column {}: {}", error.line, error.column, error.message)
        }
        HostError::Invalid(why) => write!(f, "the statement does not fit the schema or its parameters: {why}"),
        HostError::Timeout => f.write_str("the time for the call was over before the database answered"),
        HostError::Unavailable(why) => write!(f, "the database cannot be used at the moment: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{ConstraintViolation, Denial};

    #[test]
    fn a_broken_rule_is_recognised_by_its_kind() {
        let violation = ConstraintViolation { kind: ConstraintKind::Unique, name: "contact.email".into() };
        let error = Error::from(HostError::Constraint(violation));
        assert!(error.violates(ConstraintKind::Unique));
        assert!(!error.violates(ConstraintKind::ForeignKey));
        assert_eq!(error.to_string(), "the statement breaks the schema: contact.email must be unique");
    }

    #[test]
    fn only_the_expected_rule_is_explained() {
        struct Told(String);
        impl From<Error> for Told {
            fn from(error: Error) -> Self {
                Self(error.to_string())
            }
        }
        let broken = |kind| Error::from(HostError::Constraint(ConstraintViolation { kind, name: "email".into() }));
        let told = |kind| broken(kind).explain(ConstraintKind::Unique, || Told("it is taken".to_owned())).0;
        assert_eq!(told(ConstraintKind::Unique), "it is taken");
        assert!(told(ConstraintKind::NotNull).contains("must not be NULL"));
    }

    #[test]
    fn callers_learn_nothing_of_the_plugins_tables() {
        let denial = Denial { what: "table `secret`".into(), why: "it is not this plugin's".into() };
        assert!(!Error::from(HostError::Denied(denial)).for_caller().contains("secret"));
        assert!(Error::from(HostError::Busy).for_caller().contains("try again"));
    }
}
