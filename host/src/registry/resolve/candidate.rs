//! Who could serve an import: which exports come into question, in which order, and why not.

use std::cmp::{Ordering, Reverse};

use semver::{Version, VersionReq};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{Agreement, Export, Import, InactiveReason, PluginVersion, TenantChoices, Track};
use crate::id::{PluginId, ServiceName};

/// An export of one version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    pub id: PluginId,
    pub version: Version,
    /// The version under which it exports the interface.
    pub export: Version,
}

/// A candidate that was not taken, and why. Serialised with the reason in words besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub provider: Provider,
    pub reason: PassedOver,
}

/// Why a candidate was not taken: the first that applies, in this order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PassedOver {
    #[error("a plugin does not serve itself")]
    Itself,
    #[error("{importer} is not granted {service}")]
    NotGranted { importer: PluginId, service: ServiceName },
    #[error("not enabled for the tenant")]
    NotEnabled,
    #[error("the tenant is pinned to {pin}")]
    Pinned { pin: VersionReq },
    #[error("its rollout gives {version} instead")]
    RolledOut { version: Version },
    #[error("{}", not_rolled_out(.version))]
    NotRolledOut { version: Version },
    #[error("{}", stays_on(.version))]
    StaysOn { version: Version },
    #[error("{}", unconfigured(.fields))]
    Unconfigured { fields: Vec<String> },
    #[error("the tenant could not be moved to it: {reason}")]
    Failed { reason: String },
    #[error("{ACTIVATING}")]
    Activating,
    #[error("its file was replaced, and it is kept for others")]
    KeptForOthers,
    #[error("exports {export}, which is not compatible with the imported {import}")]
    OtherTrack { export: Version, import: Version },
    #[error("exports {export}, which is older than the imported {import}")]
    OlderExport { export: Version, import: Version },
    #[error("exports {export}, which is outside {requirement}")]
    OutsideRange { export: Version, requirement: VersionReq },
    #[error("types differ: {difference}")]
    TypesDiffer { difference: String },
    #[error("not active: {why}")]
    Inactive { why: String },
    #[error("{by}")]
    Outranked { by: Precedence },
}

/// What sets the linked candidate above another that would have done too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Precedence {
    #[error("a higher version is available")]
    HigherExport,
    #[error("a higher plugin version exports the same")]
    HigherPlugin,
    #[error("a plugin earlier in the alphabet exports the same")]
    EarlierName,
    #[error("its file was replaced, and it is kept only for what nobody else can serve")]
    NotReplaced,
}

/// What becomes of a version on its way.
pub(super) const ACTIVATING: &str = "it is being activated for the tenant; the version before goes on until it is";

/// Why a tenant does not get a version that is rolled out by hand.
pub(super) fn not_rolled_out(version: &Version) -> String {
    format!("no rollout gives it to the tenant, which keeps {version} until one does")
}

/// Why a tenant does not get a version that nothing is wrong with.
pub(super) fn stays_on(version: &Version) -> String {
    format!("the tenant stays on {version}, as it could not be moved to what it is to have")
}

/// What is to be done about a version that lacks configuration.
pub(super) fn unconfigured(fields: &[String]) -> String {
    let fields = fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
    format!("its configuration has no value for {fields}, which it requires: set it with `tenon config set`")
}

pub(super) struct Candidate<'a> {
    /// Its index among the loaded plugins.
    pub plugin: usize,
    /// Why it can never serve this import, whoever is active.
    pub refusal: Option<PassedOver>,
    of: &'a PluginVersion,
    export: &'a Export,
}

/// Every export of the imported interface, the best first.
pub(super) fn all<'a>(
    importer: &PluginVersion,
    import: &Import,
    plugins: &[&'a PluginVersion],
    choices: &TenantChoices,
    agree: Agreement<'_>,
) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for (plugin, &of) in plugins.iter().enumerate() {
        for export in of.exports.iter().filter(|export| export.interface == import.interface) {
            let refusal = refuse(importer, import, of, export, choices, agree).err();
            candidates.push(Candidate { plugin, refusal, of, export });
        }
    }
    candidates.sort_by(|a, b| a.rank().cmp(&b.rank()));
    candidates
}

fn refuse(
    importer: &PluginVersion,
    import: &Import,
    of: &PluginVersion,
    export: &Export,
    choices: &TenantChoices,
    agree: Agreement<'_>,
) -> Result<(), PassedOver> {
    if of.id == importer.id {
        return Err(PassedOver::Itself);
    }
    if !import.granted {
        let (importer, service) = (importer.id.clone(), import.interface.service());
        return Err(PassedOver::NotGranted { importer, service });
    }
    match choices.exclude(of) {
        Some(InactiveReason::Pinned { pin }) => return Err(PassedOver::Pinned { pin }),
        Some(InactiveReason::RolledOut { version }) => return Err(PassedOver::RolledOut { version }),
        Some(InactiveReason::NotRolledOut { version }) => return Err(PassedOver::NotRolledOut { version }),
        Some(InactiveReason::StaysOn { version }) => return Err(PassedOver::StaysOn { version }),
        Some(InactiveReason::Unconfigured { fields }) => return Err(PassedOver::Unconfigured { fields }),
        Some(InactiveReason::Failed { reason }) => return Err(PassedOver::Failed { reason }),
        Some(InactiveReason::Activating) => return Err(PassedOver::Activating),
        Some(_) => return Err(PassedOver::NotEnabled),
        None => {}
    }
    if of.kept_for.as_ref().is_some_and(|dependants| !dependants.contains(&importer.id)) && !choices.goes_on(of) {
        return Err(PassedOver::KeptForOthers);
    }
    let versions = || (export.version.clone(), import.version.clone());
    if Track::of(&export.version) != Track::of(&import.version) {
        let (export, import) = versions();
        return Err(PassedOver::OtherTrack { export, import });
    }
    if export.version.cmp_precedence(&import.version) == Ordering::Less {
        let (export, import) = versions();
        return Err(PassedOver::OlderExport { export, import });
    }
    if !import.requirement.matches(&export.version) {
        let (export, requirement) = (export.version.clone(), import.requirement.clone());
        return Err(PassedOver::OutsideRange { export, requirement });
    }
    agree(importer, import, of, export).map_err(|difference| PassedOver::TypesDiffer { difference })
}

impl Candidate<'_> {
    pub fn provider(&self) -> Provider {
        Provider { id: self.of.id.clone(), version: self.of.version.clone(), export: self.export.version.clone() }
    }

    /// Why this candidate goes before the other.
    pub fn precedence_over(&self, other: &Candidate<'_>) -> PassedOver {
        let by = if self.of.kept_for.is_some() != other.of.kept_for.is_some() {
            Precedence::NotReplaced
        } else if self.export.version != other.export.version {
            Precedence::HigherExport
        } else if self.of.version != other.of.version {
            Precedence::HigherPlugin
        } else {
            Precedence::EarlierName
        };
        PassedOver::Outranked { by }
    }

    fn rank(&self) -> (bool, Reverse<&Version>, Reverse<&Version>, &PluginId) {
        (self.of.kept_for.is_some(), Reverse(&self.export.version), Reverse(&self.of.version), &self.of.id)
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut refusal = serializer.serialize_struct("Refusal", 3)?;
        refusal.serialize_field("provider", &self.provider)?;
        refusal.serialize_field("reason", &self.reason)?;
        refusal.serialize_field("message", &self.reason.to_string())?;
        refusal.end()
    }
}
