//! Whether a plugin may call a function of another, for the user of the request.
//!
//! The function's requirement must be covered twice: by what the user may do, and by what the calling plugin was
//! granted at this dependency. Only the direct caller counts: nothing is inherited through a chain of calls. The
//! caller's part is the same for every call, so it is decided when the link is made.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::permission::{PermissionName, PermissionSet};

/// What a call over one link requires, with the caller's part decided.
pub struct Access {
    required: Arc<[PermissionName]>,
    /// What the caller was not granted.
    withheld: Option<PermissionName>,
}

/// The permission that is missing, and who lacks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing<'a> {
    /// The plugin that makes the call was not granted it.
    OfPlugin(&'a PermissionName),
    OfUser(&'a PermissionName),
}

impl Access {
    pub fn new(required: Arc<[PermissionName]>, granted: &[PermissionName]) -> Self {
        let withheld = required.iter().find(|name| !granted.contains(name)).cloned();
        Self { required, withheld }
    }

    /// Everything that decides what it answers.
    pub(super) fn hash(&self, hash: &mut Sha256) {
        hash.update(self.required.len().to_be_bytes());
        for name in self.required.iter().chain(&self.withheld) {
            hash.update(name.as_str().len().to_be_bytes());
            hash.update(name.as_str());
        }
        hash.update([u8::from(self.withheld.is_some())]);
    }

    /// # Errors
    ///
    /// The first permission that one of the two lacks; the plugin's lack is told first, as it is the same for all users.
    pub fn check(&self, user: &PermissionSet) -> Result<(), Missing<'_>> {
        match &self.withheld {
            Some(permission) => Err(Missing::OfPlugin(permission)),
            None => user.first_missing(&self.required).map_or(Ok(()), |permission| Err(Missing::OfUser(permission))),
        }
    }
}

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfPlugin(permission) => write!(f, "the calling plugin was not granted `{permission}`"),
            Self::OfUser(permission) => write!(f, "the user lacks the permission `{permission}`"),
        }
    }
}
