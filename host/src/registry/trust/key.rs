//! Keys of Ed25519 as text.
//!
//! A public key is one word, `ed25519:` and 32 bytes in Base64, so that it fits a command line. A private key is a PEM
//! file as OpenSSL writes it (PKCS#8, RFC 8410): of that form only the one layout that Ed25519 has is read.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::id::excerpt;

const PREFIX: &str = "ed25519:";
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
/// What stands before the 32 bytes of an Ed25519 key in PKCS#8: version 0, the algorithm's number, two lengths.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Who may have signed something. It is a point of the curve that others than its owner cannot sign for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

/// What signs. It is not shown by anything but [`SecretKey::to_pem`].
pub struct SecretKey(SigningKey);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "{0:?} is not a public key: it is `ed25519:` and 44 characters, as `tenon sign keygen` prints it and writes it \
         into the file that ends in .pub"
    )]
    Public(String),
    /// Nothing of it is quoted.
    #[error(
        "this is a private key, which nobody but its owner should see: give the public one, from the file that ends in .pub"
    )]
    Private,
    #[error("{0:?} is a public key that anybody can sign for; make one with `tenon sign keygen`")]
    Weak(String),
    #[error(
        "this is no private key of Ed25519: it is a PEM file (PKCS#8) without a password, as `tenon sign keygen` or \
         `openssl genpkey -algorithm ed25519` writes it"
    )]
    Secret,
}

impl PublicKey {
    /// The key with these bytes, unless no honest signer has it.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).is_ok_and(|key| !key.is_weak()).then_some(Self(*bytes))
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether these 64 bytes are this key's signature of the message, in the one form that counts.
    pub fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.contains("PRIVATE KEY") {
            return Err(KeyError::Private);
        }
        let wrong = || KeyError::Public(excerpt(text));
        let bytes = text.strip_prefix(PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok()).ok_or_else(wrong)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| wrong())?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| wrong())?;
        if key.is_weak() { Err(KeyError::Weak(excerpt(text))) } else { Ok(Self(bytes)) }
    }
}

impl SecretKey {
    /// A new key of 32 random bytes.
    pub fn generate() -> Self {
        Self(SigningKey::from_bytes(&rand::random()))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    pub fn to_pem(&self) -> String {
        let der = [&PKCS8[..], self.0.as_bytes()].concat();
        format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", STANDARD.encode(der))
    }

    /// # Errors
    ///
    /// [`KeyError::Secret`]; nothing of the text is quoted.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let encoded = text.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END));
        let encoded: String = encoded.ok_or(KeyError::Secret)?.split_ascii_whitespace().collect();
        let der = STANDARD.decode(encoded).map_err(|_| KeyError::Secret)?;
        let seed: &[u8; 32] = der.strip_prefix(&PKCS8).and_then(|seed| seed.try_into().ok()).ok_or(KeyError::Secret)?;
        Ok(Self(SigningKey::from_bytes(seed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, section 10.3: a private key and, in section 10.1, its public half.
    const RFC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const RFC_PUBLIC: &str = "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    #[test]
    fn a_private_key_is_read_and_written_as_others_do() {
        let key = SecretKey::from_pem(RFC_PRIVATE).unwrap();
        assert_eq!(key.public().to_string(), RFC_PUBLIC);
        assert_eq!(key.to_pem(), RFC_PRIVATE);
        assert_eq!(RFC_PUBLIC.parse::<PublicKey>().unwrap(), key.public());
    }

    #[test]
    fn what_is_no_key_is_refused_without_quoting_a_secret() {
        let cut = RFC_PRIVATE.replace("VhC", "");
        let encrypted = RFC_PRIVATE.replace("PRIVATE", "ENCRYPTED PRIVATE");
        let other_algorithm = RFC_PRIVATE.replace("K2Vw", "K2Vx");
        for text in ["", "ed25519:", &cut, &encrypted, &other_algorithm, RFC_PUBLIC] {
            let told = SecretKey::from_pem(text).err().unwrap().to_string();
            assert!(told.starts_with("this is no private key") && !told.contains("MC4C"), "{told}");
        }
        let short = &RFC_PUBLIC[..RFC_PUBLIC.len() - 4];
        for text in ["", "ed25519:", short, &RFC_PUBLIC[8..], &RFC_PUBLIC.to_uppercase()] {
            assert!(matches!(text.parse::<PublicKey>(), Err(KeyError::Public(_))), "{text}");
        }
        for text in [RFC_PRIVATE, &encrypted] {
            let told = text.parse::<PublicKey>().unwrap_err().to_string();
            assert!(told.starts_with("this is a private key") && !told.contains("MC4C"), "{told}");
        }
        // The neutral element, for which one signature fits every message.
        let neutral = format!("ed25519:AQ{}=", "A".repeat(41));
        assert!(matches!(neutral.parse::<PublicKey>(), Err(KeyError::Weak(_))));
        assert_eq!(PublicKey::from_bytes(&std::array::from_fn(|at| (at == 0).into())), None);
    }

    #[test]
    fn two_new_keys_are_different_and_sign_for_themselves_alone() {
        let (one, other) = (SecretKey::generate(), SecretKey::generate());
        let signature = one.sign(b"message");
        assert!(one.public().has_signed(b"message", &signature));
        assert!(!other.public().has_signed(b"message", &signature));
        assert!(!one.public().has_signed(b"messagf", &signature));
    }
}
