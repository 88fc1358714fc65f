//! What an API key looks like: `tenon_<id>_<secret>`, in hexadecimal digits, 16 of them and 64.
//!
//! The beginning lets scanners of repositories and logs find keys that were left there: `tenon_[0-9a-f]{16}_[0-9a-f]{64}`.

use std::fmt;

use crate::hash::hex;
use crate::id::KeyId;

const PREFIX: &str = "tenon_";
const SECRET_BYTES: usize = 32;

/// A key in two parts. Only [`Self::to_text`] shows the secret.
pub(super) struct KeyText {
    pub(super) id: KeyId,
    pub(super) secret: [u8; SECRET_BYTES],
}

impl KeyText {
    /// A new one. None only if its own id were none.
    pub(super) fn random() -> Option<Self> {
        let id = KeyId::parse(&hex(&rand::random::<[u8; 8]>())).ok()?;
        Some(Self { id, secret: rand::random() })
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        Some(Self { id: KeyId::parse(id).ok()?, secret: unhex(secret)? })
    }

    pub(super) fn to_text(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, hex(&self.secret))
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_…", self.id)
    }
}

/// Whether it means to be a key.
pub(super) fn is_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Whether it means to be a token: three parts with dots between.
pub(super) fn is_token(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The bytes of exactly so many lower-case hexadecimal digits: a key has one spelling.
fn unhex(text: &str) -> Option<[u8; SECRET_BYTES]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_shown_by_one_function_only() {
        let key = KeyText::random().unwrap();
        let text = key.to_text();
        assert_eq!(text.len(), 87);
        let read = KeyText::parse(&text).unwrap();
        assert_eq!((read.id, read.secret), (key.id.clone(), key.secret));
        assert_eq!(format!("{key:?}"), format!("tenon_{}_…", key.id));
        assert_ne!(KeyText::random().unwrap().to_text(), text);
    }

    #[test]
    fn what_is_not_exactly_a_key_is_none() {
        let text = KeyText::random().unwrap().to_text();
        for wrong in [
            text.to_uppercase(),
            text.replace("tenon_", "tenon-"),
            format!("{text}0"),
            format!("{text}00"),
            format!(" {text}"),
            text[..86].to_owned(),
            text[..85].to_owned(),
            text.replacen('_', "__", 1),
            format!("{}é", &text[..85]),
            "tenon_".to_owned(),
            "tenon__".to_owned(),
        ] {
            assert!(KeyText::parse(&wrong).is_none(), "{wrong}");
        }
    }
}
