//! `tenon:host/sql`: a plugin's own tables, for the tenant of the call.
//!
//! Which database a statement runs on follows from the store alone: the context names the tenant, the
//! prepared plugin names itself. A database is opened, and its migrations applied, when a call first
//! touches it.

mod account;
mod backend;
mod check;
mod database;
mod entries;
mod error;
mod files;
mod functions;
mod guard;
mod history;
mod host;
mod inspect;
mod link;
mod memory;
mod migrate;
mod registry;
mod restore;
mod rows;
mod shared;
mod snapshots;
mod soundness;
#[cfg(test)]
mod testing;
mod transaction;
mod value;

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable, ResourceTableError};

pub use self::account::{Account, Run, Spent, Terms, Work};
pub use self::backend::{Brought, DataState, Kept, PluginTables, SqlBackend};
pub use self::check::{Checked, Purpose, check};
pub use self::database::TenantDatabase;
pub use self::entries::{ABSENT, Page, Swap, batch_too_large};
pub use self::error::{ConstraintKind, SqlError};
pub use self::history::Unreadable;
pub use self::host::HostDatabase;
pub use self::inspect::{Condition, condition};
pub use self::memory::limit_sqlite_memory;
pub use self::migrate::{Migration, Moved};
pub(super) use self::registry::Opened;
pub use self::registry::Purged;
pub use self::restore::Restored;
pub use self::shared::{Beside, Deed, Shared, SharedChange, SharedEntry, SharedInfo, SharedPage};
pub use self::snapshots::{InvalidSnapshotId, Snapshot, SnapshotId};
#[doc(hidden)]
pub use self::soundness::soundness;
pub use self::transaction::Transaction;
pub use self::value::{RowSet, Value};
use super::events::Publishing;
use crate::bindings::tenon::host::sql as wit;
use crate::fault;
use crate::id::{PluginId, TenantId};
use crate::usage::Taken;

/// What the capability needs to know of a call.
pub struct SqlContext {
    backend: Arc<SqlBackend>,
    tenant: TenantId,
    tables: Arc<PluginTables>,
    terms: Terms,
    /// Opened by the first statement. While the call holds it, no version migrates it and nobody restores it.
    database: Option<Opened>,
}

impl SqlContext {
    pub fn new(backend: Arc<SqlBackend>, tenant: TenantId, tables: Arc<PluginTables>, terms: Terms) -> Self {
        Self { backend, tenant, tables, terms, database: None }
    }

    /// What its statements are run under.
    pub(in crate::capability) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(in crate::capability) async fn database(&mut self) -> Result<Arc<TenantDatabase>, SqlError> {
        if self.tenant.is_nobody() {
            return Err(SqlError::unavailable("there is no tenant: the plugin is being installed or uninstalled"));
        }
        if let Some(opened) = &self.database {
            return Ok(opened.database.clone());
        }
        let opened = self.backend.open(&self.tenant, &self.tables, &self.terms).await?;
        Ok(self.database.insert(opened).database.clone())
    }
}

impl SqlContext {
    /// Changes rows of the host's own tables, for a capability that keeps something beside the plugin's.
    pub(super) async fn host_execute(&mut self, sql: &'static str, parameters: Vec<Value>) -> Result<u64, SqlError> {
        let database = self.database().await?;
        database.host_execute(sql, parameters, &self.terms).await
    }

    /// The database of another plugin for the same tenant, as it is, to read the host's own tables in it; none if there
    /// is none. Nobody migrates or restores it while this is held.
    pub(super) async fn visit(&self, plugin: &PluginId) -> Result<Option<Opened>, SqlError> {
        self.backend.visit_for(&self.tenant, plugin, &self.terms).await
    }

    /// When statements of this call are given up.
    pub(super) fn deadline(&self) -> Instant {
        self.terms.deadline
    }
}

/// The capability's view of a store.
pub struct SqlView<'a> {
    pub context: &'a mut SqlContext,
    pub table: &'a mut ResourceTable,
}

/// A transaction in a store's resource table. It rolls back when the table drops it.
pub struct TransactionHandle {
    pub(super) transaction: Transaction,
    /// There when an event was published in it. After the transaction, so that it has ended when that goes.
    pub(super) publishing: Option<Publishing>,
}

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
        fault::point("tenon:host/sql.query");
        let statement = self.context.tables.check(&statement)?;
        let database = self.context.database().await?;
        let rows = database.query(&statement, values(parameters), &self.context.terms).await?;
        Ok(row_set(rows))
    }

    async fn execute(&mut self, statement: String, parameters: Vec<wit::Value>) -> Result<u64, SqlFault> {
        fault::point("tenon:host/sql.execute");
        let statement = self.context.tables.check(&statement)?;
        let database = self.context.database().await?;
        Ok(database.execute(&statement, values(parameters), &self.context.terms).await?)
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
        fault::point("tenon:host/sql.[static]transaction.begin");
        let database = self.context.database().await?;
        let transaction = database.begin(&self.context.terms).await?;
        Ok(self.table.push(TransactionHandle { transaction, publishing: None })?)
    }

    async fn query(
        &mut self,
        transaction: Resource<TransactionHandle>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<wit::RowSet, SqlFault> {
        fault::point("tenon:host/sql.[method]transaction.query");
        let statement = self.context.tables.check(&statement)?;
        let deadline = self.context.terms.deadline;
        let TransactionHandle { transaction, .. } = self.table.get_mut(&transaction)?;
        let rows = transaction.query(&statement, values(parameters), deadline).await?;
        Ok(row_set(rows))
    }

    async fn execute(
        &mut self,
        transaction: Resource<TransactionHandle>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<u64, SqlFault> {
        fault::point("tenon:host/sql.[method]transaction.execute");
        let statement = self.context.tables.check(&statement)?;
        let deadline = self.context.terms.deadline;
        let TransactionHandle { transaction, .. } = self.table.get_mut(&transaction)?;
        Ok(transaction.execute(&statement, values(parameters), deadline).await?)
    }

    async fn commit(&mut self, transaction: Resource<TransactionHandle>) -> Result<(), SqlFault> {
        fault::point("tenon:host/sql.[static]transaction.commit");
        let deadline = self.context.terms.deadline;
        let TransactionHandle { transaction, mut publishing } = self.table.delete(transaction)?;
        // A call that is cut off from here on may have committed: what its events took stays taken.
        let taken = publishing.as_mut().map(Publishing::keep).unwrap_or_default();
        let committed = transaction.commit(deadline).await;
        if committed.is_err() {
            taken.into_iter().for_each(Taken::give_back);
        }
        // Its events are looked for now and not before.
        drop(publishing);
        Ok(committed?)
    }

    async fn rollback(&mut self, transaction: Resource<TransactionHandle>) -> wasmtime::Result<()> {
        fault::point("tenon:host/sql.[static]transaction.rollback");
        let TransactionHandle { transaction, .. } = self.table.delete(transaction)?;
        transaction.rollback().await;
        Ok(())
    }

    async fn drop(&mut self, transaction: Resource<TransactionHandle>) -> wasmtime::Result<()> {
        fault::point("tenon:host/sql.[resource-drop]transaction");
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
        full @ (SqlError::Full | SqlError::NoMemory) => wit::Error::Unavailable(full.to_string()),
    }
}
