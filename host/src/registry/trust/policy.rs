//! Who may sign what, and what is taken without.
//!
//! Two questions at two moments. Before a file is parsed: does somebody who is trusted at all vouch for it? When its
//! manifest has told its id: may that one sign this plugin? Without a trusted signature a file is taken only where the
//! settings say so. But whoever is trusted for other plugins alone is refused even there: such a file is a mistake or
//! an impostor. A key that nobody trusts counts as none.

use std::collections::HashMap;

use semver::Version;

use super::examine::Examined;
use super::key::PublicKey;
use super::pattern::PluginPattern;
use super::versions::Versions;
use crate::config::TrustConfig;
use crate::db;
use crate::id::PluginId;
use crate::runtime::PluginKey;

/// What the configuration says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Files without a trusted signature are taken.
    pub unsigned: bool,
    /// Versions below the highest one are taken.
    pub downgrade: bool,
    pub signatures: usize,
    pub signature_file_bytes: u64,
}

/// Whom the host trusts during one look at the directory.
#[derive(Debug)]
pub struct Policy {
    pub settings: Settings,
    keys: HashMap<PublicKey, Trusted>,
    versions: Versions,
}

#[derive(Debug)]
struct Trusted {
    name: String,
    plugins: Vec<PluginPattern>,
}

/// Who vouches for a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// What the operator calls the key.
    pub name: String,
    pub key: PublicKey,
}

/// Why a file is not taken, although it may be a good plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "it is not signed: sign it (`tenon sign FILE --key KEY`) with a key that is trusted here, or have unsigned \
         files taken (trust.unsigned){}", if *.cut { "; its end is cut off, and a signature with it: copy it again" } else { "" }
    )]
    Unsigned { cut: bool },
    #[error(
        "it is signed by {key}, which nobody trusts here: if you know whose key that is, `tenon trust add NAME {key} \
         --plugins ID`"
    )]
    UnknownKey { key: PublicKey },
    #[error(
        "it says that it is `{id}`, but it is signed by {name}, who may sign {plugins}: have it signed by whom `{id}` is \
         from, or trust that key for `{id}` too (`tenon trust`)"
    )]
    OtherPlugin { id: PluginId, name: String, plugins: String },
    #[error(
        "the signature by {name} does not cover {sidecar}, which is its manifest: sign the file where the manifest lies \
         beside it"
    )]
    Manifest { name: String, sidecar: String },
    #[error(
        "{id} {found} is older than {highest}, which ran here before, and it was not in the directory any more: an old \
         version comes back only with `tenon serve --allow-downgrade`"
    )]
    Downgrade { id: PluginId, found: Version, highest: Version },
}

impl Settings {
    pub fn new(config: &TrustConfig, dev: bool) -> Self {
        Self {
            unsigned: config.unsigned.holds(dev),
            downgrade: config.downgrade.holds(dev),
            signatures: config.signatures,
            signature_file_bytes: config.signature_file_bytes,
        }
    }
}

impl Policy {
    /// A row that is no key, or has a pattern that is none, trusts nobody.
    pub fn new(settings: Settings, keys: &[db::TrustedKey], versions: Versions) -> Self {
        let keys = keys.iter().filter_map(|row| {
            let plugins = row.plugins.iter().map(|pattern| PluginPattern::parse(pattern)).collect::<Result<_, _>>();
            let (Ok(key), Ok(plugins)) = (row.public_key.parse(), plugins) else {
                tracing::warn!(
                    name = row.name,
                    "the trusted key in the control plane cannot be read: it trusts nobody"
                );
                return None;
            };
            Some((key, Trusted { name: row.name.clone(), plugins }))
        });
        Self { settings, keys: keys.collect(), versions }
    }

    /// Takes every file whose signatures are right, whoever made them.
    pub fn of_anybody(config: &TrustConfig) -> Self {
        let settings = Settings { unsigned: true, downgrade: true, ..Settings::new(config, false) };
        Self::new(settings, &[], Versions::default())
    }

    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Whether a file is worth looking into at all. Nothing of it has been parsed.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unsigned`] or [`Refusal::UnknownKey`].
    pub fn admit(&self, file: &Examined<'_>) -> Result<(), Refusal> {
        if self.settings.unsigned || self.trusted(file).next().is_some() {
            return Ok(());
        }
        Err(match file.signatures.first() {
            Some(signature) => Refusal::UnknownKey { key: signature.key },
            None => Refusal::Unsigned { cut: file.cut },
        })
    }

    /// Who vouches for the file as this plugin; nobody where unsigned files are taken. `sidecar` is the name of the
    /// manifest beside it if that is the one that counts.
    ///
    /// # Errors
    ///
    /// [`Refusal::OtherPlugin`] or [`Refusal::Manifest`].
    pub fn vouched(
        &self,
        file: &Examined<'_>,
        id: &PluginId,
        sidecar: Option<&str>,
    ) -> Result<Option<Signer>, Refusal> {
        let mut refusal = None;
        for (signature, trusted) in self.trusted(file) {
            let name = trusted.name.clone();
            let may = trusted.plugins.iter().any(|pattern| pattern.covers(id));
            match sidecar.filter(|_| !signature.with_manifest) {
                None if may => return Ok(Some(Signer { name, key: signature.key })),
                Some(sidecar) if may => refusal = Some(Refusal::Manifest { name, sidecar: sidecar.to_string() }),
                _ => {
                    let plugins: Vec<&str> = trusted.plugins.iter().map(PluginPattern::as_str).collect();
                    let other = Refusal::OtherPlugin { id: id.clone(), name, plugins: plugins.join(", ") };
                    refusal = refusal.or(Some(other));
                }
            }
        }
        refusal.map_or(Ok(None), Err)
    }

    /// Whether this version may be loaded, seen from those that were there before it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Downgrade`].
    pub fn allows_version(&self, key: &PluginKey) -> Result<(), Refusal> {
        match self.versions.above(key).filter(|_| !self.settings.downgrade) {
            None => Ok(()),
            Some(highest) => {
                Err(Refusal::Downgrade { id: key.id.clone(), found: key.version.clone(), highest: highest.clone() })
            }
        }
    }

    fn trusted<'a>(&'a self, file: &'a Examined<'_>) -> impl Iterator<Item = (&'a super::Signature, &'a Trusted)> {
        file.signatures.iter().filter_map(|signature| Some((signature, self.keys.get(&signature.key)?)))
    }
}

#[cfg(test)]
mod tests;
