//! What plugins went through: installed once, activated for each tenant, and how they failed and were used.
//!
//! Bound: of each plugin the last [`PLUGIN_ERRORS`] failures of each tenant are kept, so that nobody's failures push another's out.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::FromRow;

use super::DbError;
use super::rows::{MaybeMicros, Micros};

/// How many failures of one plugin are kept of each tenant.
pub const PLUGIN_ERRORS: u32 = 50;

/// A version that runs for a tenant.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Activation {
    pub tenant: String,
    pub plugin: String,
    pub version: String,
    #[sqlx(rename = "activated_at_us", try_from = "Micros")]
    pub activated_at: Timestamp,
}

/// How a plugin could not be installed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct InstallationFailure {
    pub plugin: String,
    pub version: String,
    pub message: String,
    #[sqlx(rename = "at_us", try_from = "Micros")]
    pub at: Timestamp,
}

/// How a plugin failed once.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PluginError {
    /// Rising in the order in which they were written down; whatever is given when one is written.
    pub sequence: i64,
    #[sqlx(rename = "at_us", try_from = "Micros")]
    pub at: Timestamp,
    pub plugin: String,
    pub version: String,
    /// None for what concerns no tenant.
    pub tenant: Option<String>,
    /// What failed, as `on-activate`, `migrations` or `call`.
    pub hook: String,
    pub message: String,
    pub backtrace: Option<String>,
    pub correlation_id: Option<String>,
}

/// How a tenant has used a plugin, in all its versions.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PluginStat {
    pub tenant: String,
    pub plugin: String,
    pub activations: i64,
    /// Those of other plugins included.
    pub calls: i64,
    pub failures: i64,
    /// How often a version could not come to the tenant, or go.
    pub lifecycle_failures: i64,
    #[sqlx(rename = "last_used_at_us", try_from = "MaybeMicros")]
    pub last_used_at: Option<Timestamp>,
}

/// Where it is kept.
#[async_trait]
pub trait Lifecycle {
    /// The plugins whose on-install has run.
    async fn installation_list(&self) -> Result<Vec<String>, DbError>;

    /// Notes that it has.
    async fn installation_put(&self, plugin: &str, version: &str, at: Timestamp) -> Result<(), DbError>;

    /// How the on-install of each plugin that is not installed failed last.
    async fn installation_failure_list(&self) -> Result<Vec<InstallationFailure>, DbError>;

    /// Forgets that a plugin was installed, and for whom it was activated.
    async fn installation_delete(&self, plugin: &str) -> Result<(), DbError>;

    /// What runs for which tenant.
    async fn activation_list(&self) -> Result<Vec<Activation>, DbError>;

    /// Notes that a version runs for a tenant, and that those `instead_of` which it does no longer do.
    async fn activation_put(&self, row: Activation, instead_of: Vec<String>) -> Result<(), DbError>;

    /// Forgets every version of a plugin that runs for a tenant. False if none did.
    async fn activation_delete(&self, tenant: &str, plugin: &str) -> Result<bool, DbError>;

    /// Writes failures down and adds numbers to those that were, all or nothing. Forgets the failures of each plugin
    /// and tenant that are older than their last [`PLUGIN_ERRORS`].
    async fn plugin_use_note(&self, errors: Vec<PluginError>, stats: Vec<PluginStat>) -> Result<(), DbError>;

    /// The latest failures of a plugin, the newest first: of one tenant, or of all; before the one of this sequence.
    async fn plugin_error_list(
        &self,
        plugin: &str,
        tenant: Option<&str>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<PluginError>, DbError>;

    /// How a plugin was used, by tenant: by one of them, or by all.
    async fn plugin_stat_list(&self, plugin: &str, tenant: Option<&str>) -> Result<Vec<PluginStat>, DbError>;
}

pub(super) const INSTALLATION_LIST: &str = "SELECT plugin FROM installation ORDER BY plugin";

pub(super) const INSTALLATION_FAILURE_LIST: &str = "\
    SELECT plugin, version, message, at_us FROM plugin_error \
    WHERE sequence IN (SELECT max(sequence) FROM plugin_error WHERE hook = 'on-install' GROUP BY plugin) \
      AND plugin NOT IN (SELECT plugin FROM installation) \
    ORDER BY plugin";

pub(super) const INSTALLATION_PUT: &str = "\
    INSERT INTO installation (plugin, version, installed_at_us) VALUES ($1, $2, $3) ON CONFLICT (plugin) DO NOTHING";

pub(super) const INSTALLATION_DELETE: &str = "DELETE FROM installation WHERE plugin = $1";

pub(super) const ACTIVATION_LIST: &str =
    "SELECT tenant, plugin, version, activated_at_us FROM activation ORDER BY tenant, plugin, version";

pub(super) const ACTIVATION_PUT: &str = "\
    INSERT INTO activation (tenant, plugin, version, activated_at_us) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (tenant, plugin, version) DO UPDATE SET activated_at_us = excluded.activated_at_us";

pub(super) const ACTIVATION_REMOVE: &str = "DELETE FROM activation WHERE tenant = $1 AND plugin = $2 AND version = $3";

pub(super) const ACTIVATION_DELETE: &str = "DELETE FROM activation WHERE tenant = $1 AND plugin = $2";

pub(super) const ACTIVATION_CLEAR: &str = "DELETE FROM activation WHERE plugin = $1";

pub(super) const PLUGIN_ERROR_INSERT: &str = "\
    INSERT INTO plugin_error (at_us, plugin, version, tenant, hook, message, backtrace, correlation_id) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub(super) const PLUGIN_ERROR_PRUNE: &str = "\
    DELETE FROM plugin_error WHERE plugin = $1 AND tenant IS $2 AND sequence NOT IN \
    (SELECT sequence FROM plugin_error WHERE plugin = $1 AND tenant IS $2 ORDER BY sequence DESC LIMIT $3)";

pub(super) const PLUGIN_ERROR_LIST: &str = "\
    SELECT sequence, at_us, plugin, version, tenant, hook, message, backtrace, correlation_id FROM plugin_error \
    WHERE plugin = $1 AND ($2 IS NULL OR tenant = $2) AND ($3 IS NULL OR sequence < $3) \
    ORDER BY sequence DESC LIMIT $4";

pub(super) const PLUGIN_STAT_ADD: &str = "\
    INSERT INTO plugin_stat (tenant, plugin, activations, calls, failures, lifecycle_failures, last_used_at_us) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) \
    ON CONFLICT (plugin, tenant) DO UPDATE SET \
        activations = plugin_stat.activations + excluded.activations, calls = plugin_stat.calls + excluded.calls, \
        failures = plugin_stat.failures + excluded.failures, \
        lifecycle_failures = plugin_stat.lifecycle_failures + excluded.lifecycle_failures, \
        last_used_at_us = coalesce(excluded.last_used_at_us, plugin_stat.last_used_at_us)";

pub(super) const PLUGIN_STAT_LIST: &str = "\
    SELECT tenant, plugin, activations, calls, failures, lifecycle_failures, last_used_at_us FROM plugin_stat \
    WHERE plugin = $1 AND ($2 IS NULL OR tenant = $2) ORDER BY tenant";
