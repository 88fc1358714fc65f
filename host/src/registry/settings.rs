//! What tenants have set of plugins' configuration, and what that makes of a plugin's fields.
//!
//! Immutable: a change makes new [`Settings`], and with them a new snapshot. Whatever was set under a key counts only
//! if the version that reads it has that field and takes that value; otherwise the default counts. Secrets are opened
//! once, when they are read, and nothing here prints them.

mod reseal;
mod stored;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use semver::Version;
use serde_json::Value;

pub use self::reseal::{ResealError, Resealed, Unreadable, reseal, unreadable};
pub use self::stored::{Kept, Stored};
use super::manifest::{ConfigField, Manifest};
use crate::capability::config::Values;
use crate::db;
use crate::id::{PluginId, TenantId};
use crate::seal::Seals;

/// Everything that was set, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    tenants: HashMap<TenantId, BTreeMap<PluginId, Arc<Stored>>>,
}

/// What one field of a version is for a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The tenant's own value.
    Set(Value),
    /// The manifest's.
    Default(Value),
    Unset,
}

/// The values that a plugin reads, by key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Effective(BTreeMap<String, Value>);

impl Settings {
    /// Reads what was written down. What is no longer understood is told, without its content, and does not count; so
    /// it is with a secret that does not open, until its key is back.
    pub fn read(rows: Vec<db::ConfigRow>, seals: &Seals) -> Self {
        let mut settings = Self::default();
        for row in rows {
            let (Ok(tenant), Ok(plugin)) = (TenantId::parse(&row.tenant), PluginId::parse(&row.plugin)) else {
                tracing::error!(tenant = row.tenant, plugin = row.plugin, "a tenant's configuration cannot be read");
                continue;
            };
            let stored = Stored::read(&row, seals).unwrap_or_else(|| {
                tracing::error!(%tenant, %plugin, "a tenant's configuration cannot be read");
                // With its revision, so that it can be set anew.
                Stored { entries: BTreeMap::new(), revision: row.revision }
            });
            settings.tenants.entry(tenant).or_default().insert(plugin, Arc::new(stored));
        }
        settings
    }

    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// What a tenant has set for a plugin.
    pub fn stored(&self, tenant: &TenantId, plugin: &PluginId) -> Option<&Arc<Stored>> {
        self.tenants.get(tenant)?.get(plugin)
    }

    /// Whose values of which plugins are others there.
    pub fn differing<'a>(&'a self, there: &'a Self) -> impl Iterator<Item = (&'a TenantId, &'a PluginId)> {
        let each = |settings: &'a Self| {
            let plugins = |(tenant, plugins): (&'a TenantId, &'a BTreeMap<PluginId, Arc<Stored>>)| {
                plugins.keys().map(move |plugin| (tenant, plugin))
            };
            settings.tenants.iter().flat_map(plugins)
        };
        let differs =
            |(tenant, plugin): &(&TenantId, &PluginId)| self.stored(tenant, plugin) != there.stored(tenant, plugin);
        each(self).chain(each(there)).filter(differs)
    }

    /// The tenants that have set something.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.tenants.keys()
    }

    /// The tenants that have set something for a plugin.
    pub fn tenants_of(&self, plugin: &PluginId) -> impl Iterator<Item = &TenantId> {
        self.tenants.iter().filter(move |(_, plugins)| plugins.contains_key(plugin)).map(|(tenant, _)| tenant)
    }

    /// The values that a version of a plugin reads for a tenant.
    pub fn effective(&self, tenant: Option<&TenantId>, manifest: &Manifest) -> Effective {
        let stored = tenant.and_then(|tenant| self.stored(tenant, &manifest.id));
        let each = manifest.config.iter().filter_map(|field| match State::of(field, stored.map(|stored| &**stored)) {
            State::Set(value) | State::Default(value) => Some((field.key.to_string(), value)),
            State::Unset => None,
        });
        Effective(each.collect())
    }

    /// The versions that lack something they require, and what: the keys in the manifest's order.
    pub fn unconfigured<'a>(
        &self,
        tenant: Option<&TenantId>,
        manifests: impl Iterator<Item = &'a Manifest>,
    ) -> BTreeMap<(PluginId, Version), Vec<String>> {
        let lacking = manifests.filter_map(|manifest| {
            let stored = tenant.and_then(|tenant| self.stored(tenant, &manifest.id));
            let lacking = lacking(manifest, stored.map(|stored| &**stored));
            (!lacking.is_empty()).then(|| ((manifest.id.clone(), manifest.version.clone()), lacking))
        });
        lacking.collect()
    }
}

/// The required fields that have no value.
pub fn lacking(manifest: &Manifest, stored: Option<&Stored>) -> Vec<String> {
    let required = manifest.config.iter().filter(|field| field.required);
    required.filter(|field| State::of(field, stored) == State::Unset).map(|field| field.key.to_string()).collect()
}

impl State {
    /// What a field is, with what was stored.
    pub fn of(field: &ConfigField, stored: Option<&Stored>) -> Self {
        let set = stored.and_then(|stored| stored.entries.get(field.key.as_str())).and_then(Kept::value);
        if let Some(value) = set.filter(|value| field.check_set(value).is_ok()) {
            return Self::Set(value);
        }
        match &field.default {
            Some(default) if !default.is_null() => Self::Default(default.clone()),
            _ => Self::Unset,
        }
    }
}

impl Effective {
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// As a plugin gets them: a text and a choice as they are, the others as JSON. None where there is no value at all.
    pub fn as_text(&self) -> Option<Values> {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (!self.0.is_empty()).then(|| self.iter().map(|(key, value)| (key.to_owned(), text(value))).collect())
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

/// Names alone: some of the values are secrets.
impl fmt::Debug for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
