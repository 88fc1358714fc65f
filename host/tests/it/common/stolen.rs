//! Processor time that the hypervisor of a virtual machine takes: the kernel counts it as if the thread that ran had used
//! it, tens of milliseconds at once, so that a request may be out of its CPU budget that did nearly nothing.

use std::time::Duration;

/// Part of what the host says of a request whose CPU budget is used up.
const SAID: &str = "used up the CPU budget of the request";

/// What has to be missing for a request to be asked again.
const NOTABLE: Duration = Duration::from_millis(30);

/// So often an attempt is made at most: where processor time is taken all the while, what needs too much of it still fails.
const ATTEMPTS: usize = 4;

/// Makes an attempt, and another one when it fails for want of processor time which was not its own doing.
pub async fn unless_stolen<T, F: Future<Output = Result<T, String>>>(attempt: impl Fn() -> F) -> Result<T, String> {
    for _ in 1..ATTEMPTS {
        let before = stolen();
        match attempt().await {
            Err(wrong) if wrong.contains(SAID) && stolen() - before >= NOTABLE => {}
            outcome => return outcome,
        }
    }
    attempt().await
}

/// How much was taken of all processors since the machine started; nothing where that is not known.
fn stolen() -> Duration {
    // user, nice, system, idle, iowait, irq, softirq, steal, in hundredths of a second.
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = stat.lines().next().and_then(|all| all.split_whitespace().nth(8)).and_then(|steal| steal.parse().ok());
    Duration::from_millis(ticks.unwrap_or(0) * 10)
}
