//! Clients that mean harm, each beside one that does not and is served all the while.

mod answers;
mod bodies;
mod corpus;
mod headers;
mod heads;
mod http2;
mod slow;
pub mod wire;

use crate::common::{Host, Scratch, eventually};

/// A host with these plugins and `mirror`, whose own handler shows what reached it.
async fn with_mirror(plugins: &[&str], config: &str) -> Host {
    let scratch = mirror_scratch(plugins);
    let config = scratch.file("tenon.toml", config);
    Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await
}

fn mirror_scratch(plugins: &[&str]) -> Scratch {
    let scratch = Scratch::with_plugins(plugins);
    scratch.add_plugin("mirror");
    scratch.file("plugins/mirror.plugin.json", r#"{"id":"mirror","name":"Mirror","version":"1.0.0"}"#);
    scratch
}

/// The most memory that the host ever had, in KiB.
fn memory_kib(host: &Host) -> u64 {
    status_kib(host, "VmHWM:")
}

/// What it has now.
fn memory_now_kib(host: &Host) -> u64 {
    status_kib(host, "VmRSS:")
}

fn status_kib(host: &Host, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.id())).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    value.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Waits until it has no more than this: what was freed goes back to the system by and by.
async fn memory_settled(host: &Host, bound_kib: u64) {
    let what = format!("memory below {bound_kib} KiB; it is {} KiB", memory_now_kib(host));
    eventually(&what, async || (memory_now_kib(host) <= bound_kib).then_some(())).await;
}
