//! The plugin's own tables, for the tenant of the call.
//!
//! Plain SQL, one statement at a time, values as parameters `$1`, `$2`, …. The host picks the tenant's database
//! and checks every statement. The free functions here run a statement in a transaction of its own;
//! [`transaction`] makes several take effect together.
//!
//! ```ignore
//! let name: Option<String> = sql::query_optional("SELECT name FROM customer WHERE id = $1", params![id])?;
//! ```

mod columns;
mod error;
mod filter;
mod join;
mod page;
mod row;
mod value;

pub use self::columns::Columns;
pub use self::error::{ColumnError, ColumnProblem, Error, Result};
pub use self::filter::{Filter, contains_pattern, search_text};
pub use self::join::join;
pub use self::page::{page, page_as};
pub use self::row::{FromRow, Row, Rows};
pub use self::value::FromValue;
pub use crate::bindings::tenon::host::sql::{
    ConstraintKind, ConstraintViolation, Denial, Error as HostError, SyntaxError, Value,
};
pub use crate::params;

use crate::bindings::tenon::host::sql as host;
use crate::events::{self, Draft};
use crate::notifications::{self, Notification, To};

/// Something that runs statements: the [`Database`] itself, or a [`Transaction`] on it. A function that
/// takes `&impl Executor` works in both.
pub trait Executor {
    /// Runs a statement that returns rows.
    fn query(&self, statement: &str, parameters: &[Value]) -> Result<Rows>;

    /// Runs a statement that changes rows, and returns how many it changed.
    fn execute(&self, statement: &str, parameters: &[Value]) -> Result<u64>;

    /// The rows found, each as a `T`.
    fn query_as<T: FromRow>(&self, statement: &str, parameters: &[Value]) -> Result<Vec<T>> {
        row::read_all(self.query(statement, parameters)?)
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

    /// Adds a row to the table.
    fn insert(&self, table: &str, columns: Columns) -> Result<()> {
        let (statement, parameters) = columns.insertion(table);
        self.execute(&statement, &parameters).map(drop)
    }

    /// Adds rows to the table in one statement; none where there are no rows. Their number times that of the
    /// columns is limited to the parameters a statement may have.
    fn insert_all<const N: usize>(
        &self,
        table: &str,
        columns: [&'static str; N],
        rows: impl IntoIterator<Item = [Value; N]>,
    ) -> Result<()> {
        let parameters: Vec<Value> = rows.into_iter().flatten().collect();
        if parameters.is_empty() {
            return Ok(());
        }
        self.execute(&columns::insertion(table, &columns, parameters.len() / N), &parameters).map(drop)
    }

    /// Changes the row of this `id`, and returns how many rows that are: 1, or 0 where there is none.
    fn update(&self, table: &str, id: impl Into<Value>, columns: Columns) -> Result<u64> {
        let (statement, parameters) = columns.change(table, id.into());
        self.execute(&statement, &parameters)
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
pub struct Transaction(pub(crate) host::Transaction);

impl Transaction {
    /// Publishes an event if this transaction commits. See [`events`](crate::events).
    pub fn publish(&self, topic: &str, data: &impl serde::Serialize) -> events::Result<String> {
        Draft::new(topic, data)?.publish_in(self)
    }

    /// Sends a notification if this transaction commits. See [`notifications`](crate::notifications).
    pub fn notify(&self, to: To<'_>, notification: Notification) -> notifications::Result<String> {
        notification.send_in(self, to)
    }
}

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
