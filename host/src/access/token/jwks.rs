//! A JSON Web Key Set (RFC 7517): those of its keys that can be used for the one algorithm.
//!
//! Issuers publish keys of many kinds in one set. What does not fit is passed over, and is no reason to refuse the rest.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::jws::name;
use crate::config::JwtAlgorithm;

/// A key for the one algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jwk {
    kid: Option<String>,
    pub(super) material: Material,
}

/// What a signature is checked with.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point, not compressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
    Secret(Vec<u8>),
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rsa { .. } => "Rsa",
            Self::P256(_) => "P256",
            Self::P384(_) => "P384",
            Self::Ed25519(_) => "Ed25519",
            Self::Secret(_) => "Secret",
        })
    }
}

/// The keys of the issuer at one moment.
#[derive(Debug)]
pub(super) struct Jwks {
    keys: Vec<Jwk>,
    generation: u64,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Entry {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
}

/// The keys of a set that can be used, `most` entries of it looked at.
///
/// # Errors
///
/// When the text is no key set, or none of its keys can be used: then the old ones are better.
pub(super) fn parse(text: &[u8], algorithm: JwtAlgorithm, most: usize) -> Result<Vec<Jwk>, String> {
    let set: Set = serde_json::from_slice(text).map_err(|error| format!("it is no JSON Web Key Set: {error}"))?;
    let entries = set.keys.into_iter().take(most).filter_map(|entry| serde_json::from_value::<Entry>(entry).ok());
    let keys: Vec<Jwk> = entries.filter_map(|entry| entry.key(algorithm)).collect();
    match keys.is_empty() {
        true => Err(format!("it has no key for {} that can be used", name(algorithm))),
        false => Ok(keys),
    }
}

impl Jwks {
    pub(super) fn new(keys: Vec<Jwk>, generation: u64) -> Self {
        Self { keys, generation }
    }

    pub(super) fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// Another number for every other set of keys.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The keys that a token with this `kid` may be signed with. One without may be signed with the only key there is.
    pub(super) fn for_token(&self, kid: Option<&str>) -> Vec<&Jwk> {
        match kid {
            Some(kid) => self.keys.iter().filter(|key| key.kid.as_deref() == Some(kid)).collect(),
            None => match self.keys.as_slice() {
                [only] => vec![only],
                _ => Vec::new(),
            },
        }
    }
}

impl Entry {
    fn key(self, algorithm: JwtAlgorithm) -> Option<Jwk> {
        let to_verify = self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
            && self.alg.as_deref().is_none_or(|alg| alg == name(algorithm));
        let material = if to_verify { self.material(algorithm)? } else { return None };
        Some(Jwk { kid: self.kid, material })
    }

    fn material(&self, algorithm: JwtAlgorithm) -> Option<Material> {
        use JwtAlgorithm::*;
        let bytes = |field: &Option<String>| URL_SAFE_NO_PAD.decode(field.as_deref()?).ok();
        let sized = |field, length| bytes(field).filter(|bytes| bytes.len() == length);
        let point = |length| Some([vec![4], sized(&self.x, length)?, sized(&self.y, length)?].concat());
        let without_zeros = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
        match (algorithm, self.kty.as_str(), self.crv.as_deref()) {
            (RS256 | RS384 | RS512 | PS256 | PS384 | PS512, "RSA", _) => {
                let (n, e) = (without_zeros(bytes(&self.n)?), without_zeros(bytes(&self.e)?));
                // What is shorter than 2,048 bits no signature counts under.
                (n.len() >= 256).then_some(Material::Rsa { n, e })
            }
            (ES256, "EC", Some("P-256")) => point(32).map(Material::P256),
            (ES384, "EC", Some("P-384")) => point(48).map(Material::P384),
            (EdDSA, "OKP", Some("Ed25519")) => sized(&self.x, 32).map(Material::Ed25519),
            // Shorter than its hash, a secret could be guessed (RFC 7518, section 3.2).
            (HS256, "oct", _) => bytes(&self.k).filter(|secret| secret.len() >= 32).map(Material::Secret),
            _ => None,
        }
    }
}
