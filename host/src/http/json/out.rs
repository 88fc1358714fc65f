//! The text of an answer, which ends at a limit. Texts of a few bytes are written before they are counted, so it can be
//! passed by one of them and by the brackets around.

use std::ops::{Deref, DerefMut};

use super::error::{EncodeError, EncodeProblem};
use super::string;

/// A text of this many bytes is measured before it is written: with escapes it can be six times as long.
const LONG_TEXT: usize = 4096;

/// Bytes that are written, up to a limit. What stood there before counts.
pub struct Out {
    bytes: Vec<u8>,
    limit_bytes: usize,
}

impl Out {
    pub fn new(begun: &[u8], limit_bytes: usize) -> Self {
        Self { bytes: begun.to_vec(), limit_bytes }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether there is room for a text, looked at before it is written when it is long enough to matter.
    pub(super) fn take_text(&mut self, text: &str) -> Result<(), EncodeError> {
        if text.len() >= LONG_TEXT {
            self.fits(string::written_bytes(text))?;
        }
        string::write(&mut self.bytes, text);
        Ok(())
    }

    pub(super) fn fits(&self, more: usize) -> Result<(), EncodeError> {
        let limit_bytes = self.limit_bytes;
        let fits = self.bytes.len().saturating_add(more) <= limit_bytes;
        if fits { Ok(()) } else { Err(EncodeProblem::TooLong { limit_bytes }.into()) }
    }
}

impl Deref for Out {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Out {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}
