//! The databases of tenants: whether they are sound, how full they are, and what lies beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::finding::Findings;
use crate::capability::sql::{Condition, condition};
use crate::config::Config;
use crate::path::beside;

/// What of its bound a database may fill before that is worth a word, in percent.
const FULL_PERCENT: u64 = 90;

/// Findings of one kind that are told one by one.
const TOLD_MAX: usize = 10;

/// How long databases are looked through, all together, unless all are wanted.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long, where all are wanted.
const ALL_DAY: Duration = Duration::from_secs(86_400);

const ENDING: &str = "sqlite";

struct Database {
    file: PathBuf,
    bytes: u64,
}

/// What is to be looked at, and how.
pub(super) struct Look<'a> {
    pub(super) config: &'a Config,
    /// A host runs.
    pub(super) in_use: bool,
    /// Every database is looked through, however long it takes.
    pub(super) all: bool,
    /// For copies.
    pub(super) scratch: &'a Path,
}

pub(super) fn look(look: &Look<'_>, findings: &mut Findings) {
    let Look { config, in_use, .. } = *look;
    let root = config.data.join("tenants");
    let files: Vec<PathBuf> = entries(&root).flat_map(|tenant| entries(&tenant).collect::<Vec<_>>()).collect();
    let databases = files.iter().filter(|file| file.extension().is_some_and(|ending| ending == ENDING));
    let databases: Vec<Database> =
        databases.map(|file| Database { file: file.clone(), bytes: size(file).unwrap_or_default() }).collect();
    if databases.is_empty() {
        return;
    }
    sound(look, &databases, findings);
    full(config, &databases, findings);
    if !in_use {
        logs_left(&databases, findings);
    }
    logs_alone(&files, findings);
    let all: u64 = databases.iter().map(|database| database.bytes).sum();
    findings.ok("storage", format!("databases of tenants: {}, {} MiB together", databases.len(), all >> 20));
}

/// Goes through the databases while there is time, and says how many those were.
fn sound(look: &Look<'_>, databases: &[Database], findings: &mut Findings) {
    let until = Instant::now() + if look.all { ALL_DAY } else { PATIENCE };
    let (mut looked, mut ill) = (0_usize, 0_usize);
    for Database { file, .. } in databases {
        let shown = file.display();
        let what = match condition(file, look.in_use, look.scratch, until) {
            Condition::Unfinished => break,
            Condition::Sound => None,
            Condition::Damaged(problem) => Some((format!("{shown} is damaged: {problem}"), restore(file))),
            Condition::Unreadable(problem) => {
                let fix = format!("run this as the user that runs the host, and let it read {shown}");
                Some((format!("{shown} {problem}"), fix))
            }
        };
        looked += 1;
        ill += usize::from(what.is_some());
        if let Some((what, fix)) = what.filter(|_| ill <= TOLD_MAX) {
            findings.fix("storage", what, Some(fix));
        }
    }
    if ill > TOLD_MAX {
        let fix = "see those that are named; they may have the same cause, as a disk".to_owned();
        findings.fix("storage", format!("{} more are as ill", ill - TOLD_MAX), Some(fix));
    }
    let (all, time) = (databases.len(), PATIENCE.as_secs());
    if looked < all {
        let what =
            format!("{looked} of {all} databases were looked through in {time} s, {} of them sound", looked - ill);
        findings.hint("storage", what, Some("look through all of them with --all-databases".into()));
    } else if ill == 0 {
        findings.ok("storage", format!("every database of a tenant is sound: {all} looked through"));
    }
}

/// What to do about a damaged database: its tenant and plugin are its path.
fn restore(file: &Path) -> String {
    let plugin = file.file_stem().unwrap_or_default().to_string_lossy();
    let tenant = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    format!(
        "put back a backup of it while no host runs, or a snapshot (`tenon snapshot list {plugin} --tenant {tenant}`), or \
         delete it for good with `tenon plugin purge {plugin} --tenant {tenant} --yes`"
    )
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

fn size(file: &Path) -> Option<u64> {
    Some(fs::symlink_metadata(file).ok()?.len())
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}
