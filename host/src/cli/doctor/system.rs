//! What the system gives: descriptors, connections that wait, address space, disk and clock.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::{Timestamp, Unit};

use super::data::Running;
use super::finding::Findings;
use crate::config::Config;
use crate::db::CONTROL_PLANE_FILE;

/// Of the disk of the data directory; with less, writes will soon fail.
const DISK_LEAST_BYTES: u64 = 64 << 20;

/// No host of this version ran before.
const BUILT_AFTER: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// A clock may be a little behind the one that wrote a file.
const CLOCK_SLACK: Duration = Duration::from_secs(300);

pub(super) fn look(config: &Config, running: Option<&Running>, findings: &mut Findings) {
    descriptors(config, running, findings);
    backlog(config, findings);
    disk(config, findings);
    clock(config, findings);
}

/// What is open at most: clients, and for each database its file and its log by each connection, and the log's index.
fn descriptors(config: &Config, running: Option<&Running>, findings: &mut Findings) {
    let of_one = config.sql.readers.saturating_add(1).saturating_mul(2).saturating_add(1);
    let databases = config.sql.open_databases.saturating_mul(of_one);
    let needed = config.http.connections_max.saturating_add(databases).saturating_add(256) as u64;
    let of_host = running.and_then(|host| host.pid).and_then(limit_of);
    let (limit, whose) = match of_host {
        Some(limit) => (limit, "the running host"),
        None => match rlimit::Resource::NOFILE.get_hard() {
            Ok(limit) => (limit, "this shell"),
            Err(_) => return,
        },
    };
    if limit >= needed {
        return findings.ok("descriptors", format!("{whose} may open {limit} files; {needed} can be needed"));
    }
    let what = format!(
        "{whose} may open {limit} files, and with http.connections_max = {} and sql.open_databases = {} it can need {needed}",
        config.http.connections_max, config.sql.open_databases
    );
    let fix = format!("set LimitNOFILE={needed} in its service, or `ulimit -n {needed}`, or lower those settings");
    findings.hint("descriptors", what, Some(fix));
}

/// The hard limit of a process, to which the host raises its own.
fn limit_of(pid: i32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn backlog(config: &Config, findings: &mut Findings) {
    let Some(most) = number("/proc/sys/net/core/somaxconn") else { return };
    let wanted = config.http.backlog;
    if most >= u64::from(wanted) {
        return;
    }
    let what = format!("the system lets {most} connections wait, and http.backlog is {wanted}");
    let fix = format!("sysctl -w net.core.somaxconn={wanted}, or lower http.backlog");
    findings.hint("backlog", what, Some(fix));
}

/// What can keep a host from the address space that it reserves for plugins.
pub(super) fn why_no_start() -> Option<String> {
    let space = rlimit::Resource::AS.get_soft().ok().filter(|limit| *limit != rlimit::INFINITY);
    if let Some(limit) = space {
        return Some(format!(
            "address space is limited to {limit} bytes here: `ulimit -v unlimited`, for pool.instances times limits.memory_bytes is reserved"
        ));
    }
    (number("/proc/sys/vm/overcommit_memory") == Some(2)).then(|| {
        "the system commits to all memory that is reserved: if that is why, `sysctl -w vm.overcommit_memory=0`, or lower pool.instances"
            .to_owned()
    })
}

fn number(file: &str) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn disk(config: &Config, findings: &mut Findings) {
    let Some(directory) = existing(&config.data) else { return };
    let Ok(disk) = rustix::fs::statvfs(directory) else { return };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let one_tenant = config.sql.storage_bytes.saturating_add(config.sql.log_bytes);
    let shown = directory.display();
    let told = format!("{} MiB are free on the disk of {shown}", free >> 20);
    let fix = Some("free space on it, or move the data directory to another".to_owned());
    if free < DISK_LEAST_BYTES || (disk.f_files > 0 && disk.f_favail == 0) {
        findings.fix("disk", format!("{told}: writes fail, or soon will"), fix);
    } else if free < one_tenant {
        let what = format!("{told}: less than one database may take (sql.storage_bytes and sql.log_bytes)");
        findings.hint("disk", what, fix);
    } else {
        findings.ok("disk", told);
    }
}

/// The directory, or that in which it would be made.
fn existing(path: &Path) -> Option<&Path> {
    path.ancestors()
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
        .find(|path| path.exists())
}

fn clock(config: &Config, findings: &mut Findings) {
    let fix = Some("set the clock, and keep it with NTP: tokens, keys and the audit log rely on it".to_owned());
    let now = Timestamp::now();
    let now = now.round(Unit::Second).unwrap_or(now);
    if now < BUILT_AFTER {
        return findings.fix("clock", format!("it says {now}, which is before this program was made"), fix);
    }
    let written = fs::metadata(config.data.join(CONTROL_PLANE_FILE)).and_then(|file| file.modified());
    match written {
        Ok(written) if written > SystemTime::now() + CLOCK_SLACK => {
            findings.fix("clock", format!("it says {now}, and {CONTROL_PLANE_FILE} was written later than that"), fix);
        }
        _ => findings.ok("clock", format!("it says {now}")),
    }
}
