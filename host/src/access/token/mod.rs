//! Tokens (JWT) of one issuer.
//!
//! Invariant: the algorithm is the configuration's and never the token's; the keys are those of the configured set,
//! whatever the token says of keys. A token that was found good is remembered by its hash until it expires or the
//! issuer's keys change, at most `auth.jwt.cached_tokens` of them.

mod claims;
mod fetch;
mod jwks;
mod jws;
mod remembered;
mod source;

use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use self::claims::Reader;
use self::jws::{Jws, Malformed};
use self::remembered::Remembered;
use self::source::Source;
use super::{AccessError, Principal, Refused};
use crate::config::{JwtAlgorithm, JwtConfig, RolesConfig};

/// What checks tokens.
pub(super) struct Tokens {
    algorithm: JwtAlgorithm,
    token_bytes: usize,
    reader: Reader,
    source: Arc<Source>,
    remembered: Remembered,
}

impl Tokens {
    pub(super) async fn open(config: &JwtConfig, roles: RolesConfig) -> Result<Arc<Self>, AccessError> {
        Ok(Arc::new(Self {
            algorithm: config.algorithm,
            token_bytes: config.token_bytes,
            reader: Reader::new(config, roles),
            source: Source::open(config).await?,
            remembered: Remembered::new(config.cached_tokens),
        }))
    }

    /// Whose token this is, if it was found good before.
    pub(super) fn known(&self, token: &str) -> Option<Principal> {
        if token.len() > self.token_bytes {
            return None;
        }
        self.remembered.get(&hash(token), self.source.generation(), Timestamp::now())
    }

    /// Whose token this is.
    pub(super) async fn check(&self, token: &str) -> Result<Principal, Refused> {
        if token.len() > self.token_bytes {
            return Err(Refused::Token("is too long"));
        }
        let jws = Jws::parse(token, self.algorithm).map_err(|Malformed(why)| Refused::Token(why))?;
        let set = match self.source.keys().filter(|set| !set.for_token(jws.kid()).is_empty()) {
            Some(set) => set,
            // The issuer may have begun to use a key that is new.
            None => self.source.looked_again().await.ok_or(Refused::NoIssuerKeys)?,
        };
        let candidates = set.for_token(jws.kid());
        if candidates.is_empty() {
            return Err(Refused::Token("is signed with a key that is not the issuer's"));
        }
        if !candidates.iter().any(|key| jws.is_signed_with(key)) {
            return Err(Refused::Token("has a signature that is not right"));
        }
        let (principal, good_until) = self.reader.read(jws.payload(), Timestamp::now())?;
        self.remembered.put(hash(token), principal.clone(), good_until, set.generation());
        Ok(principal)
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests;
