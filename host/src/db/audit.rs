//! The audit log: who changed what, when, and with what outcome.
//!
//! Append-only: there is no operation that alters or removes an entry, and the database refuses both.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{FromRow, SqliteConnection};

use super::DbError;
use super::rows::Micros;

/// What is written down of one change, or of one that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: Timestamp,
    /// Who did it, as `key:01J…`, `user:…`, `local` or `host`.
    pub actor: String,
    /// Whom it concerned; none for what concerns the whole installation.
    pub tenant: Option<String>,
    /// What was done, as `keys.create`.
    pub operation: String,
    /// What it was done to, as `crm 1.1.0`.
    pub target: String,
    /// JSON, without secrets.
    pub before: Option<String>,
    /// JSON, without secrets.
    pub after: Option<String>,
    /// `done`, or the code of the error.
    pub outcome: String,
    pub correlation_id: String,
    /// What it was for single tenants, where it was done to several at once.
    pub parts: Vec<AuditPart>,
}

/// An entry as one of several tenants reads it: nothing of the others is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPart {
    pub tenant: String,
    /// JSON, without secrets.
    pub before: Option<String>,
    /// JSON, without secrets.
    pub after: Option<String>,
}

/// An entry as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AuditRecord {
    /// Rising in the order in which entries were written.
    pub sequence: i64,
    #[sqlx(rename = "at_us", try_from = "Micros")]
    pub at: Timestamp,
    pub actor: String,
    pub tenant: Option<String>,
    pub operation: String,
    pub target: String,
    pub before: Option<String>,
    pub after: Option<String>,
    pub outcome: String,
    pub correlation_id: String,
}

/// Which entries are wanted. What is none does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Without one every entry as a whole, and no parts of any.
    pub tenant: Option<String>,
    pub actor: Option<String>,
    /// An operation, or all whose name begins so when it ends in `.`.
    pub operation: Option<String>,
    pub target: Option<String>,
    pub outcome: Option<String>,
    pub correlation_id: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Only entries written before the one of this sequence.
    pub before: Option<i64>,
}

/// Where changes are written down.
#[async_trait]
pub trait Audit {
    /// Writes one entry down with its parts, all or nothing. It is on disk when this returns.
    async fn audit_append(&self, entry: AuditEntry) -> Result<(), DbError>;

    /// The latest entries that fit, the newest first, at most so many.
    async fn audit_list(&self, filter: AuditFilter, limit: u32) -> Result<Vec<AuditRecord>, DbError>;
}

const AUDIT_INSERT: &str = "\
    INSERT INTO audit (at_us, actor, tenant, operation, target, before, after, outcome, correlation_id, part_of) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Each filter that is NULL lets everything pass.
pub(super) const AUDIT_LIST: &str = "\
    SELECT sequence, at_us, actor, tenant, operation, target, before, after, outcome, correlation_id FROM audit \
    WHERE CASE WHEN $1 IS NULL THEN part_of IS NULL ELSE tenant = $1 END AND ($2 IS NULL OR actor = $2) \
      AND ($3 IS NULL OR operation = $3 OR (substr($3, length($3)) = '.' AND substr(operation, 1, length($3)) = $3)) \
      AND ($4 IS NULL OR target = $4) AND ($5 IS NULL OR outcome = $5) AND ($6 IS NULL OR correlation_id = $6) \
      AND ($7 IS NULL OR at_us >= $7) AND ($8 IS NULL OR at_us < $8) AND ($9 IS NULL OR sequence < $9) \
    ORDER BY sequence DESC LIMIT $10";

/// Writes an entry down with its parts, within a transaction.
pub(super) async fn append(db: &mut SqliteConnection, entry: &AuditEntry) -> Result<(), sqlx::Error> {
    let AuditEntry { tenant, before, after, parts, .. } = entry;
    let whole = insert(db, entry, (tenant.as_deref(), before, after), None).await?;
    for AuditPart { tenant, before, after } in parts {
        insert(db, entry, (Some(tenant), before, after), Some(whole)).await?;
    }
    Ok(())
}

/// One row, and its sequence: whom it concerns, and what changed for them.
async fn insert(
    db: &mut SqliteConnection,
    entry: &AuditEntry,
    (tenant, before, after): (Option<&str>, &Option<String>, &Option<String>),
    part_of: Option<i64>,
) -> Result<i64, sqlx::Error> {
    let insert = sqlx::query(AUDIT_INSERT).bind(entry.at.as_microsecond()).bind(&entry.actor).bind(tenant);
    let insert = insert.bind(&entry.operation).bind(&entry.target).bind(before).bind(after);
    let insert = insert.bind(&entry.outcome).bind(&entry.correlation_id).bind(part_of);
    Ok(insert.execute(db).await?.last_insert_rowid())
}
