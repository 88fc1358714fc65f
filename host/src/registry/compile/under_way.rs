//! Which files are being compiled, or wait for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::runtime::PluginKey;

/// A file whose machine code is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compiling {
    pub file_name: String,
    pub id: String,
    pub version: String,
    pub status: Stage,
    /// Since when it is so.
    pub since: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// As many as may are being compiled (`loader.compile_processes`).
    Waiting,
    Compiling,
}

/// All of them, by file.
#[derive(Default)]
pub(in crate::registry) struct UnderWay(Arc<Mutex<BTreeMap<String, Compiling>>>);

/// One of them, until it is dropped.
pub(in crate::registry) struct Entry {
    all: Arc<Mutex<BTreeMap<String, Compiling>>>,
    file_name: String,
}

impl UnderWay {
    /// Notes that a file waits for a compiling process.
    pub fn enter(&self, file_name: &str, plugin: &PluginKey) -> Entry {
        let compiling = Compiling {
            file_name: file_name.to_owned(),
            id: plugin.id.to_string(),
            version: plugin.version.to_string(),
            status: Stage::Waiting,
            since: Timestamp::now().to_string(),
        };
        lock(&self.0).insert(file_name.to_owned(), compiling);
        Entry { all: self.0.clone(), file_name: file_name.to_owned() }
    }

    pub fn list(&self) -> Vec<Compiling> {
        lock(&self.0).values().cloned().collect()
    }
}

impl Entry {
    /// Notes that it has one.
    pub fn begin(&self) {
        if let Some(compiling) = lock(&self.all).get_mut(&self.file_name) {
            compiling.status = Stage::Compiling;
            compiling.since = Timestamp::now().to_string();
            let Compiling { file_name: file, id, version, .. } = compiling;
            tracing::info!(
                file,
                plugin = format!("{id} {version}"),
                "compiling begins: its machine code is not in the cache"
            );
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.file_name);
    }
}

fn lock(all: &Mutex<BTreeMap<String, Compiling>>) -> MutexGuard<'_, BTreeMap<String, Compiling>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}
