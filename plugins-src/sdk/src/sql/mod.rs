//! The plugin's own tables, for the tenant of the call.
//!
//! Plain SQL, one statement at a time, values as parameters `$1`, `$2`, …. The host picks the tenant's database
//! and checks every statement. The free functions here run a statement in a transaction of its own;
//! [`transaction`] makes several take effect together.
//!
//! ```ignore
//! let name: Option<String> = sql::query_optional("SELECT name FROM customer WHERE id = $1", params![id])?;
//! ```

mod error;
mod filter;
mod page;
mod row;
mod value;

pub use self::error::{ColumnError, ColumnProblem, Error, Result};
pub use self::filter::{Filter, contains_pattern};
pub use self::page::page;
pub use self::row::{FromRow, Row, Rows};
pub use self::value::FromValue;
pub use crate::bindings::tenon::host::sql::{
    ConstraintKind, ConstraintViolation, Denial, Error as HostError, SyntaxError, Value,
};
pub use crate::params;

use crate::bindings::tenon::host::sql as host;

/// Something that runs statements: the [`Database`] itself, or a [`Transaction`] on it. A function that
/// takes `&impl Executor` works in both.
pub trait Executor {
    /// Runs a statement that returns rows.
    fn query(&self, statement: &str, parameters: &[Value]) -> Result<Rows>;

    /// Runs a statement that changes rows, and returns how many it changed.
    fn execute(&self, statement: &str, parameters: &[Value]) -> Result<u64>;

    /// The rows found, each as a `T`.
    fn query_as<T: FromRow>(&self, statement: &str, parameters: &[Value]) -> Result<Vec<T>> {
        self.query(statement, parameters)?.map(|mut row| T::from_row(&mut row)).collect()
    }

    /// The one row found; [`Error::RowCount`] when there is none or more than one.
    fn query_one<T: FromRow>(&self, statement: &str, parameters: &[Value]) -> Result<T> {
        self.query_optional(statement, parameters)?.ok_or(Error::RowCount { found: 0 })
    }

    /// The row found, if there is one; [`Error::RowCount`] when there are more.
    fn query_optional<T: FromRow>(&self, statement: &str, parameters: &[Value]) -> Result<Option<T>> {
        let mut rows = self.query(statement, parameters)?;
        match rows.len() {
            0 | 1 => rows.next().map(|mut row| T::from_row(&mut row)).transpose(),
            found => Err(Error::RowCount { found }),
        }
    }
}

/// The tenant's database. Each statement is a transaction of its own, on disk when the call returns.
pub struct Database;

impl Executor for Database {
    fn query(&self, statement: &str, parameters: &[Value]) -> Result<Rows> {
        Ok(Rows::from(host::query(statement, parameters)?))
    }

    fn execute(&self, statement: &str, parameters: &[Value]) -> Result<u64> {
        Ok(host::execute(statement, parameters)?)
    }
}

/// Statements that take effect together or not at all. See [`transaction`].
pub struct Transaction(host::Transaction);

impl Executor for Transaction {
    fn query(&self, statement: &str, parameters: &[Value]) -> Result<Rows> {
        Ok(Rows::from(self.0.query(statement, parameters)?))
    }

    fn execute(&self, statement: &str, parameters: &[Value]) -> Result<u64> {
        Ok(self.0.execute(statement, parameters)?)
    }
}

/// Runs `work` in one transaction: committed when it returns `Ok`, rolled back when it returns `Err`.
///
/// The transaction holds the only write lock of the tenant's database, so do inside it only what must be
/// there: no calls of other plugins, no waiting.
pub fn transaction<T, E: From<Error>>(
    work: impl FnOnce(&Transaction) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let transaction = Transaction(host::Transaction::begin().map_err(Error::from)?);
    match work(&transaction) {
        Ok(done) => {
            host::Transaction::commit(transaction.0).map_err(Error::from)?;
            Ok(done)
        }
        Err(error) => {
            host::Transaction::rollback(transaction.0);
            Err(error)
        }
    }
}

/// Runs a statement that returns rows.
pub fn query(statement: &str, parameters: &[Value]) -> Result<Rows> {
    Database.query(statement, parameters)
}

/// Runs a statement that changes rows, and returns how many it changed. When it returns, the change is on disk.
pub fn execute(statement: &str, parameters: &[Value]) -> Result<u64> {
    Database.execute(statement, parameters)
}

/// The rows found, each as a `T`.
pub fn query_as<T: FromRow>(statement: &str, parameters: &[Value]) -> Result<Vec<T>> {
    Database.query_as(statement, parameters)
}

/// The one row found; [`Error::RowCount`] when there is none or more than one.
pub fn query_one<T: FromRow>(statement: &str, parameters: &[Value]) -> Result<T> {
    Database.query_one(statement, parameters)
}

/// The row found, if there is one; [`Error::RowCount`] when there are more.
pub fn query_optional<T: FromRow>(statement: &str, parameters: &[Value]) -> Result<Option<T>> {
    Database.query_optional(statement, parameters)
}
