//! `cargo just bench`: the host against the same work done natively, and against fused components.
//!
//! Each comparison runs both sides in turn, round by round, and prints the median of each and the median
//! of the rounds' ratios, so that a machine that speeds up or slows down meanwhile disturbs both alike.
//! Figures for docs/performance.md come from here.

mod chain;
mod endpoint;
mod host;
mod instance;
mod load;
mod native;
mod report;
mod start;

use std::time::Duration;

/// That of the `tenon` binary: both sides of each comparison run in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long one round of one side lasts.
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` starts benchmarks too; there is nothing to test here.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|want| name.contains(want.as_str()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        println!("{} cores; each side {ROUNDS} rounds of {} s\n", cores(), ROUND.as_secs());
        if runs("endpoint") {
            endpoint::compare().await?;
        }
        if runs("report") {
            report::compare().await?;
        }
        if runs("instance") {
            instance::measure().await?;
        }
        if runs("chain") {
            chain::compare().await?;
        }
        if runs("start") {
            start::measure().await?;
        }
        Ok(())
    })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The median; rounds are few, so no interpolation.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
