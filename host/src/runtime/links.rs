//! Who answers each import, for one tenant, as decided when the plugins were resolved.

use std::collections::HashMap;
use std::sync::Arc;

use super::prepared::PreparedPlugin;
use super::signature::ExportedFunction;

/// All links of one tenant. A call takes it along, so a later change does not reach it.
#[derive(Default)]
pub struct LinkTable {
    by_importer: HashMap<u64, Vec<Link>>,
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
    pub functions: Vec<Arc<ExportedFunction>>,
}

impl LinkTable {
    /// Sets the links of one importer, one for each of its imports in their order.
    pub fn insert(&mut self, importer: &PreparedPlugin, links: Vec<Link>) {
        self.by_importer.insert(importer.serial(), links);
    }

    pub(super) fn get(&self, importer: &PreparedPlugin, import: usize) -> Option<&Link> {
        self.by_importer.get(&importer.serial())?.get(import)
    }
}
