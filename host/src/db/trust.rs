//! Whose signatures count, and which versions of plugins were there before.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::FromRow;

use super::DbError;
use super::rows::{Micros, TextList};

/// A key whose signatures count.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct TrustedKey {
    /// What the operator calls it.
    pub name: String,
    /// As `ed25519:` and Base64.
    pub public_key: String,
    /// The patterns of plugin ids it may sign.
    #[sqlx(try_from = "TextList")]
    pub plugins: Vec<String>,
    #[sqlx(rename = "added_at_us", try_from = "Micros")]
    pub added_at: Timestamp,
}

/// The highest version of a plugin that ever took calls.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct HighestVersion {
    pub plugin: String,
    pub version: String,
}

/// A version that did not go away since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KeptVersion {
    pub plugin: String,
    pub version: String,
    pub file_name: String,
}

/// Where that is written down.
#[async_trait]
pub trait Trust {
    /// All trusted keys, by name.
    async fn trusted_key_list(&self) -> Result<Vec<TrustedKey>, DbError>;

    /// Adds a key. False when there is one of that name, or the same key under another; then nothing changes.
    async fn trusted_key_add(&self, key: TrustedKey) -> Result<bool, DbError>;

    /// Lets a key sign these plugins instead of those that it was read with. False when it is no longer as it was read;
    /// then nothing changes.
    async fn trusted_key_alter(&self, read: TrustedKey, plugins: Vec<String>) -> Result<bool, DbError>;

    /// Removes the key of this name and gives it, if there was one.
    async fn trusted_key_remove(&self, name: &str) -> Result<Option<TrustedKey>, DbError>;

    /// By plugin.
    async fn highest_version_list(&self) -> Result<Vec<HighestVersion>, DbError>;

    /// Forgets the highest version of a plugin; whether one was remembered.
    async fn highest_version_forget(&self, plugin: &str) -> Result<bool, DbError>;

    /// By plugin and text of the version.
    async fn kept_version_list(&self) -> Result<Vec<KeptVersion>, DbError>;

    /// Writes down the highest versions, leaving those of other plugins as they are, and makes the kept ones exactly
    /// these, in one transaction.
    async fn versions_note(&self, highest: Vec<HighestVersion>, kept: Vec<KeptVersion>) -> Result<(), DbError>;
}

pub(super) const TRUSTED_KEY_LIST: &str =
    "SELECT name, public_key, plugins, added_at_us FROM trusted_key ORDER BY name";

pub(super) const TRUSTED_KEY_INSERT: &str = "\
    INSERT INTO trusted_key (name, public_key, plugins, added_at_us) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

pub(super) const TRUSTED_KEY_UPDATE: &str =
    "UPDATE trusted_key SET plugins = $4 WHERE name = $1 AND public_key = $2 AND plugins = $3";

pub(super) const TRUSTED_KEY_DELETE: &str =
    "DELETE FROM trusted_key WHERE name = $1 RETURNING name, public_key, plugins, added_at_us";

pub(super) const HIGHEST_VERSION_LIST: &str = "SELECT plugin, version FROM highest_version ORDER BY plugin";

pub(super) const HIGHEST_VERSION_UPSERT: &str = "\
    INSERT INTO highest_version (plugin, version) VALUES ($1, $2) \
    ON CONFLICT (plugin) DO UPDATE SET version = excluded.version";

pub(super) const HIGHEST_VERSION_DELETE: &str = "DELETE FROM highest_version WHERE plugin = $1";

pub(super) const KEPT_VERSION_LIST: &str =
    "SELECT plugin, version, file_name FROM kept_version ORDER BY plugin, version";

pub(super) const KEPT_VERSION_CLEAR: &str = "DELETE FROM kept_version";

pub(super) const KEPT_VERSION_INSERT: &str =
    "INSERT INTO kept_version (plugin, version, file_name) VALUES ($1, $2, $3)";
