//! One call forwarded from plugin to plugin, against the same two components fused into one.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tenon::id::InterfaceName;
use tenon::registry::Plugin;
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};
use wasmtime::component::Val;

use crate::host::{Host, testdata};
use crate::{ROUNDS, median};

const CALLS: u32 = 300;

pub async fn compare() -> anyhow::Result<()> {
    println!(
        "one call from rows-caller to rows, without HTTP, against the two fused by wac; fresh instances on both sides"
    );
    let scratch = tempfile::tempdir()?;
    let fused = scratch.path().join("fused.wasm");
    std::fs::write(&fused, fuse()?)?;
    let apart = Host::start(&[testdata("rows"), testdata("rows-caller")]).await?;
    let together = Host::start(&[fused]).await?;
    let (caller, single) = (apart.plugin("rows-caller")?, together.plugin("rows-caller")?);
    for records in [1u32, 100, 1_000] {
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let a = round(&apart, &caller, records).await?;
            let b = round(&together, &single, records).await?;
            ours.push(a.as_secs_f64() * 1e6);
            theirs.push(b.as_secs_f64() * 1e6);
            ratios.push(a.as_secs_f64() / b.as_secs_f64());
        }
        println!(
            "  {records:>5} records   forwarded {:>8.1} us   fused {:>8.1} us   ratio {:.2}",
            median(ours),
            median(theirs),
            median(ratios)
        );
    }
    println!();
    Ok(())
}

/// The time of one call, averaged over a round.
async fn round(host: &Host, plugin: &Plugin, records: u32) -> anyhow::Result<Duration> {
    let interface = InterfaceName::parse("demo:rows-caller/rows-caller")?;
    let export = plugin.prepared.export(&interface, |_| true).context("rows-caller exports its service")?;
    let function = export.function("total").context("it has the function total")?;
    let begun = Instant::now();
    for _ in 0..CALLS {
        let context = host.context()?;
        let clock = context.cpu.clock().clone();
        let args = [Val::U32(records)];
        let value = clock.run(host.app.runtime().call(&plugin.prepared, function, context, &args)).await?;
        ensure!(matches!(value, Some(Val::Result(Ok(_)))), "the call failed: {value:?}");
    }
    Ok(begun.elapsed() / CALLS)
}

/// The fused component may carry one manifest only, the caller's: the other's section gets another name.
fn without_manifest(mut bytes: Vec<u8>) -> Vec<u8> {
    let name = b"tenon:manifest";
    if let Some(at) = bytes.windows(name.len()).position(|window| window == name) {
        bytes[at] = b'_';
    }
    bytes
}

fn fuse() -> anyhow::Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let mut package = |name: &str| -> anyhow::Result<_> {
        let bytes =
            std::fs::read(testdata(name)).with_context(|| format!("{name} is missing: run `cargo just testdata`"))?;
        let bytes = if name == "rows" { without_manifest(bytes) } else { bytes };
        let package = Package::from_bytes(name, None, bytes, graph.types_mut())?;
        Ok(graph.register_package(package)?)
    };
    let provider = package("rows")?;
    let consumer = package("rows-caller")?;
    wac_graph::plug(&mut graph, vec![provider], consumer)?;
    Ok(graph.encode(EncodeOptions::default())?)
}
