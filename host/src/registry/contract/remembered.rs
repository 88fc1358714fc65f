//! What plugins offer and use, written down or sent by another host, and read back to be compared.

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use super::{Consumer, Need, Offer, Provider, Unreadable, read, write};
use crate::id::PluginId;
use crate::runtime::shape::FunctionShape;
use crate::runtime::{PluginKey, VersionedInterface};

/// An interface with its functions.
pub type Interface = (VersionedInterface, Vec<(String, FunctionShape)>);

/// A plugin by what it offered.
#[derive(Debug)]
pub struct Remembered {
    pub key: PluginKey,
    pub interfaces: Vec<Interface>,
}

/// A plugin by what it uses.
#[derive(Debug)]
pub struct RememberedConsumer {
    key: PluginKey,
    needs: Vec<(Interface, Option<VersionReq>)>,
}

impl Remembered {
    pub fn provider(&self) -> Provider<'_> {
        let interfaces = self.interfaces.iter().map(|(name, functions)| (name, borrowed(functions)));
        Provider { key: &self.key, offer: Offer::new(interfaces) }
    }
}

impl RememberedConsumer {
    pub fn consumer(&self) -> Consumer<'_> {
        let needs = self.needs.iter().map(|((name, functions), requirement)| Need {
            name,
            requirement: requirement.as_ref(),
            functions: borrowed(functions),
        });
        Consumer { key: &self.key, needs: needs.collect() }
    }
}

fn borrowed(functions: &[(String, FunctionShape)]) -> Vec<(&str, &FunctionShape)> {
    functions.iter().map(|(name, shape)| (name.as_str(), shape)).collect()
}

/// What a host has loaded of one plugin, and who uses it: what `tenon check --url` asks for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    pub versions: Vec<PublishedVersion>,
    pub consumers: Vec<PublishedConsumer>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedVersion {
    pub id: PluginId,
    pub version: Version,
    /// Of the whole file, in hexadecimal.
    pub sha256: String,
    pub interfaces: Vec<PublishedInterface>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedConsumer {
    pub id: PluginId,
    pub version: Version,
    pub imports: Vec<PublishedInterface>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedInterface {
    /// With its version, as `crm:deals/deals@1.0.0`.
    pub name: String,
    /// Of an import: what the manifest accepts, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<VersionReq>,
    /// The functions with their types, a line each.
    pub types: String,
}

impl PublishedVersion {
    pub fn new(key: &PluginKey, sha256: &str, interfaces: Vec<PublishedInterface>) -> Self {
        Self { id: key.id.clone(), version: key.version.clone(), sha256: sha256.to_string(), interfaces }
    }

    /// # Errors
    ///
    /// When the types cannot be read.
    pub fn remembered(&self) -> Result<Remembered, Unreadable> {
        let key = PluginKey { id: self.id.clone(), version: self.version.clone() };
        let interfaces = self.interfaces.iter().map(PublishedInterface::interface);
        Ok(Remembered { key, interfaces: interfaces.collect::<Result<_, _>>()? })
    }
}

impl PublishedConsumer {
    pub fn new(consumer: &Consumer<'_>) -> Self {
        let imports = consumer.needs.iter().map(|need| PublishedInterface {
            requirement: need.requirement.cloned(),
            ..PublishedInterface::new(need.name, need.functions.iter().copied())
        });
        Self { id: consumer.key.id.clone(), version: consumer.key.version.clone(), imports: imports.collect() }
    }

    /// # Errors
    ///
    /// When the types cannot be read.
    pub fn remembered(&self) -> Result<RememberedConsumer, Unreadable> {
        let key = PluginKey { id: self.id.clone(), version: self.version.clone() };
        let needs = self.imports.iter().map(|import| Ok((import.interface()?, import.requirement.clone())));
        Ok(RememberedConsumer { key, needs: needs.collect::<Result<_, _>>()? })
    }
}

impl PublishedInterface {
    pub fn new<'a>(
        name: &VersionedInterface,
        functions: impl IntoIterator<Item = (&'a str, &'a FunctionShape)>,
    ) -> Self {
        Self { name: name.to_string(), requirement: None, types: write(functions) }
    }

    fn interface(&self) -> Result<Interface, Unreadable> {
        let name = VersionedInterface::parse(&self.name).ok_or_else(Unreadable::name)?;
        Ok((name, read(&self.types)?))
    }
}
