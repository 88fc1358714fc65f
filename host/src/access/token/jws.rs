//! The outside of a token: three parts, the header, the signature (RFC 7515).
//!
//! Of the header only `alg`, `kid`, `typ` and `crit` are looked at. Where a token says that its key is to be found
//! (`jwk`, `jku`, `x5c`, `x5u`) is of no interest: whoever forges one says that too.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, signature};
use serde::Deserialize;
use serde_json::Value;

use super::jwks::{Jwk, Material};
use crate::config::JwtAlgorithm;
use crate::json::Json;

/// What is wrong with the form of a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// A token whose header is in order and whose signature nobody has looked at.
pub(super) struct Jws<'a> {
    algorithm: JwtAlgorithm,
    kid: Option<String>,
    /// Header and payload as they were signed.
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<Json>,
    typ: Option<Json>,
    crit: Option<Json>,
}

impl<'a> Jws<'a> {
    /// Takes a token apart.
    pub(super) fn parse(token: &'a str, algorithm: JwtAlgorithm) -> Result<Self, Malformed> {
        let not_a_token = || Malformed("is not three parts in base64url");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(not_a_token)?;
        let (header, payload) = signed.split_once('.').ok_or_else(not_a_token)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| not_a_token());
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| Malformed("has a header that cannot be read"))?;
        if header.crit.is_some() {
            return Err(Malformed("has critical extensions (`crit`), and this host knows none"));
        }
        if header.alg != name(algorithm) {
            return Err(Malformed("is not signed with the algorithm that this host takes (auth.jwt.algorithm)"));
        }
        if !header.typ.is_none_or(|Json(typ)| is_token_type(&typ)) {
            return Err(Malformed("is of a type (`typ`) other than JWT"));
        }
        let kid = match header.kid {
            None => None,
            Some(Json(Value::String(kid))) => Some(kid),
            Some(_) => return Err(Malformed("names its key (`kid`) by something other than a text")),
        };
        Ok(Self { algorithm, kid, signed, payload: decode(payload)?, signature: decode(signature)? })
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The claims. Nobody vouches for them before [`Self::is_signed_with`] has.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Whether the signature is that of this key, under the one algorithm.
    pub(super) fn is_signed_with(&self, key: &Jwk) -> bool {
        use JwtAlgorithm::*;
        let (message, signature) = (self.signed.as_bytes(), self.signature.as_slice());
        let rsa = |parameters: &signature::RsaParameters, n: &[u8], e: &[u8]| {
            signature::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
        };
        let point = |algorithm: &'static dyn signature::VerificationAlgorithm, public: &[u8]| {
            signature::UnparsedPublicKey::new(algorithm, public).verify(message, signature).is_ok()
        };
        match (self.algorithm, &key.material) {
            (RS256, Material::Rsa { n, e }) => rsa(&signature::RSA_PKCS1_2048_8192_SHA256, n, e),
            (RS384, Material::Rsa { n, e }) => rsa(&signature::RSA_PKCS1_2048_8192_SHA384, n, e),
            (RS512, Material::Rsa { n, e }) => rsa(&signature::RSA_PKCS1_2048_8192_SHA512, n, e),
            (PS256, Material::Rsa { n, e }) => rsa(&signature::RSA_PSS_2048_8192_SHA256, n, e),
            (PS384, Material::Rsa { n, e }) => rsa(&signature::RSA_PSS_2048_8192_SHA384, n, e),
            (PS512, Material::Rsa { n, e }) => rsa(&signature::RSA_PSS_2048_8192_SHA512, n, e),
            (ES256, Material::P256(public)) => point(&signature::ECDSA_P256_SHA256_FIXED, public),
            (ES384, Material::P384(public)) => point(&signature::ECDSA_P384_SHA384_FIXED, public),
            (EdDSA, Material::Ed25519(public)) => point(&signature::ED25519, public),
            (HS256, Material::Secret(secret)) => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signature).is_ok()
            }
            // A key of another kind: the set gives none, and if it did, it would sign nothing.
            _ => false,
        }
    }
}

/// As the header of a token has it.
pub(super) fn name(algorithm: JwtAlgorithm) -> &'static str {
    match algorithm {
        JwtAlgorithm::RS256 => "RS256",
        JwtAlgorithm::RS384 => "RS384",
        JwtAlgorithm::RS512 => "RS512",
        JwtAlgorithm::PS256 => "PS256",
        JwtAlgorithm::PS384 => "PS384",
        JwtAlgorithm::PS512 => "PS512",
        JwtAlgorithm::ES256 => "ES256",
        JwtAlgorithm::ES384 => "ES384",
        JwtAlgorithm::EdDSA => "EdDSA",
        JwtAlgorithm::HS256 => "HS256",
    }
}

/// `JWT`, or `at+jwt` of RFC 9068, in any case and with or without `application/`.
fn is_token_type(typ: &Value) -> bool {
    let Some(typ) = typ.as_str().map(str::to_ascii_lowercase) else { return false };
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
}
