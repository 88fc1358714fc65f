//! What a signature is made over, and where it stands.
//!
//! A signature is 97 bytes: what it covers, the public key, the signature of RFC 8032. It stands in a custom section
//! `tenon:signature` at the very end of the file, one section for each, or as a line of the file `<name>.wasm.sig`
//! beside it. Either way it is over the same message, so it can be moved from one place to the other: a text that only
//! Tenon signs, what is covered, and the SHA-256 of the file without its signatures and of the manifest beside it.
//! Because signatures are not signed, each must be in the one form that [`appended`] or [`detached`] writes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::key::{PublicKey, SecretKey};
use crate::hash::sha256;

/// The name of the custom section.
pub const SECTION: &str = "tenon:signature";

/// So that no signature made for another purpose is one of ours.
const DOMAIN: &[u8] = b"tenon plugin signature 1\0";
const LENGTH: usize = 1 + 32 + 64;
/// Section id, its size, the length of its name: each is one byte.
const SECTION_LENGTH: usize = 3 + SECTION.len() + LENGTH;

/// What somebody vouches for, as hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// Of the file without its signatures.
    pub file: [u8; 32],
    /// Of the manifest that lies beside it.
    pub manifest: Option<[u8; 32]>,
}

/// One signature, which may be right or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub key: PublicKey,
    /// Whether it covers the manifest beside the file too.
    pub with_manifest: bool,
    bytes: [u8; 64],
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("something stands behind its signature: the file was changed after it was signed. Sign it again")]
    NotLast,
    #[error("its signature in the {place} cannot be read: sign it again with `tenon sign`")]
    Malformed { place: &'static str },
    #[error("it has more than {limit} signatures (trust.signatures): remove those that nobody needs")]
    TooMany { limit: usize },
    #[error(
        "the signature by {key} is wrong: {} was changed after it was signed. Take it again from where it was signed",
        if *.with_manifest { "the file or the manifest beside it" } else { "the file" }
    )]
    Wrong { key: PublicKey, with_manifest: bool },
    #[error("it was signed together with the manifest beside it, which is missing: put {sidecar} back")]
    NoManifest { sidecar: String },
}

impl Subject {
    /// The file without its signatures, and the manifest beside it where that one counts.
    pub fn new(file: &[u8], manifest: Option<&[u8]>) -> Self {
        Self { file: sha256(file), manifest: manifest.map(sha256) }
    }
}

impl Signature {
    /// Signs all of the subject.
    pub fn new(subject: &Subject, key: &SecretKey) -> Self {
        let bytes = key.sign(&message(&subject.file, subject.manifest.as_ref()));
        Self { key: key.public(), with_manifest: subject.manifest.is_some(), bytes }
    }

    /// # Errors
    ///
    /// When it is not the signature of this subject.
    pub fn verify(&self, subject: &Subject, sidecar: &str) -> Result<(), SignatureError> {
        let manifest = match (self.with_manifest, &subject.manifest) {
            (true, None) => return Err(SignatureError::NoManifest { sidecar: sidecar.to_string() }),
            (true, manifest) => manifest.as_ref(),
            (false, _) => None,
        };
        if self.key.has_signed(&message(&subject.file, manifest), &self.bytes) {
            return Ok(());
        }
        Err(SignatureError::Wrong { key: self.key, with_manifest: self.with_manifest })
    }

    fn encode(&self) -> Vec<u8> {
        let covers = if self.with_manifest { 2 } else { 1 };
        [&[covers][..], self.key.as_bytes(), &self.bytes].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (covers, rest) = bytes.split_first()?;
        let with_manifest = match covers {
            1 => false,
            2 => true,
            _ => return None,
        };
        let (key, signature) = rest.split_first_chunk::<32>()?;
        Some(Self { key: PublicKey::from_bytes(key)?, with_manifest, bytes: signature.try_into().ok()? })
    }
}

/// The hash of the file comes before that of the manifest and both are of one length, so no two subjects have the same
/// message; the byte before them tells whether there is a second.
fn message(file: &[u8; 32], manifest: Option<&[u8; 32]>) -> Vec<u8> {
    let covers = if manifest.is_some() { 2 } else { 1 };
    [DOMAIN, &[covers], file, manifest.map_or(&[], |manifest| &manifest[..])].concat()
}

/// The section to append to a file.
pub fn appended(signature: &Signature) -> Vec<u8> {
    let mut section = Vec::with_capacity(SECTION_LENGTH);
    // Below 128, so that the size is one byte.
    section.extend([0, (1 + SECTION.len() + LENGTH) as u8, SECTION.len() as u8]);
    section.extend(SECTION.as_bytes());
    section.extend(signature.encode());
    section
}

/// The line for the file of signatures.
pub fn detached(signature: &Signature) -> String {
    format!("{SECTION} {}\n", STANDARD.encode(signature.encode()))
}

/// Reads a file of signatures: one in each line.
///
/// # Errors
///
/// When a line is none, or there are more than `limit`.
pub fn read_detached(bytes: &[u8], limit: usize) -> Result<Vec<Signature>, SignatureError> {
    let malformed = || SignatureError::Malformed { place: "file beside it that ends in .sig" };
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let mut found = Vec::new();
    for line in text.lines() {
        let decoded = line.strip_prefix(SECTION).and_then(|rest| STANDARD.decode(rest.strip_prefix(' ')?).ok());
        let signature = decoded.and_then(|bytes| Signature::decode(&bytes)).ok_or_else(malformed)?;
        if found.len() == limit {
            return Err(SignatureError::TooMany { limit });
        }
        found.push(signature);
    }
    if found.is_empty() { Err(malformed()) } else { Ok(found) }
}

/// A file and the signatures behind it.
#[derive(Debug)]
pub struct Split<'a> {
    /// The file as it was when it was signed.
    pub payload: &'a [u8],
    pub signatures: Vec<Signature>,
    /// The file ends within a section, as one does that was cut off.
    pub cut: bool,
}

/// Takes the signatures off the end of a component. Looks at nothing but the lengths of the outermost sections and the
/// names of custom ones, without recursion and without memory for what it passes over.
///
/// # Errors
///
/// When a signature is not at the end, is none, or there are more than `limit`.
pub fn split(bytes: &[u8], limit: usize) -> Result<Split<'_>, SignatureError> {
    let (mut at, mut payload, mut cut) = (bytes.len().min(8), bytes.len(), false);
    let mut signatures = Vec::new();
    while at < bytes.len() {
        let Some((section, content)) = section(&bytes[at..]) else {
            cut = true;
            break;
        };
        if is_signature(section[0], content) {
            payload = payload.min(at);
            let data = &content[1 + SECTION.len()..];
            let signature = Signature::decode(data).filter(|signature| appended(signature) == section);
            let malformed = SignatureError::Malformed { place: "section at its end" };
            if signatures.len() == limit {
                return Err(SignatureError::TooMany { limit });
            }
            signatures.push(signature.ok_or(malformed)?);
        } else if payload < bytes.len() {
            return Err(SignatureError::NotLast);
        }
        at += section.len();
    }
    if cut && !signatures.is_empty() {
        return Err(SignatureError::NotLast);
    }
    Ok(Split { payload: &bytes[..payload], signatures, cut })
}

/// The file without any section that holds a signature, wherever it stands and whatever is in it.
pub fn stripped(bytes: &[u8]) -> Vec<u8> {
    let mut at = bytes.len().min(8);
    let mut kept = bytes[..at].to_vec();
    while let Some((section, content)) = section(&bytes[at..]) {
        if !is_signature(section[0], content) {
            kept.extend(section);
        }
        at += section.len();
    }
    kept.extend(&bytes[at..]);
    kept
}

fn is_signature(id: u8, content: &[u8]) -> bool {
    id == 0 && content.strip_prefix(&[SECTION.len() as u8]).is_some_and(|rest| rest.starts_with(SECTION.as_bytes()))
}

/// The first section, whole and its content alone; nothing when the bytes end within it.
fn section(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut size, mut at) = (0_u64, 1);
    loop {
        let byte = *bytes.get(at)?;
        size |= u64::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
        // A length has 32 bits, which are five bytes.
        if at > 5 {
            return None;
        }
    }
    let end = at.checked_add(usize::try_from(size).ok()?)?;
    Some((bytes.get(..end)?, bytes.get(at..end)?))
}

#[cfg(test)]
mod tests;
