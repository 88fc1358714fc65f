//! API keys: whose they are, what they may do, and for how long.
//!
//! A key is never removed and never prolonged: it is made, its end may come nearer, and it may be revoked.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::FromRow;

use super::DbError;
use super::rows::{MaybeMicros, Micros, TextList};

/// A key as it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// The public part of its text.
    pub id: String,
    /// Whose it is; none for an operator's.
    pub tenant: Option<String>,
    /// What people call it.
    pub name: String,
    pub role: String,
    /// Patterns of permissions beyond those of the role.
    pub permissions: Vec<String>,
    /// The keyed hash of id and secret, 32 bytes.
    pub mac: Vec<u8>,
    pub created_at: Timestamp,
    /// Who made it, as in the audit log.
    pub created_by: String,
    pub expires_at: Option<Timestamp>,
}

/// A key as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ApiKey {
    /// Rising in the order in which keys were made.
    pub sequence: i64,
    pub id: String,
    pub tenant: Option<String>,
    pub name: String,
    pub role: String,
    #[sqlx(try_from = "TextList")]
    pub permissions: Vec<String>,
    pub mac: Vec<u8>,
    #[sqlx(rename = "created_at_us", try_from = "Micros")]
    pub created_at: Timestamp,
    pub created_by: String,
    #[sqlx(rename = "expires_at_us", try_from = "MaybeMicros")]
    pub expires_at: Option<Timestamp>,
    #[sqlx(rename = "revoked_at_us", try_from = "MaybeMicros")]
    pub revoked_at: Option<Timestamp>,
    /// To the minute.
    #[sqlx(rename = "used_at_us", try_from = "MaybeMicros")]
    pub used_at: Option<Timestamp>,
}

/// Which keys are wanted. What is none does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiKeyFilter {
    pub tenant: Option<String>,
    /// Only keys made before the one of this sequence.
    pub before: Option<i64>,
}

/// The keys of the installation.
#[async_trait]
pub trait ApiKeys {
    /// Adds a key. False when there are `max` keys of this tenant (or of operators) already that can be used at its
    /// time of making; then nothing is added. It fails when there is no such tenant.
    async fn key_insert(&self, key: NewApiKey, max: u32) -> Result<bool, DbError>;

    /// The key of this id.
    async fn key_fetch(&self, key: &str) -> Result<Option<ApiKey>, DbError>;

    /// The latest keys that fit, the newest first, at most so many.
    async fn key_list(&self, filter: ApiKeyFilter, limit: u32) -> Result<Vec<ApiKey>, DbError>;

    /// Revokes a key for good. False when there is none, or it was revoked before.
    async fn key_revoke(&self, key: &str, at: Timestamp) -> Result<bool, DbError>;

    /// Lets a key end at this time. False when there is none, it was revoked, or it ends earlier already.
    async fn key_expire(&self, key: &str, at: Timestamp) -> Result<bool, DbError>;

    /// Notes that a key was used, unless a later use is noted.
    async fn key_used(&self, key: &str, at: Timestamp) -> Result<(), DbError>;

    /// The revision of the last change; 0 when there was none.
    async fn key_revision(&self) -> Result<i64, DbError>;

    /// The ids of keys that were made or changed after this revision, and the revision of the last of them, or the
    /// same if none was.
    async fn key_changes(&self, after: i64) -> Result<(Vec<String>, i64), DbError>;
}

pub(super) const KEY_INSERT: &str = "\
    INSERT INTO api_key (id, tenant, name, role, permissions, mac, created_at_us, created_by, expires_at_us, revision) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, (SELECT coalesce(max(revision), 0) + 1 FROM api_key) \
    WHERE (SELECT count(*) FROM api_key WHERE coalesce(tenant, '') = coalesce($2, '') AND revoked_at_us IS NULL \
           AND (expires_at_us IS NULL OR expires_at_us > $7)) < $10";

pub(super) const KEY_FETCH: &str = "\
    SELECT sequence, id, tenant, name, role, permissions, mac, created_at_us, created_by, expires_at_us, \
        revoked_at_us, used_at_us \
    FROM api_key WHERE id = $1";

/// Each filter that is NULL lets everything pass.
pub(super) const KEY_LIST: &str = "\
    SELECT sequence, id, tenant, name, role, permissions, mac, created_at_us, created_by, expires_at_us, \
        revoked_at_us, used_at_us \
    FROM api_key WHERE ($1 IS NULL OR tenant = $1) AND ($2 IS NULL OR sequence < $2) \
    ORDER BY sequence DESC LIMIT $3";

pub(super) const KEY_REVOKE: &str = "\
    UPDATE api_key SET revoked_at_us = $2, revision = (SELECT max(revision) + 1 FROM api_key) \
    WHERE id = $1 AND revoked_at_us IS NULL";

pub(super) const KEY_EXPIRE: &str = "\
    UPDATE api_key SET expires_at_us = $2, revision = (SELECT max(revision) + 1 FROM api_key) \
    WHERE id = $1 AND revoked_at_us IS NULL AND (expires_at_us IS NULL OR expires_at_us >= $2)";

pub(super) const KEY_USED: &str =
    "UPDATE api_key SET used_at_us = $2 WHERE id = $1 AND (used_at_us IS NULL OR used_at_us < $2)";

pub(super) const KEY_REVISION: &str = "SELECT coalesce(max(revision), 0) FROM api_key";

pub(super) const KEY_CHANGES: &str = "SELECT id, revision FROM api_key WHERE revision > $1 ORDER BY revision";
