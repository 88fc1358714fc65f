//! The resident memory of a process, from outside.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// How much more the host may have after the attacks than before.
const GROWTH_PERCENT: u64 = 5;

/// So many samples in a row without a smaller one, and the memory counts as settled.
const STEADY: u32 = 20;
const SAMPLE: Duration = Duration::from_millis(25);
const DEADLINE: Duration = Duration::from_secs(20);

/// Resident memory in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(u64);

impl Memory {
    /// The least that the process is seen to have, once it gives nothing more back.
    pub async fn settled(process: u32) -> Self {
        let end = Instant::now() + DEADLINE;
        let (mut least, mut steady) = (resident_kib(process), 0);
        while steady < STEADY && Instant::now() < end {
            sleep(SAMPLE).await;
            let now = resident_kib(process);
            steady = if now < least { 0 } else { steady + 1 };
            least = least.min(now);
        }
        Self(least)
    }

    pub fn is_no_more_than(self, before: Self) -> bool {
        self.0 <= before.0 + before.0 * GROWTH_PERCENT / 100
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", self.0 as f64 / 1024.0)
    }
}

fn resident_kib(process: u32) -> u64 {
    kib(process, "VmRSS:")
}

/// The most that the process has ever had.
pub fn peak_kib(process: u32) -> u64 {
    kib(process, "VmHWM:")
}

fn kib(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the host runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.parse().ok());
    kib.unwrap_or_else(|| panic!("no {name} in {status}"))
}
