//! The audit log in SQLite.

use async_trait::async_trait;
use futures::FutureExt;

use super::{SqliteControlPlane, transaction};
use crate::db::audit::{AUDIT_LIST, append};
use crate::db::{Audit, AuditEntry, AuditFilter, AuditRecord, DbError};

#[async_trait]
impl Audit for SqliteControlPlane {
    async fn audit_append(&self, entry: AuditEntry) -> Result<(), DbError> {
        transaction(&self.writer, "audit_append", |db| async move { append(db, &entry).await }.boxed()).await
    }

    async fn audit_list(&self, filter: AuditFilter, limit: u32) -> Result<Vec<AuditRecord>, DbError> {
        sqlx::query_as(AUDIT_LIST)
            .bind(filter.tenant)
            .bind(filter.actor)
            .bind(filter.operation)
            .bind(filter.target)
            .bind(filter.outcome)
            .bind(filter.correlation_id)
            .bind(filter.since.map(|since| since.as_microsecond()))
            .bind(filter.until.map(|until| until.as_microsecond()))
            .bind(filter.before)
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(DbError::during("audit_list"))
    }
}
