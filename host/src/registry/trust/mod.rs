//! Whose plugins are taken: signatures, who may sign what, and which versions may come back.
//!
//! A signature says that the holder of a key vouches for every byte that makes a plugin: the file without its
//! signatures and, where the manifest lies beside it, that manifest. It is looked for and checked before anything of
//! the file is parsed. Which key may sign which plugin, and which version was the highest, is in the control plane; a
//! [`Policy`] is what of that holds during one look at the directory. Bounds: `trust.signatures`,
//! `trust.signature_file_bytes`, `trust.keys`.

mod examine;
mod key;
mod pattern;
mod policy;
mod signature;
mod versions;

pub use self::examine::{Examined, examine};
pub use self::key::{KeyError, PublicKey, SecretKey};
pub use self::pattern::{PluginPattern, SignerName};
pub use self::policy::{Policy, Refusal, Settings, Signer};
pub use self::signature::{
    SECTION, Signature, SignatureError, Subject, appended, detached, read_detached, split, stripped,
};
pub use self::versions::{Present, Versions};
