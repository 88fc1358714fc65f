//! All signatures of a file, looked for in both places and checked, before anything else is read of it.

use super::signature::{Signature, SignatureError, Subject, read_detached, split};
use crate::hash::sha256;

/// A file whose signatures are all right. Whose they are is another question.
#[derive(Debug)]
pub struct Examined<'a> {
    /// The file without the signatures at its end.
    pub payload: &'a [u8],
    /// SHA-256 of that.
    pub hash: [u8; 32],
    /// Of the manifest beside the file, if there is one, whether it counts or not.
    pub manifest: Option<[u8; 32]>,
    pub signatures: Vec<Signature>,
    /// The file ends within a section.
    pub cut: bool,
}

/// Checks every signature of a file, which is given with its SHA-256: those at its end and those of the file beside it.
/// `sidecar` is the manifest beside it, by its name and content. Each signature must be right, also one that nobody needs: a wrong one tells that the
/// file is not what somebody signed.
///
/// # Errors
///
/// [`SignatureError`] when one of them is wrong, in the wrong place or unreadable, or there are more than `limit`.
pub fn examine<'a>(
    (bytes, whole): (&'a [u8], [u8; 32]),
    sidecar: (&str, Option<&[u8]>),
    signature_file: Option<&[u8]>,
    limit: usize,
) -> Result<Examined<'a>, SignatureError> {
    let split = split(bytes, limit)?;
    let mut signatures = split.signatures;
    if let Some(file) = signature_file {
        signatures.extend(read_detached(file, limit)?);
    }
    if signatures.len() > limit {
        return Err(SignatureError::TooMany { limit });
    }
    let (name, manifest) = sidecar;
    // Most files have nothing at their end, and hashing is most of the work.
    let file = if split.payload.len() == bytes.len() { whole } else { sha256(split.payload) };
    let subject = Subject { file, manifest: manifest.map(sha256) };
    for signature in &signatures {
        signature.verify(&subject, name)?;
    }
    let Subject { file: hash, manifest } = subject;
    Ok(Examined { payload: split.payload, hash, manifest, signatures, cut: split.cut })
}
