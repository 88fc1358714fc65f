//! Secrets at rest: sealed with XChaCha20-Poly1305.
//!
//! Invariants: what is sealed opens only with its key and for the same tenant, plugin and field, because those are
//! authenticated with it; each sealing has a random nonce of its own, of 24 bytes, so none ever comes twice. No key
//! and no secret is printed by `Debug`, and both are overwritten in memory when they are dropped.

mod file;
mod keys;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

pub use self::keys::{KeyError, PREVIOUS, Rotation, SECRET_KEY, Seals, fresh, key_of};
use crate::hash::{hex, sha256};

const NONCE_BYTES: usize = 24;

/// The form that is written: this, the key's name, and nonce with ciphertext in base64, with points between.
const FORM: &str = "v1";

/// A key that seals secrets.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// What a secret belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub tenant: &'a str,
    pub plugin: &'a str,
    pub field: &'a str,
}

/// Why something sealed does not open. It never says what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("it was sealed with a key that the host does not have")]
    UnknownKey,
    #[error("it was altered, or belongs to another tenant, plugin or field")]
    Altered,
}

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Whoever takes it must not show it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.name())
    }
}

impl Place<'_> {
    /// No id and no field has a line break in it, so different places give different bytes.
    fn bytes(&self) -> Vec<u8> {
        format!("tenon secret\n{}\n{}\n{}", self.tenant, self.plugin, self.field).into_bytes()
    }
}

impl SecretKey {
    fn random() -> Self {
        Self(Zeroizing::new(rand::random()))
    }

    /// Reads 32 bytes in hexadecimal or base64.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let hexadecimal = || {
            let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
            let plain = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            plain.then(|| (0..64).step_by(2).map(digit).collect::<Option<Vec<u8>>>()).flatten()
        };
        let base64 = || STANDARD_NO_PAD.decode(text.trim_end_matches('=').replace('-', "+").replace('_', "/")).ok();
        let bytes = Zeroizing::new(hexadecimal().or_else(base64)?);
        Some(Self(Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?)))
    }

    /// What it is called, which tells nothing of it.
    fn name(&self) -> String {
        let mut named = Zeroizing::new(b"tenon secret key\n".to_vec());
        named.extend_from_slice(&*self.0);
        hex(&sha256(&named)[..4])
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(&*self.0))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }

    fn seal(&self, place: Place<'_>, secret: &Secret) -> Option<String> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: secret.expose().as_bytes(), aad: &place.bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).ok()?;
        let bytes = [&nonce[..], &sealed].concat();
        Some(format!("{FORM}.{}.{}", self.name(), STANDARD_NO_PAD.encode(bytes)))
    }

    fn open(&self, place: Place<'_>, body: &str) -> Option<Secret> {
        let bytes = STANDARD_NO_PAD.decode(body).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: &place.bytes() };
        let opened = Zeroizing::new(self.cipher().decrypt(&XNonce::from(*nonce), payload).ok()?);
        Some(Secret::new(std::str::from_utf8(&opened).ok()?.to_owned()))
    }
}

/// The name of the key and the rest of something sealed.
fn parts(sealed: &str) -> Option<(&str, &str)> {
    sealed.strip_prefix(FORM)?.strip_prefix('.')?.split_once('.')
}

#[cfg(test)]
mod tests;
