//! From the start of the process to its first answer, with compiled code in the cache.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context;

use crate::host::product;
use crate::{ROUNDS, median};

pub async fn measure() -> anyhow::Result<()> {
    println!("restart to the first answer of GET /plugins/crm/contacts, compiled code in the cache");
    let scratch = tempfile::tempdir()?;
    let plugins = scratch.path().join("plugins");
    std::fs::create_dir(&plugins)?;
    for id in ["crm", "analytics"] {
        std::fs::copy(product(id)?, plugins.join(format!("{id}.wasm")))?;
    }
    let mut times = Vec::new();
    // The first start compiles, and is not counted.
    for round in 0..=ROUNDS {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tenon"))
            .args(["serve", "--dev", "--listen", "127.0.0.1:0"])
            .arg("--plugins")
            .arg(&plugins)
            .arg("--data")
            .arg(scratch.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the child has an output")?).read_line(&mut line)?;
        let address = line.split_whitespace().find(|word| word.starts_with("http://")).context("no address")?;
        reqwest::Client::builder()
            .no_proxy()
            .build()?
            .get(format!("{address}/plugins/crm/contacts"))
            .send()
            .await?
            .error_for_status()?;
        let elapsed = begun.elapsed().as_secs_f64() * 1e3;
        child.kill()?;
        child.wait()?;
        if round > 0 {
            times.push(elapsed);
        }
    }
    println!("  {:.0} ms, median of {ROUNDS}\n", median(times));
    Ok(())
}
