//! Every limit attacked: all attacks of all tables against one host, while another tenant's requests go on.
//!
//! A program of its own, so that nothing else takes its processors' time while it runs. What an attack is stands in
//! [`attack`]; the tables are in [`attacks`], one file a topic, and a further one is a line there. The components are in
//! `plugins-src/testdata/hostile`; the suite starts its host with those that the tables name, and with [`PLUGINS`]. While
//! they run, a [`Bystander`] asks well-behaved plugins as a tenant of its own, and each of its requests must be answered
//! as if nothing happened. The first rounds of all attacks warm the host: its pool, its caches, its allocator. What its
//! memory is then it must be after the last round ([`Memory`]).

mod attack;
mod attacks;
#[allow(dead_code, unused_imports, reason = "what the tests of `it` share; this one needs a part of it")]
#[path = "../it/common/mod.rs"]
mod common;

use std::time::Instant;

use futures::future::join_all;

use self::attack::Attack;
use self::attacks::schedules;
use self::common::bystander::{self, Bystander};
use self::common::memory::Memory;
use self::common::{Host, Scratch, rounds};

/// Plugins that the attackers call, beside those that the tables name.
const PLUGINS: [&str; 4] = ["probe", "prober", "pong", "hostile-fan-back"];

/// The defaults, but for more CPU time (a debug build), a shorter deadline, less time for statements, a pool that few attackers fill, components that may
/// have several memories, small caches, and nothing that finished instances leave mapped, so that what the memory is does
/// not depend on how many places of the pool were used. A caller keeps more than by default, so that it has something left
/// even when a busy machine stops its callee late. No breaker opens and no nested call is refused for want of budget, so
/// that each attack meets the limit it is made for; `it/resilience.rs` attacks those.
const CONFIG: &str = r#"
log.filter = "error"
limits.cpu_budget_ms = 150
limits.wall_deadline_ms = 6000
limits.hop_reserve_percent = 40
limits.host_calls = 60000
limits.sql_cpu_ms = 500
limits.hop_cpu_min_percent = 0
cache.bytes = 1048576
log.kept_bytes = 16384
sql.cache_kib = 256
breaker.failures = 1000000
pool.instances = 48
pool.memories_per_component = 4
pool.memory_keep_resident_bytes = 0
pool.stack_keep_resident_bytes = 0
pool.table_keep_resident_bytes = 0
pool.unused_warm_slots = 48
db.cache_kib = 64
sql.storage_bytes = 4194304
sql.temporary_bytes = 4194304
schedules.cpu_ms = 500
schedules.deadline_ms = 4000
"#;

/// Has the allocators, the host's and that of SQLite and the C library, give back what is free at once, and in small
/// pages: one value that is in use keeps a page, and of large ones (2 MiB) there are more with each round, although no more
/// is in use. What they keep would hide what the attacks leave behind.
const NOTHING_KEPT: [(&str, &str); 5] = [
    ("MIMALLOC_ALLOW_THP", "0"),
    ("MIMALLOC_PURGE_DELAY", "0"),
    ("MIMALLOC_ABANDONED_PAGE_PURGE", "1"),
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
];

/// Rounds before the memory is measured, which fill the caches that there are.
const WARMING: u32 = 2;

/// Rounds between two measurements: so many that what each leaves behind would add up.
const FURTHER: u32 = 3;

/// How often the memory is measured after further rounds before it counts as grown.
const MEASUREMENTS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attack_ends_as_it_should_and_nobody_else_is_troubled() {
    let attacks = attacks::all();
    let host = start(&attacks).await;
    let bystander = Bystander::start(&host);

    let begun = Instant::now();
    let mut failures = Vec::new();
    for _ in 0..WARMING {
        round(&attacks, &host, &mut failures).await;
    }
    let (mut measured, mut made) = (vec![Memory::settled(host.id()).await], WARMING);
    while measured.len() <= MEASUREMENTS && !has_come_back(&measured) {
        for _ in 0..rounds(FURTHER, 200) {
            round(&attacks, &host, &mut failures).await;
            made += 1;
        }
        measured.push(Memory::settled(host.id()).await);
    }
    let taken = begun.elapsed();

    let answered = bystander.stop().await;
    // Before anything fails: its log is that of the attacks, thousands of lines that would bury what is said here.
    drop(host);
    let answered = answered.unwrap();
    assert!(failures.is_empty(), "{} attacks went wrong:\n{}", failures.len(), failures.join("\n"));
    let shown: Vec<String> = measured.iter().map(Memory::to_string).collect();
    assert!(has_come_back(&measured), "the host's memory does not come back: {}", shown.join(", "));
    let (kinds, requests) = (attacks.len(), attacks.iter().map(Attack::requests).sum::<u32>() * made);
    println!(
        "{kinds} attacks, {requests} hostile requests in {made} rounds in {taken:.1?}; \
         the bystander was answered {answered} times; memory after the first {WARMING} and later: {}",
        shown.join(", ")
    );
}

/// Whether the last measurement is no more than the first.
fn has_come_back(measured: &[Memory]) -> bool {
    matches!(measured, [before, .., after] if after.is_no_more_than(*before))
}

/// A host with every plugin that the attacks need.
async fn start(attacks: &[Attack]) -> Host {
    let mut plugins: Vec<&str> = PLUGINS.into_iter().chain(bystander::PLUGINS).collect();
    plugins.extend(attacks.iter().filter_map(Attack::plugin));
    plugins.sort_unstable();
    plugins.dedup();
    let mut scratch = Scratch::with_plugins(&plugins);
    scratch.add_plugin_as(schedules::PLUGIN, schedules::PLUGIN, &schedules::manifest());
    scratch.set_environment(&NOTHING_KEPT);
    let config = scratch.file("tenon.toml", CONFIG);
    Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await
}

/// All attacks one after the other, and beside them, all at once, those that only wait. What goes wrong is kept, with
/// the attack's name, and the others go on.
async fn round(attacks: &[Attack], host: &Host, failures: &mut Vec<String>) {
    let (waiting, doing): (Vec<&Attack>, Vec<&Attack>) = attacks.iter().partition(|attack| attack.only_waits());
    let in_turn = async {
        let mut failures = Vec::new();
        for attack in doing {
            failures.extend(wrong(attack, host).await);
        }
        failures
    };
    let together = join_all(waiting.into_iter().map(|attack| wrong(attack, host)));
    let (in_turn, together) = tokio::join!(in_turn, together);
    failures.extend(in_turn);
    failures.extend(together.into_iter().flatten());
}

/// Makes an attack and looks whether the host is still alive.
async fn wrong(attack: &Attack, host: &Host) -> Option<String> {
    let outcome = attack.run(host).await;
    let alive = host.get("/health/live").await;
    let alive = if alive.status == 200 { Ok(()) } else { Err(format!("after it the host is not alive: {alive:?}")) };
    outcome.and(alive).err().map(|wrong| format!("- {}: {wrong}", attack.name()))
}
