//! Who may come in: API keys and tokens (JWT), and what becomes of those who try too often.
//!
//! Invariant: a credential is good or it is refused. Nothing here falls back to something weaker, and no error tells
//! more than whoever shows the credential knows already. What was found good before is found again without a database
//! and without arithmetic on curves, also while an address is refused for its failures.

mod failures;
mod keys;
mod principal;
mod text;
mod token;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use self::failures::Failures;
pub use self::keys::{Keys, Made, Order};
pub use self::principal::{Principal, Reach, Within};
use self::token::Tokens;
use crate::config::Config;
use crate::db::{ControlPlane, DbError};

/// Why a credential does not let its bearer in.
#[derive(Debug, Error)]
pub enum Refused {
    /// Of no kind that this host knows.
    #[error("the credential is neither a key of this host nor a token")]
    Unknown,
    /// No key has this id, or the secret is another. Which of the two is not told.
    #[error("there is no such key")]
    NoSuchKey,
    #[error("the key was revoked")]
    Revoked,
    #[error("the key has expired")]
    Expired,
    #[error("this host takes keys only, no tokens")]
    NoTokens,
    #[error("the token {0}")]
    Token(&'static str),
    /// The address has failed too often.
    #[error("too many credentials from this address were refused (auth.failures_per_minute); wait, then try again")]
    TooOften { again_in: Duration },
    /// The host has no key of the issuer yet.
    #[error("tokens cannot be checked, because the issuer's keys could not be read (auth.jwt.jwks)")]
    NoIssuerKeys,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Refused {
    /// Whether it counts as a failure of whoever asks, not of the host.
    fn is_the_clients(&self) -> bool {
        !matches!(self, Self::TooOften { .. } | Self::NoIssuerKeys | Self::Db(_))
    }
}

/// Why the host cannot check credentials at all.
#[derive(Debug, Error)]
pub enum AccessError {
    #[error(
        "cannot use the key file {file}: put back the copy that belongs to this data directory; \
         without it every API key has to be made anew, after the file is removed"
    )]
    KeyFile {
        file: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot use the certificates of auth.jwt.ca_file: {0}")]
    Certificates(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Everything that says who somebody is.
pub struct Access {
    keys: Arc<Keys>,
    tokens: Option<Arc<Tokens>>,
    failures: Failures,
}

impl Access {
    /// Reads the installation's key, making it at the first start, and begins to follow keys and issuer.
    ///
    /// # Errors
    ///
    /// When the key file or the control plane cannot be used. An issuer that cannot be reached is no error: its tokens
    /// are refused until it can.
    pub async fn open(control: Arc<dyn ControlPlane>, config: &Config) -> Result<Self, AccessError> {
        let keys = Keys::open(control, config).await?;
        let tokens = match config.auth.jwt.is_on() {
            true => Some(Tokens::open(&config.auth.jwt, config.roles.clone()).await?),
            false => None,
        };
        let failures = Failures::new(config.auth.failures_per_minute, config.auth.failure_addresses);
        Ok(Self { keys, tokens, failures })
    }

    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whose credential this is. `from` is where it came from; none for the host's own machine.
    ///
    /// # Errors
    ///
    /// [`Refused`]; the credential is then worth nothing.
    pub async fn principal(&self, credential: &str, from: Option<IpAddr>) -> Result<Principal, Refused> {
        let known = match text::is_key(credential) {
            true => self.keys.known(credential),
            false => self.tokens.as_ref().and_then(|tokens| tokens.known(credential)).map(Ok),
        };
        if let Some(Ok(principal)) = known {
            return Ok(principal);
        }
        if let Some(again_in) = from.and_then(|address| self.failures.shut_for(address)) {
            return Err(Refused::TooOften { again_in });
        }
        let found = match (known, &self.tokens) {
            (Some(refused), _) => refused,
            (None, _) if text::is_key(credential) => self.keys.find(credential).await,
            (None, Some(tokens)) if text::is_token(credential) => tokens.check(credential).await,
            (None, None) if text::is_token(credential) => Err(Refused::NoTokens),
            (None, _) => Err(Refused::Unknown),
        };
        if let (Err(refused), Some(address)) = (&found, from)
            && refused.is_the_clients()
            && self.failures.count(address)
        {
            tracing::warn!(%address, "too many refused credentials: this address is shut for the rest of a minute");
        }
        found
    }
}
