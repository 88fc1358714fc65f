//! How busy the machine is with other programs.

use std::fs::read_to_string;

/// Processor time up to a moment, in the system's ticks: of the whole machine, and of this test and its hosts.
pub struct Machine {
    all: u64,
    busy: u64,
    ours: u64,
}

impl Machine {
    /// All zeros where the system does not tell.
    pub fn now() -> Self {
        let stat = read_to_string("/proc/stat").unwrap_or_default();
        let first = stat.lines().next().unwrap_or_default();
        let times: Vec<u64> = first.split_whitespace().skip(1).take(8).filter_map(|time| time.parse().ok()).collect();
        let all = times.iter().sum();
        // The fourth is idle, the fifth idle while a disk works.
        let idle: u64 = times.iter().skip(3).take(2).sum();
        Self { all, busy: all - idle, ours: ours() }
    }

    /// The part of the machine that other programs took since this moment.
    pub fn taken_by_others(&self) -> f64 {
        let now = Self::now();
        let others = (now.busy - self.busy).saturating_sub(now.ours.saturating_sub(self.ours));
        others as f64 / (now.all - self.all).max(1) as f64
    }
}

/// Of this process and its children.
fn ours() -> u64 {
    let this = u64::from(std::process::id());
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = processes.filter_map(|entry| {
        let id: u64 = entry.file_name().to_str()?.parse().ok()?;
        let stat = read_to_string(entry.path().join("stat")).ok()?;
        // The name, in parentheses, may have anything in it.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<u64> = fields.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        let parent = *fields.get(1)?;
        (id == this || parent == this)
            .then(|| fields.get(11).zip(fields.get(12)).map_or(0, |(user, system)| user + system))
    });
    stats.sum()
}
