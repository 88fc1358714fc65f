//! One tenant at ten times its share beside 99 that keep to theirs: what the others notice of it.
//!
//! The only test that compares times, and so a program of its own: nothing else runs beside it. It compares
//! times of one run, in rounds that alternate between calm and noise, by the median of the rounds. A measurement
//! that fails is repeated twice. On a machine that is busy with other programs it says nothing: then the test
//! prints so and passes. `TENON_SOAK=1` makes the rounds longer and more.

#[allow(dead_code, unused_imports, reason = "what the tests of `it` share; this one needs a part of it")]
#[path = "../it/common/mod.rs"]
mod common;
mod load;
mod machine;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use self::common::{Client, Host};
use self::load::{Noise, Sender};
use self::machine::Machine;

/// What the others' p99 may become, as a multiple of what it was.
const TIMES: f64 = 1.5;

/// By how much they may wait longer in any case: a poll under way is not interrupted before the next epoch tick
/// (`limits.epoch_tick_ms`).
const TICK: Duration = Duration::from_millis(2);

/// How many of the others' requests, of median length, may besides come first. While nobody stands in its way a tenant
/// may have one of two processors to itself, so that the others share the other one: a request then waits for those that
/// came just before it, which in a debug build is longer than all else.
const QUEUED: u32 = 2;

const ATTEMPTS: usize = 3;

/// What other programs may take of the machine, for a measurement to say something.
const OTHERS_MAX: f64 = 0.15;

/// Time for the noise to build up, and for what is left of it to end.
const SETTLE: Duration = Duration::from_millis(100);

struct Rounds {
    count: usize,
    lasting: Duration,
}

fn rounds() -> Rounds {
    match std::env::var_os("TENON_SOAK") {
        Some(_) => Rounds { count: 9, lasting: Duration::from_secs(3) },
        None => Rounds { count: 5, lasting: Duration::from_millis(800) },
    }
}

/// A host, its tenants, and who asks for them.
struct Field {
    address: SocketAddr,
    crowd: Sender,
    tenants: Vec<Client>,
    loud: Sender,
    noisy: Client,
    _host: Host,
}

impl Field {
    async fn start() -> Self {
        // A client must not find a connection closed that it has not used for some rounds.
        let host = Host::with_config(&["crm", "probe"], "http.header_read_timeout_ms = 300000").await;
        let field = Self {
            address: host.address().strip_prefix("http://").unwrap().parse().unwrap(),
            crowd: Sender::new(),
            tenants: load::tenants(&host),
            loud: Sender::new(),
            noisy: Client::new(host.address()).tenant("noisy"),
            _host: host,
        };
        // The first use of a plugin makes the tenant's database.
        let databases = load::make_databases(field.tenants.iter().chain([&field.noisy]).cloned().collect());
        field.crowd.run(databases).await.unwrap();
        field
    }

    /// How long the ordinary tenants' requests take.
    async fn times(&self, lasting: Duration) -> Times {
        let mut taken = self.crowd.run(load::steady(self.tenants.clone(), lasting)).await.unwrap();
        taken.sort_unstable();
        let p99 = if taken.last() == Some(&load::FAILED) { load::FAILED } else { taken[taken.len() * 99 / 100] };
        Times { p50: taken[taken.len() / 2], p99 }
    }

    /// The ordinary tenants alone and beside the noise, and what the noisy one was answered.
    async fn round(&self, noise: Noise, lasting: Duration) -> (Times, Times, BTreeMap<u16, u32>) {
        let calm = self.times(lasting).await;
        let noise = load::noise(noise, self.noisy.clone(), self.address, SETTLE + lasting);
        let noise = self.loud.run(noise);
        tokio::time::sleep(SETTLE).await;
        let beside = self.times(lasting).await;
        let statuses = noise.await.unwrap();
        tokio::time::sleep(SETTLE).await;
        (calm, beside, statuses)
    }

    async fn measure(&self, noise: Noise) -> Outcome {
        let machine = Machine::now();
        let (mut calm, mut beside, mut answered) = (Vec::new(), Vec::new(), BTreeMap::<u16, u32>::new());
        let Rounds { count, lasting } = rounds();
        for _ in 0..count {
            let round = self.round(noise, lasting).await;
            calm.push(round.0);
            beside.push(round.1);
            round.2.into_iter().for_each(|(status, times)| *answered.entry(status).or_default() += times);
        }
        let of = |times: &[Times], which: fn(&Times) -> Duration| median(times.iter().map(which).collect());
        let (p50, p99) = (of(&calm, |times| times.p50), of(&calm, |times| times.p99));
        let beside = of(&beside, |times| times.p99);
        let may_be = p99.mul_f64(TIMES).max(p99 + TICK + QUEUED * p50);
        let others = machine.taken_by_others();
        println!(
            "{noise:?}: p50 {p50:.1?} and p99 {p99:.1?} alone, p99 {beside:.1?} beside it, where {may_be:.1?} may be; \
             it was answered {answered:?}; other programs took {:.0} % of the machine",
            others * 100.0
        );
        assert!(noise.was_made(&answered), "{noise:?} was answered {answered:?}: that is no noise");
        match beside <= may_be {
            true => Outcome::Fair,
            false if others > OTHERS_MAX => Outcome::Unknown,
            false => Outcome::Unfair,
        }
    }
}

struct Times {
    p50: Duration,
    p99: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fair,
    Unfair,
    /// The machine had too much else to do.
    Unknown,
}

fn median(mut of: Vec<Duration>) -> Duration {
    of.sort_unstable();
    of[of.len() / 2]
}

#[tokio::test]
async fn a_tenant_at_ten_times_its_share_leaves_the_others_their_p99() {
    let field = Field::start().await;
    field.times(rounds().lasting).await;
    for noise in Noise::ALL {
        let mut outcomes = Vec::new();
        while outcomes.len() < ATTEMPTS && !outcomes.contains(&Outcome::Fair) {
            outcomes.push(field.measure(noise).await);
        }
        let unfair = !outcomes.contains(&Outcome::Fair) && outcomes.contains(&Outcome::Unfair);
        assert!(
            !unfair,
            "{noise:?} of one tenant made the p99 of the others more than {TIMES} times what it was, and more than a tick \
             and {QUEUED} requests longer"
        );
    }
}
