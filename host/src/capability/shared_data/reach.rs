//! What a plugin can reach of shared data, as the layers above found it out.

use std::time::Duration;

use crate::id::{Namespace, PluginId};

/// A namespace of the plugin's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    pub namespace: Namespace,
    /// Whether changes are told, because others may read it.
    pub is_announced: bool,
}

/// A namespace of another plugin that it asks to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    pub namespace: Namespace,
    pub reach: Reach,
}

/// Whether it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// From this plugin.
    Allowed(PluginId),
    /// Why it may not.
    Denied(String),
    /// Why there is nothing to be read at the moment.
    Absent(String),
}

/// Who keeps an answer that the call is a part of.
pub trait Dependent: Send + Sync {
    /// The call is about to read a namespace.
    fn reads(&self, namespace: &Namespace);

    /// What it has read is gone after so long.
    fn lasts(&self, left: Duration);

    /// It could not read something that is there.
    fn lacks(&self);
}
