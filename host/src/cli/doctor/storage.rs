//! The databases of tenants: how full they are, and what lies beside them.

use std::fs;
use std::path::{Path, PathBuf};

use super::finding::Findings;
use crate::config::Config;

/// What of its bound a database may fill before that is worth a word, in percent.
const FULL_PERCENT: u64 = 90;

/// Findings of one kind that are told one by one.
const TOLD_MAX: usize = 10;

const ENDING: &str = "sqlite";

struct Database {
    file: PathBuf,
    bytes: u64,
}

pub(super) fn look(config: &Config, in_use: bool, findings: &mut Findings) {
    let root = config.data.join("tenants");
    let files: Vec<PathBuf> = entries(&root).flat_map(|tenant| entries(&tenant).collect::<Vec<_>>()).collect();
    let databases = files.iter().filter(|file| file.extension().is_some_and(|ending| ending == ENDING));
    let databases: Vec<Database> =
        databases.map(|file| Database { file: file.clone(), bytes: size(file).unwrap_or_default() }).collect();
    if databases.is_empty() {
        return;
    }
    full(config, &databases, findings);
    if !in_use {
        logs_left(&databases, findings);
    }
    logs_alone(&files, findings);
    let all: u64 = databases.iter().map(|database| database.bytes).sum();
    findings.ok("storage", format!("databases of tenants: {}, {} MiB together", databases.len(), all >> 20));
}

fn full(config: &Config, databases: &[Database], findings: &mut Findings) {
    let limit = config.sql.storage_bytes;
    let is_full = |database: &&Database| database.bytes.saturating_mul(100) >= limit.saturating_mul(FULL_PERCENT);
    let full: Vec<&Database> = databases.iter().filter(is_full).collect();
    for Database { file, bytes } in full.iter().take(TOLD_MAX) {
        let what = format!("{} takes {bytes} of {limit} bytes", file.display());
        let fix = "raise sql.storage_bytes with sql.log_bytes, or have the tenant's data removed by the plugin";
        findings.hint("storage", what, Some(fix.into()));
    }
    if full.len() > TOLD_MAX {
        findings.hint("storage", format!("{} more are as full", full.len() - TOLD_MAX), None);
    }
}

/// A host that was ended at once leaves the last changes in the log.
fn logs_left(databases: &[Database], findings: &mut Findings) {
    let left = databases.iter().filter(|database| size(&beside(&database.file, "-wal")).is_some_and(|bytes| bytes > 0));
    match left.count() {
        0 => {}
        number => findings.hint(
            "storage",
            format!("databases with changes in the -wal file beside them, as after a kill: {number}"),
            Some("leave the files there: the next use takes them in; a backup needs both".into()),
        ),
    }
}

/// A log without its database has lost what it belongs to.
fn logs_alone(files: &[PathBuf], findings: &mut Findings) {
    let alone = files.iter().filter(|file| {
        let database = file.to_str().and_then(|file| file.strip_suffix("-wal"));
        database.is_some_and(|database| !Path::new(database).exists())
    });
    for file in alone.take(TOLD_MAX) {
        let what = format!("{} has no database beside it", file.display());
        findings.fix("storage", what, Some("restore the database from a backup, or move the file away".into()));
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn size(file: &Path) -> Option<u64> {
    Some(fs::symlink_metadata(file).ok()?.len())
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}
