//! `tenon:host/sql`: a plugin's own tables, for the tenant of the call.
//!
//! Which database a statement runs on follows from the store alone: the context names the tenant, the
//! prepared plugin names itself. A database is opened, and its migrations applied, when a call first
//! touches it.

mod backend;
mod check;
mod database;
mod error;
mod guard;
mod link;
mod migrate;
mod registry;
mod transaction;
mod value;

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable, ResourceTableError};

pub use self::backend::{PluginTables, SqlBackend};
pub use self::check::{Checked, Purpose, check};
pub use self::database::TenantDatabase;
pub use self::error::{ConstraintKind, SqlError};
pub use self::migrate::Migration;
pub use self::transaction::Transaction;
pub use self::value::{RowSet, Value};
use crate::bindings::tenon::host::sql as wit;
use crate::id::TenantId;

/// What the capability needs to know of a call.
pub struct SqlContext {
    backend: Arc<SqlBackend>,
    tenant: TenantId,
    tables: Arc<PluginTables>,
    deadline: Instant,
    /// Opened by the first statement.
    database: Option<Arc<TenantDatabase>>,
}

impl SqlContext {
    pub fn new(backend: Arc<SqlBackend>, tenant: TenantId, tables: Arc<PluginTables>, deadline: Instant) -> Self {
        Self { backend, tenant, tables, deadline, database: None }
    }

    async fn database(&mut self) -> Result<Arc<TenantDatabase>, SqlError> {
        if let Some(database) = &self.database {
            return Ok(database.clone());
        }
        let database = self.backend.open(&self.tenant, &self.tables, self.deadline).await?;
        Ok(self.database.insert(database).clone())
    }
}

/// The capability's view of a store.
pub struct SqlView<'a> {
    pub context: &'a mut SqlContext,
    pub table: &'a mut ResourceTable,
}

/// A transaction in a store's resource table. It rolls back when the table drops it.
pub struct TransactionHandle(Transaction);

/// An error of this interface on its way out: the plugin's to handle, or the end of its instance.
#[derive(Debug, thiserror::Error)]
pub enum SqlFault {
    #[error(transparent)]
    Guest(#[from] SqlError),
    /// The plugin used a handle it does not hold, or holds too many.
    #[error(transparent)]
    Handle(#[from] ResourceTableError),
}

impl wit::Host for SqlView<'_> {
    async fn query(&mut self, statement: String, parameters: Vec<wit::Value>) -> Result<wit::RowSet, SqlFault> {
        let statement = self.context.tables.check(&statement)?;
        let database = self.context.database().await?;
        let rows = database.query(&statement, values(parameters), self.context.deadline).await?;
        Ok(row_set(rows))
    }

    async fn execute(&mut self, statement: String, parameters: Vec<wit::Value>) -> Result<u64, SqlFault> {
        let statement = self.context.tables.check(&statement)?;
        let database = self.context.database().await?;
        Ok(database.execute(&statement, values(parameters), self.context.deadline).await?)
    }

    fn convert_error(&mut self, fault: SqlFault) -> wasmtime::Result<wit::Error> {
        match fault {
            SqlFault::Guest(error) => Ok(guest_error(error)),
            SqlFault::Handle(error) => Err(error.into()),
        }
    }
}

impl wit::HostTransaction for SqlView<'_> {
    async fn begin(&mut self) -> Result<Resource<TransactionHandle>, SqlFault> {
        let database = self.context.database().await?;
        let transaction = database.begin(self.context.deadline).await?;
        Ok(self.table.push(TransactionHandle(transaction))?)
    }

    async fn query(
        &mut self,
        transaction: Resource<TransactionHandle>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<wit::RowSet, SqlFault> {
        let statement = self.context.tables.check(&statement)?;
        let deadline = self.context.deadline;
        let TransactionHandle(transaction) = self.table.get_mut(&transaction)?;
        let rows = transaction.query(&statement, values(parameters), deadline).await?;
        Ok(row_set(rows))
    }

    async fn execute(
        &mut self,
        transaction: Resource<TransactionHandle>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<u64, SqlFault> {
        let statement = self.context.tables.check(&statement)?;
        let deadline = self.context.deadline;
        let TransactionHandle(transaction) = self.table.get_mut(&transaction)?;
        Ok(transaction.execute(&statement, values(parameters), deadline).await?)
    }

    async fn commit(&mut self, transaction: Resource<TransactionHandle>) -> Result<(), SqlFault> {
        let deadline = self.context.deadline;
        let TransactionHandle(transaction) = self.table.delete(transaction)?;
        Ok(transaction.commit(deadline).await?)
    }

    async fn rollback(&mut self, transaction: Resource<TransactionHandle>) -> wasmtime::Result<()> {
        let TransactionHandle(transaction) = self.table.delete(transaction)?;
        transaction.rollback().await;
        Ok(())
    }

    async fn drop(&mut self, transaction: Resource<TransactionHandle>) -> wasmtime::Result<()> {
        // Absent when it was committed or rolled back through its own handle.
        let _ = self.table.delete(transaction);
        Ok(())
    }
}

/// Adds the interface to a linker whose stores can give a [`SqlView`].
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> SqlView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasSql>(linker, view)
}

struct HasSql;

impl HasData for HasSql {
    type Data<'a> = SqlView<'a>;
}

fn values(values: Vec<wit::Value>) -> Vec<Value> {
    values
        .into_iter()
        .map(|value| match value {
            wit::Value::Null => Value::Null,
            wit::Value::Boolean(value) => Value::Boolean(value),
            wit::Value::Integer(value) => Value::Integer(value),
            wit::Value::Real(value) => Value::Real(value),
            wit::Value::Text(value) => Value::Text(value),
            wit::Value::Blob(value) => Value::Blob(value),
        })
        .collect()
}

fn row_set(rows: RowSet) -> wit::RowSet {
    let value = |value| match value {
        Value::Null => wit::Value::Null,
        Value::Boolean(value) => wit::Value::Boolean(value),
        Value::Integer(value) => wit::Value::Integer(value),
        Value::Real(value) => wit::Value::Real(value),
        Value::Text(value) => wit::Value::Text(value),
        Value::Blob(value) => wit::Value::Blob(value),
    };
    wit::RowSet {
        columns: rows.columns,
        rows: rows.rows.into_iter().map(|row| row.into_iter().map(value).collect()).collect(),
    }
}

fn guest_error(error: SqlError) -> wit::Error {
    match error {
        SqlError::Constraint { kind, name } => {
            let kind = match kind {
                ConstraintKind::Unique => wit::ConstraintKind::Unique,
                ConstraintKind::PrimaryKey => wit::ConstraintKind::PrimaryKey,
                ConstraintKind::ForeignKey => wit::ConstraintKind::ForeignKey,
                ConstraintKind::NotNull => wit::ConstraintKind::NotNull,
                ConstraintKind::Check => wit::ConstraintKind::Check,
                ConstraintKind::Other => wit::ConstraintKind::Other,
            };
            wit::Error::Constraint(wit::ConstraintViolation { kind, name })
        }
        SqlError::Denied { what, why } => wit::Error::Denied(wit::Denial { what, why }),
        SqlError::Busy => wit::Error::Busy,
        SqlError::Quota(limit) => wit::Error::Quota(limit),
        SqlError::Syntax { message, line, column } => wit::Error::Syntax(wit::SyntaxError { message, line, column }),
        SqlError::Invalid(message) => wit::Error::Invalid(message),
        SqlError::Timeout => wit::Error::Timeout,
        SqlError::Unavailable(reason) => wit::Error::Unavailable(reason),
    }
}
