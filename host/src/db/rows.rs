//! The rows of the control plane as plain values, the same for every database.
//!
//! Ids and versions are text here: they were checked when the manifest was read, and the database gives
//! back what it was given.

use jiff::Timestamp;
use sqlx::FromRow;
use thiserror::Error;

use super::audit::AuditEntry;

/// A customer of the installation.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Tenant {
    pub id: String,
    #[sqlx(try_from = "String")]
    pub origin: TenantOrigin,
    #[sqlx(rename = "created_at_us", try_from = "Micros")]
    pub created_at: Timestamp,
}

/// One version of a plugin, as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Plugin {
    pub id: String,
    pub version: String,
    /// Of the whole file, as 64 lower-case hexadecimal digits.
    pub sha256: String,
    pub file_name: String,
    /// JSON, as the file carries it.
    pub manifest: String,
    #[sqlx(try_from = "String")]
    pub status: PluginStatus,
    /// Why it is not active.
    pub reason: Option<String>,
    /// When this version was first loaded. Writing a snapshot sets it only for a version not known before.
    #[sqlx(rename = "first_seen_at_us", try_from = "Micros")]
    pub first_seen_at: Timestamp,
    /// When the host that runs now loaded it.
    #[sqlx(rename = "loaded_at_us", try_from = "Micros")]
    pub loaded_at: Timestamp,
}

/// A file in the plugins directory that was not loaded.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct RejectedFile {
    pub file_name: String,
    /// Absent when the file could not be read to its end.
    pub sha256: Option<String>,
    pub reason: String,
    #[sqlx(rename = "seen_at_us", try_from = "Micros")]
    pub seen_at: Timestamp,
}

/// An HTTP endpoint of a service.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Endpoint {
    pub method: String,
    pub path: String,
    /// The exported function it calls; absent when the plugin's own HTTP handler answers.
    pub function: Option<String>,
    #[sqlx(try_from = "TextList")]
    pub permissions: Vec<String>,
    /// Requests a minute for each tenant.
    pub rate_limit_per_minute: Option<i64>,
    /// Seconds an answer may be kept.
    pub cache_ttl_s: Option<i64>,
    pub description: Option<String>,
}

/// An interface of a service that a plugin imports, and who serves it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Import {
    /// The WIT package, as `crm:deals`.
    pub service: String,
    /// The interface in it, as `deals`.
    pub interface: String,
    /// The version of the package the plugin was built against.
    pub service_version: String,
    /// The manifest's range, as `^1.0.0`.
    pub requirement: String,
    pub required: bool,
    /// What the plugin needs it for, in its author's words.
    pub reason: Option<String>,
    #[sqlx(flatten, try_from = "ProviderColumns")]
    pub provider: Option<Provider>,
}

/// The plugin version that was chosen for an import, and the version of the service it exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    pub plugin_id: String,
    pub plugin_version: String,
    pub service_version: String,
}

/// A service as it is written: under the plugin that provides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRecord {
    /// The WIT package, as `crm:deals`.
    pub name: String,
    pub version: String,
    /// In the manifest's order.
    pub endpoints: Vec<Endpoint>,
}

/// A plugin version with everything it offers and needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRecord {
    pub plugin: Plugin,
    pub services: Vec<ServiceRecord>,
    pub imports: Vec<Import>,
}

/// What belongs to whoever came first.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Claim {
    #[sqlx(try_from = "String")]
    pub kind: ClaimKind,
    /// `crm 1.0.0`, `crm:contacts` or `crm:contacts/contacts@1.0.0`.
    pub name: String,
    /// The hash of the release, the id of the service's plugin, or the hash of the types.
    pub holder: String,
    /// Who made the claim, as `crm 1.0.0`.
    pub plugin: String,
    pub file_name: String,
    #[sqlx(rename = "claimed_at_us", try_from = "Micros")]
    pub claimed_at: Timestamp,
    /// The text that the hash of types is of. Absent for the other kinds, and where it was not kept.
    pub types: Option<String>,
}

/// All the registry holds at one moment. A provider must be among its plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistrySnapshot {
    pub plugins: Vec<PluginRecord>,
    /// Id and version of those that are not among them and stay written down all the same.
    pub awaited: Vec<(String, String)>,
    pub rejected: Vec<RejectedFile>,
    /// New claims, and those that take the place of others. Claims not named here stay.
    pub claims: Vec<Claim>,
    /// What the audit log has to say of it: written with it or not at all.
    pub audit: Vec<AuditEntry>,
}

/// A service as it is read: with its provider's state and its consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    pub version: String,
    pub plugin_id: String,
    pub plugin_version: String,
    pub status: PluginStatus,
    pub reason: Option<String>,
    pub endpoints: Vec<Endpoint>,
    pub consumers: Vec<Consumer>,
}

/// A plugin version that is linked to a service.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Consumer {
    pub plugin_id: String,
    pub plugin_version: String,
    pub interface: String,
    pub requirement: String,
    pub required: bool,
}

/// A column holds a word that this version of the host does not know.
#[derive(Debug, Error)]
#[error("`{found}` is not a {what}")]
pub struct UnknownWord {
    pub(super) what: &'static str,
    pub(super) found: String,
}

/// Defines an enum that the database holds as a word.
macro_rules! words {
    ($(#[$about:meta])* $name:ident, $what:literal { $($(#[$doc:meta])* $case:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $case,)+ }

        impl $name {
            /// The word for it in the database and in answers.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$case => $word,)+ }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::db::rows::UnknownWord;

            fn try_from(found: String) -> Result<Self, $crate::db::rows::UnknownWord> {
                match found.as_str() {
                    $($word => Ok(Self::$case),)+
                    _ => Err($crate::db::rows::UnknownWord { what: $what, found }),
                }
            }
        }
    };
}

pub(super) use words;

words! {
    /// Who brought a tenant in.
    TenantOrigin, "tenant's origin" {
        /// The tenant of the demo data.
        Demo = "demo",
        /// Named by a request while the host ran with `--dev`.
        Dev = "dev",
        /// Created by an operator.
        Operator = "operator",
    }
}

words! {
    /// What is claimed.
    ClaimKind, "kind of claim" {
        /// An id and version, for the bytes of one file.
        Release = "release",
        /// A WIT package, for one plugin id.
        Service = "service",
        /// The version of an interface, for one set of types.
        Types = "types",
    }
}

words! {
    /// Where a plugin version stands.
    PluginStatus, "plugin's status" {
        /// It takes calls.
        Active = "active",
        /// It is loaded and takes no calls; the reason says why.
        Inactive = "inactive",
        /// It was switched off because it failed.
        Error = "error",
        /// It is on its way out.
        Uninstalling = "uninstalling",
    }
}

/// Microseconds since 1970-01-01T00:00:00Z, as times lie in the database.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct Micros(i64);

impl TryFrom<Micros> for Timestamp {
    type Error = jiff::Error;

    fn try_from(micros: Micros) -> Result<Self, jiff::Error> {
        Self::from_microsecond(micros.0)
    }
}

/// The same where there may be none.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct MaybeMicros(Option<i64>);

impl TryFrom<MaybeMicros> for Option<Timestamp> {
    type Error = jiff::Error;

    fn try_from(micros: MaybeMicros) -> Result<Self, jiff::Error> {
        micros.0.map(Timestamp::from_microsecond).transpose()
    }
}

/// A JSON array of texts.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct TextList(String);

impl TryFrom<TextList> for Vec<String> {
    type Error = serde_json::Error;

    fn try_from(list: TextList) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&list.0)
    }
}

#[derive(FromRow)]
struct ProviderColumns {
    provider_id: Option<String>,
    provider_version: Option<String>,
    provider_service_version: Option<String>,
}

impl From<ProviderColumns> for Option<Provider> {
    fn from(columns: ProviderColumns) -> Self {
        Some(Provider {
            plugin_id: columns.provider_id?,
            plugin_version: columns.provider_version?,
            service_version: columns.provider_service_version?,
        })
    }
}
