//! Any SQL, with texts for values. It uses the host's interface itself: the SDK commits or rolls back every transaction,
//! and here one has to be let go of without either.

use crate::exports::demo::probe::probe::{Error, SqlFailure};
use crate::tenon::host::sql::{self, ConstraintKind, Transaction, Value};

pub fn query(statement: &str, parameters: Vec<String>) -> Result<Vec<Vec<Option<String>>>, Error> {
    let found = sql::query(statement, &texts(parameters))?;
    Ok(found.rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect())
}

pub fn execute(statement: &str, parameters: Vec<String>) -> Result<u64, Error> {
    Ok(sql::execute(statement, &texts(parameters))?)
}

/// A transaction in which these statements have run, and how many rows they changed.
pub fn begin(statements: &[String]) -> Result<(Transaction, u64), Error> {
    let transaction = Transaction::begin()?;
    let mut changed = 0;
    for statement in statements {
        changed += transaction.execute(statement, &[])?;
    }
    Ok((transaction, changed))
}

pub fn commit(transaction: Transaction) -> Result<(), Error> {
    Ok(Transaction::commit(transaction)?)
}

fn texts(parameters: Vec<String>) -> Vec<Value> {
    parameters.into_iter().map(Value::Text).collect()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Boolean(boolean) => Some(boolean.to_string()),
        Value::Integer(integer) => Some(integer.to_string()),
        Value::Real(real) => Some(real.to_string()),
        Value::Text(text) => Some(text),
        Value::Blob(bytes) => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

impl From<sql::Error> for Error {
    fn from(error: sql::Error) -> Self {
        let (kind, message) = match error {
            sql::Error::Constraint(broken) => ("constraint", format!("{}: {}", rule(broken.kind), broken.name)),
            sql::Error::Denied(denial) => ("denied", format!("{}: {}", denial.what, denial.why)),
            sql::Error::Busy => ("busy", String::new()),
            sql::Error::Quota(limit) => ("quota", limit),
            sql::Error::Syntax(at) => ("syntax", format!("{}:{}: {}", at.line, at.column, at.message)),
            sql::Error::Invalid(why) => ("invalid", why),
            sql::Error::Timeout => ("timeout", String::new()),
            sql::Error::Unavailable(why) => ("unavailable", why),
        };
        Self::Sql(SqlFailure { kind: kind.to_owned(), message })
    }
}

fn rule(kind: ConstraintKind) -> &'static str {
    match kind {
        ConstraintKind::Unique => "unique",
        ConstraintKind::PrimaryKey => "primary-key",
        ConstraintKind::ForeignKey => "foreign-key",
        ConstraintKind::NotNull => "not-null",
        ConstraintKind::Check => "check",
        ConstraintKind::Other => "other",
    }
}
