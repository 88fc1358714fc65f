//! Who may come in: API keys and tokens.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::section::section;

/// How a token is signed. There is no `none`, and one installation has one algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JwtAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
    HS256,
}

section! {
    /// Who may come in: API keys and tokens.
    pub struct AuthConfig {
        /// Failed credentials from one address in a minute. After that, credentials from there that were not known to be good
        /// before are answered with 429 until the minute is over. An IPv6 address counts with its /64.
        failures_per_minute: u32 = 60,
        /// Addresses whose failures are counted at once.
        failure_addresses: usize = 10_000,
        /// API keys of one tenant that are neither revoked nor expired; and as many of operators.
        keys_per_tenant: u32 = 1_000,
        /// API keys kept in memory, so that a request need not ask the database.
        cached_keys: usize = 10_000,
        /// How often the host looks for keys that another process on the same database has changed.
        keys_refresh_ms: u64 = 2_000,
        /// Time between two notes of a key's last use.
        last_use_interval_s: u64 = 60,
        /// Tokens (JWT) of an issuer.
        jwt: JwtConfig = JwtConfig::default(),
    }
}

section! {
    /// Tokens (JWT) of an issuer.
    pub struct JwtConfig {
        /// The issuer, exactly as `iss` has it. While it is empty no token is taken.
        issuer: String = String::new(),
        /// What `aud` must be or hold.
        audience: String = String::new(),
        /// The algorithm of every token: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA or HS256.
        algorithm: JwtAlgorithm = JwtAlgorithm::RS256,
        /// Where the issuer's keys are, as a JSON Web Key Set: an https address (http on a loopback address only), or a
        /// file, which is read again when it changes. For HS256 a file.
        jwks: String = String::new(),
        /// A file of certificates (PEM) that may vouch for that https address beside those of the system.
        ca_file: PathBuf = PathBuf::new(),
        /// The claim that names the user.
        user_claim: String = "sub".to_owned(),
        /// The claim that names the tenant, or lists several. A claim within another is written with dots.
        tenant_claim: String = "tenant".to_owned(),
        /// The claim of the roles: a list, a text with spaces, or an object with one of them for each tenant.
        roles_claim: String = "roles".to_owned(),
        /// The role in a token that makes an operator of whoever has it. While it is empty no token does.
        operator_role: String = String::new(),
        /// How far the issuer's clock and this one may be apart.
        leeway_s: u64 = 30,
        /// One token.
        token_bytes: usize = 8 << 10,
        /// Tokens found good that are remembered, until they expire or the issuer's keys change.
        cached_tokens: usize = 10_000,
        /// The key set.
        jwks_bytes: usize = 256 << 10,
        /// Keys of it that are looked at.
        jwks_keys: usize = 100,
        /// How often the key set is fetched again from its address.
        jwks_refresh_s: u64 = 300,
        /// Time between two fetches because a token names a key that is not in the set.
        jwks_unknown_key_s: u64 = 60,
        /// How often it is looked whether the file has changed.
        jwks_file_look_ms: u64 = 1_000,
        /// Time for one fetch.
        jwks_timeout_ms: u64 = 5_000,
    }
}

impl AuthConfig {
    /// [`Self::keys_refresh_ms`] as a duration.
    pub fn keys_refresh(&self) -> Duration {
        Duration::from_millis(self.keys_refresh_ms)
    }

    /// [`Self::last_use_interval_s`] as a duration.
    pub fn last_use_interval(&self) -> Duration {
        Duration::from_secs(self.last_use_interval_s)
    }
}

impl JwtConfig {
    /// [`Self::jwks_refresh_s`] as a duration.
    pub fn refresh(&self) -> Duration {
        Duration::from_secs(self.jwks_refresh_s)
    }

    /// [`Self::jwks_unknown_key_s`] as a duration.
    pub fn unknown_key(&self) -> Duration {
        Duration::from_secs(self.jwks_unknown_key_s)
    }

    /// [`Self::jwks_file_look_ms`] as a duration.
    pub fn file_look(&self) -> Duration {
        Duration::from_millis(self.jwks_file_look_ms)
    }

    /// [`Self::jwks_timeout_ms`] as a duration.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.jwks_timeout_ms)
    }

    /// Whether tokens are taken at all.
    pub fn is_on(&self) -> bool {
        !self.issuer.is_empty()
    }

    /// The address of the key set; none when it is a file.
    pub fn url(&self) -> Option<&str> {
        Some(self.jwks.as_str()).filter(|place| place.contains("://"))
    }
}
