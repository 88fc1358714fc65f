//! A load generator that costs little beside what it measures: fixed bytes out, lengths in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{ROUND, ROUNDS, median};

/// A request to be sent again and again.
#[derive(Clone)]
pub struct Target {
    pub name: &'static str,
    pub address: SocketAddr,
    pub method: &'static str,
    pub path: &'static str,
}

struct Sample {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

/// Loads both sides in turn and prints medians and the ratio of their rates.
pub async fn compare(a: &Target, b: &Target, connections: usize) -> anyhow::Result<()> {
    let (mut rates_a, mut rates_b, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut last_a, mut last_b) = (None, None);
    for _ in 0..ROUNDS {
        let sample_a = round(a, connections).await?;
        let sample_b = round(b, connections).await?;
        rates_a.push(sample_a.per_second);
        rates_b.push(sample_b.per_second);
        ratios.push(sample_a.per_second / sample_b.per_second);
        (last_a, last_b) = (Some(sample_a), Some(sample_b));
    }
    for (target, rates, last) in [(a, rates_a, last_a), (b, rates_b, last_b)] {
        let last = last.context("there was no round")?;
        println!(
            "  {:<34} {:>9.0} requests/s   p50 {:>7.1} us   p99 {:>7.1} us",
            target.name,
            median(rates),
            last.p50.as_secs_f64() * 1e6,
            last.p99.as_secs_f64() * 1e6,
        );
    }
    println!("  ratio {:.2} (at {connections} connections)\n", median(ratios));
    Ok(())
}

async fn round(target: &Target, connections: usize) -> anyhow::Result<Sample> {
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let clients: Vec<_> = (0..connections).map(|_| tokio::spawn(client(target.clone(), stop.clone()))).collect();
    tokio::time::sleep(ROUND).await;
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await??);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    Ok(Sample { per_second: latencies.len() as f64 / elapsed, p50: at(0.5), p99: at(0.99) })
}

async fn client(target: Target, stop: Arc<AtomicBool>) -> anyhow::Result<Vec<Duration>> {
    let Target { address, method, path, .. } = target;
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{length}\r\n");
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut buffer = vec![0; 1 << 20];
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        answer(&mut stream, &mut buffer).await?;
        latencies.push(begun.elapsed());
    }
    Ok(latencies)
}

/// Reads one answer to its end. Everything but 200 is an error: a benchmark of errors measures nothing.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut filled = 0;
    let mut whole = None;
    while whole.is_none_or(|whole| filled < whole) {
        if filled == buffer.len() {
            buffer.resize(filled * 2, 0);
        }
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the connection was closed early");
        filled += read;
        if whole.is_none()
            && let Some(end) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n")
        {
            let head = std::str::from_utf8(&buffer[..end])?;
            ensure!(head.starts_with("HTTP/1.1 200"), "not a success: {head}");
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned))
                .context("an answer without a length")?;
            whole = Some(end + 4 + length.trim().parse::<usize>()?);
        }
    }
    Ok(())
}
