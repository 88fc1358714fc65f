//! `wasi:config/store`: what the tenant of the call has set for the plugin, and the defaults.
//!
//! Invariant: the values came with the call and do not change while it runs, so whatever a plugin reads twice agrees.
//! What is set while it runs is there for the next call. Secrets are among them, in the clear: nothing here logs a
//! value or puts one into an error. Bound: `tenant.config_bytes`, which holds when a tenant sets them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::{HasData, Linker};

use crate::bindings::wasi::config::store as wit;
use crate::fault;

/// The values of one version of a plugin for one tenant, as text, by key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<String, String>);

impl FromIterator<(String, String)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Values {
    /// Adds all of them to a hash.
    pub fn add_to(&self, hash: &mut Sha256) {
        hash.update(self.0.len().to_be_bytes());
        for text in self.0.iter().flat_map(|(key, value)| [key, value]) {
            hash.update(text.len().to_be_bytes());
            hash.update(text);
        }
    }
}

/// Names alone: some of the values are secrets.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What the capability needs to know of a call.
pub struct ConfigContext {
    /// None where there is no value at all.
    values: Option<Arc<Values>>,
}

impl ConfigContext {
    pub fn new(values: Option<Arc<Values>>) -> Self {
        Self { values }
    }

    fn all(&self) -> impl Iterator<Item = (&String, &String)> {
        self.values.iter().flat_map(|values| &values.0)
    }
}

/// The capability's view of a store.
pub struct ConfigView<'a> {
    pub context: &'a ConfigContext,
}

impl wit::Host for ConfigView<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, wit::Error>> {
        fault::point("wasi:config/store.get");
        let values = self.context.values.as_ref();
        Ok(Ok(values.and_then(|values| values.0.get(&key)).cloned()))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, wit::Error>> {
        fault::point("wasi:config/store.get-all");
        Ok(Ok(self.context.all().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}

/// Adds the interface to a linker whose stores can give a [`ConfigView`].
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> ConfigView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasConfig>(linker, view)
}

struct HasConfig;

impl HasData for HasConfig {
    type Data<'a> = ConfigView<'a>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_ever_printed() {
        let values: Values = [("apiKey".to_owned(), "hunter2".to_owned())].into_iter().collect();
        assert_eq!(format!("{values:?}"), "{\"apiKey\"}");
    }
}
