//! What is written down of who came first, and what can be told from it.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{ClaimError, Claims, First};
use crate::db;
use crate::hash::sha256_hex;
use crate::id::PluginId;
use crate::registry::contract::{self, Interface, Remembered};
use crate::registry::resolve::Track;
use crate::runtime::{PluginKey, VersionedInterface};

/// What was written down.
pub struct Records(pub(super) HashMap<(db::ClaimKind, String), db::Claim>);

impl Records {
    pub fn new(claims: Vec<db::Claim>) -> Self {
        Self(claims.into_iter().map(|claim| ((claim.kind, claim.name.clone()), claim)).collect())
    }

    /// The first of the claims that was somebody else's.
    pub(super) fn conflict(&self, claims: &Claims) -> Option<ClaimError> {
        claims.each().find_map(|(kind, name, holder)| {
            let first = self.0.get(&(kind, name.clone())).filter(|claim| claim.holder != holder)?;
            Some(match kind {
                db::ClaimKind::Release => ClaimError::Release {
                    key: claims.key.clone(),
                    first: First { file_name: first.file_name.clone(), at: first.claimed_at },
                },
                db::ClaimKind::Service => {
                    ClaimError::Service { service: name, owner: first.holder.clone(), recorded: true }
                }
                db::ClaimKind::Types => {
                    ClaimError::Types { interface: name, first: first.plugin.clone(), recorded: true, breach: None }
                }
            })
        })
    }

    /// When this very release was first loaded, if it ever was.
    pub(super) fn release(&self, claims: &Claims) -> Option<Timestamp> {
        let claim = self.0.get(&(db::ClaimKind::Release, claims.key.to_string()))?;
        (claim.holder == claims.content).then_some(claim.claimed_at)
    }

    /// What versions of this plugin up to the given one offered, as far as it was written down: all of one track
    /// together, because whoever offered it, it stays promised on that track.
    pub(super) fn offered(&self, key: &PluginKey) -> Vec<Remembered> {
        let mut offered: Vec<Remembered> = Vec::new();
        let types = self.0.values().filter(|claim| claim.kind == db::ClaimKind::Types);
        for (by, interface) in types.filter_map(interface) {
            if by.id != key.id || by.version > key.version {
                continue;
            }
            match offered.iter_mut().find(|known| Track::of(&known.key.version) == Track::of(&by.version)) {
                Some(known) => {
                    known.interfaces.push(interface);
                    known.key.version = by.version.max(known.key.version.clone());
                }
                None => offered.push(Remembered { key: by, interfaces: vec![interface] }),
            }
        }
        offered
    }
}

/// Who first offered an interface, and its types; none when the record is from a host that kept the hash alone, or
/// is not what it says.
fn interface(claim: &db::Claim) -> Option<(PluginKey, Interface)> {
    let text = claim.types.as_ref().filter(|text| sha256_hex(text.as_bytes()) == claim.holder)?;
    let (id, version) = claim.plugin.split_once(' ')?;
    let key = PluginKey { id: PluginId::parse(id).ok()?, version: version.parse().ok()? };
    Some((key, (VersionedInterface::parse(&claim.name)?, contract::read(text).ok()?)))
}
