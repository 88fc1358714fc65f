//! A plugin's database as the host uses it, for its own tables in it.

use super::{
    account::Terms,
    error::SqlError,
    registry::Opened,
    transaction::Transaction,
    value::{RowSet, Value},
};

/// A database that is open for the host, which nobody restores or migrates meanwhile.
#[derive(Debug)]
pub struct HostDatabase {
    opened: Opened,
    terms: Terms,
}

impl HostDatabase {
    pub(super) fn new(opened: Opened, terms: Terms) -> Self {
        Self { opened, terms }
    }

    /// Runs a statement that returns rows.
    ///
    /// # Errors
    /// Those of any statement; no schema and no type can be wrong.
    pub async fn query(&self, sql: &'static str, parameters: Vec<Value>) -> Result<RowSet, SqlError> {
        self.opened.database.host_query(sql, parameters, &self.terms).await
    }

    /// Runs a statement that changes rows, and returns how many.
    ///
    /// # Errors
    /// Those of any statement.
    pub async fn execute(&self, sql: &'static str, parameters: Vec<Value>) -> Result<u64, SqlError> {
        self.opened.database.host_execute(sql, parameters, &self.terms).await
    }

    /// Reads when everybody who writes is done, so that nothing is missed that a call which was given up still commits.
    ///
    /// # Errors
    /// `Busy` or `Timeout` when somebody writes for too long.
    pub async fn query_alone(&self, sql: &'static str) -> Result<RowSet, SqlError> {
        let deadline = self.terms.deadline;
        let mut transaction: Transaction = self.opened.database.begin(&self.terms).await?;
        let rows = transaction.host_query(sql, Vec::new(), deadline).await;
        transaction.rollback().await;
        rows
    }
}
