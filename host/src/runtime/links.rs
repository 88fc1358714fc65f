//! What each plugin's imports lead to, for one tenant: who answers them, which hosts outside may be asked, and the values
//! of its configuration.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::access::Access;
use super::prepared::PreparedPlugin;
use super::signature::ExportedFunction;
use crate::capability::config::Values;
use crate::capability::outbound::AskedHost;
use crate::capability::shared_data::Reading;

/// All links of one tenant. A call takes it along, so a later change does not reach it.
///
/// Both maps are by the serial number of the importer. What they hold is shared among the tenants that have the same.
#[derive(Default, Clone)]
pub struct LinkTable {
    by_importer: Arc<HashMap<u64, Leads>>,
    values: Arc<HashMap<u64, Arc<Values>>>,
    fingerprint: OnceLock<[u8; 32]>,
}

/// Where the imports of one plugin lead.
pub struct Leads {
    /// One for each of its imports, in their order.
    pub links: Vec<Link>,
    pub hosts: Arc<[AskedHost]>,
    /// The shared data of others that it asks to read.
    pub reads: Vec<Reading>,
}

/// The answer to one import.
pub enum Link {
    Provider(Provider),
    /// Nobody answers: the text says why.
    Missing(String),
}

/// A provider with its functions in the order in which the importer knows them.
pub struct Provider {
    pub plugin: Arc<PreparedPlugin>,
    pub functions: Vec<LinkedFunction>,
}

/// A provider's function, and what it takes to call it over this link.
pub struct LinkedFunction {
    pub function: Arc<ExportedFunction>,
    pub access: Access,
}

impl LinkTable {
    /// Where the imports of each importer lead.
    pub fn new<'a>(leads: impl IntoIterator<Item = (&'a PreparedPlugin, Leads)>) -> Self {
        let leads = leads.into_iter().map(|(importer, leads)| (importer.serial(), leads));
        Self { by_importer: Arc::new(leads.collect()), ..Self::default() }
    }

    /// The same with these values of plugins' configuration.
    pub fn with_values<'a>(&self, values: impl IntoIterator<Item = (&'a PreparedPlugin, Arc<Values>)>) -> Self {
        let values = values.into_iter().map(|(plugin, values)| (plugin.serial(), values));
        Self { by_importer: self.by_importer.clone(), values: Arc::new(values.collect()), ..Self::default() }
    }

    /// The hosts outside that a plugin asks for, with what of it it was granted.
    pub(super) fn hosts(&self, plugin: &PreparedPlugin) -> Arc<[AskedHost]> {
        self.by_importer.get(&plugin.serial()).map(|leads| leads.hosts.clone()).unwrap_or_default()
    }

    /// The namespaces of shared data that a plugin asks to read, with whether it may.
    pub fn reads(&self, plugin: &PreparedPlugin) -> &[Reading] {
        self.by_importer.get(&plugin.serial()).map_or(&[], |leads| &leads.reads)
    }

    /// The same for two tables over which every call is made alike: to the same providers, hosts and shared data, as
    /// loaded, with the same grants and values. So a table that was made anew, because somebody else decided something, has it still.
    pub(super) fn fingerprint(&self) -> &[u8; 32] {
        self.fingerprint.get_or_init(|| {
            let mut importers: Vec<_> = self.by_importer.iter().collect();
            importers.sort_unstable_by_key(|(serial, _)| **serial);
            let mut hash = Sha256::new();
            for (serial, Leads { links, hosts, reads }) in importers {
                hash.update(serial.to_be_bytes());
                hash.update(links.len().to_be_bytes());
                links.iter().for_each(|link| link.hash(&mut hash));
                hash.update(format!("{hosts:?} {reads:?}"));
            }
            let mut configured: Vec<_> = self.values.iter().collect();
            configured.sort_unstable_by_key(|(serial, _)| **serial);
            for (serial, values) in configured {
                hash.update(serial.to_be_bytes());
                values.add_to(&mut hash);
            }
            hash.finalize().into()
        })
    }

    pub(super) fn get(&self, importer: &PreparedPlugin, import: usize) -> Option<&Link> {
        self.by_importer.get(&importer.serial())?.links.get(import)
    }

    /// The values that a plugin reads, if there are any.
    pub(super) fn values(&self, plugin: &PreparedPlugin) -> Option<&Arc<Values>> {
        self.values.get(&plugin.serial())
    }
}

impl Link {
    fn hash(&self, hash: &mut Sha256) {
        match self {
            Self::Missing(reason) => {
                hash.update([0]);
                hash.update(reason.len().to_be_bytes());
                hash.update(reason);
            }
            Self::Provider(provider) => {
                hash.update([1]);
                hash.update(provider.plugin.serial().to_be_bytes());
                hash.update(provider.functions.len().to_be_bytes());
                for linked in &provider.functions {
                    hash.update(linked.function.number.to_be_bytes());
                    linked.access.hash(hash);
                }
            }
        }
    }
}
