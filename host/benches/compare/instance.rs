//! A store and an instance of each plugin, made as a call makes them, and dropped.

use std::time::Instant;

use crate::host::{Host, product, testdata};
use crate::{ROUNDS, median};

const INSTANCES: u32 = 5_000;

pub async fn measure() -> anyhow::Result<()> {
    println!("a store and an instance, made and dropped; slot, context and limits of a call included");
    let host = Host::start(&[product("crm")?, product("analytics")?, testdata("typed-hello")]).await?;
    for id in ["crm", "analytics", "typed-hello"] {
        let plugin = host.plugin(id)?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            for _ in 0..INSTANCES {
                let context = host.context()?;
                let clock = context.cpu.clock().clone();
                clock.run(host.app.runtime().try_instance(&plugin.prepared, context)).await?;
            }
            rounds.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(INSTANCES));
        }
        println!("  {id:<12} {:>6.1} us", median(rounds));
    }
    println!();
    Ok(())
}
