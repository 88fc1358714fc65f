//! Two tenants, and everything they can do at once: nothing of one ever reaches the other.
//!
//! Each value a tenant gives away begins with its id, a canary. The ids differ in their last letter alone. Workers of
//! both tenants draw from one table of operations ([`operations::TABLE`]), on one host, over the same connections, with
//! few instances and small caches, so that all that is pooled changes hands all the time. The canary of one in an answer
//! to the other (headers too), in what a plugin sees on behalf of the other, in a log line of the other or in a file of
//! the other fails the run, with the seed and what was asked last.
//!
//! An operation is one call of an endpoint, or one use of a host function by the plugin `canary` (which has a table of
//! its own), each with its check. Events are heard, schedules run and answers kept meanwhile. Each must have done what
//! it is there for at least once, and [`functions`] sees to it that no function of the host is left out.
//! `TENON_SOAK=long` makes ten times as many, `TENON_SEED=…` draws the same again.
//!
//! [`visits`] asks one thing after the other instead, and leaves nothing out: every route, endpoint and command.

mod functions;
mod operations;
mod visits;
mod watch;
mod world;

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tokio::task::JoinSet;

use self::operations::BATCH;
use self::watch::{TENANTS, foreign};
use self::world::{Turn, World};
use crate::common::{Client, Host, Scratch, rounds};
use crate::outbound;
use crate::outbound::names::NameServer;
use crate::outbound::server::Outside;

const WORKERS_PER_TENANT: u64 = 4;

/// Less than is needed of everything that is kept or pooled, so that it passes from tenant to tenant. The databases are
/// eight, and the stranger's make it more.
const CONFIG: &str = "
limits.cpu_budget_ms = 10000
limits.wall_deadline_ms = 25000
pool.instances = 32
pool.unused_warm_slots = 4
sql.open_databases = 6
sql.busy_wait_ms = 20000
sql.readers = 2
sql.prepared_statements = 6
sql.checked_statements = 24
events.kept = 300
events.handler_cpu_ms = 5000
schedules.cpu_ms = 5000
outbound.requests_per_minute = 60000
outbound.requests_burst = 10000
log.format = \"json\"
log.filter = \"info,tenon=debug\"
";

const PLUGINS: [&str; 6] = ["canary", "probe", "crm", "analytics", "hello", "example-endpoint-rules"];

/// A host with these plugins, and two more: `reader` reads what `canary` shares, and has its answers kept; `fetcher`
/// asks the server outside.
async fn start(names: &NameServer, outside: &Outside) -> Host {
    let scratch = Scratch::with_plugins(&PLUGINS);
    let kept = |path: &str, function: &str| {
        let function = format!("demo:sharer/sharer.{function}");
        json!({"method": "GET", "path": path, "function": function, "cacheTTL": 600})
    };
    let reads = ["canary.open", "canary.names"].map(|name| json!({"namespace": name, "description": "To look at it."}));
    let reader = json!({
        "id": "reader", "name": "Reader", "version": "1.0.0", "sharedData": {"reads": reads},
        "endpoints": [kept("/look/{namespace}/{key}", "look"), kept("/keys/{namespace}", "keys")],
    });
    scratch.add_plugin_as("sharer", "reader", &reader);
    scratch.add_plugin_as("fetcher", "fetcher", &outbound::world::manifest(&[outside.port()]));
    let open = [outside.address.to_string()];
    let outbound = format!("outbound.resolver = \"{}\"\noutbound.allow_private_networks = {open:?}\n", names.address);
    let file = scratch.file("tenon.toml", &format!("{outbound}{CONFIG}"));
    Host::start(scratch, &["--dev", "--config", file.to_str().unwrap()]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_one_tenant_reaches_another() {
    let goal: u64 = rounds(100_000, 1_000_000);
    let named = std::env::var("TENON_SEED").ok().and_then(|text| text.parse().ok());
    let seed = named.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    println!("seed {seed}");
    let (names, outside) = (NameServer::start().await, Outside::start().await);
    let mut host = start(&names, &outside).await;
    let world = Arc::new(World::new(seed, goal, outside.port()));
    let begun = Instant::now();
    // Both tenants on the same connections, of either version of HTTP.
    let clients = [Client::new(host.address()), host.http2()];
    for number in 0..2 {
        Turn::new(world.clone(), number).begin(&clients[0]).await;
    }
    let mut workers = JoinSet::new();
    for number in 0..2 * WORKERS_PER_TENANT {
        let client = clients[usize::from(number % 4 >= 2)].clone();
        workers.spawn(Turn::new(world.clone(), number).work(client));
    }
    while let Some(ended) = workers.join_next().await {
        if let Err(failure) = ended {
            workers.abort_all();
            std::panic::resume_unwind(failure.into_panic());
        }
    }
    let took = begun.elapsed();
    for tenant in TENANTS {
        let dead = host.tenant(tenant).get("/api/v1/events/dead").await;
        assert!(
            !dead.text.contains("leaked: ") && dead.status == 200,
            "a handler of {tenant} saw something: {dead:#?}"
        );
    }
    host.process().terminate();
    assert!(host.process().ended().await.success());
    let (lines, of_nobody) = watch::log(&host.scratch().log());
    let files = watch::files(&host.scratch().data());
    let requests = watch::outside(&outside.requests());
    println!("{}", world.report());
    println!(
        "{} operations in {took:.1?}; {lines} lines of the log ({of_nobody} of no tenant), {files} files and \
         {requests} requests to a host outside",
        world.done()
    );
    assert!(world.done() >= goal);
    world.assert_all_tried();
}

/// The test above is worth something only if it sees what it looks for.
#[tokio::test]
async fn a_canary_in_the_wrong_place_is_seen() {
    assert_eq!(foreign(b"x-user-id: kanarib-x1", "kanaria", false), Some("kanarib"));
    assert_eq!(foreign(b"{\"n\":\"KanariB\"}", "kanaria", false), Some("kanarib"));
    assert_eq!(foreign(b"kanaria kanaria-x", "kanaria", false), None);
    assert_eq!(foreign(b"no kanarib here", "kanaria", true), None, "where the id itself was asked for");
    assert_eq!(foreign(b"but kanarib-x1", "kanaria", true), Some("kanarib-x"));

    // A plugin that takes itself for the other tenant's finds its own rows.
    let (names, outside) = (NameServer::start().await, Outside::start().await);
    let host = start(&names, &outside).await;
    let batch = async |tenant: &str| {
        let request = host.tenant(TENANTS[0]).request(reqwest::Method::POST, "/plugins/canary/run");
        let named = ["X-User-ID", "X-Workspace-ID", "X-Correlation-ID"];
        let request = named.into_iter().fold(request, |request, name| request.header(name, "kanaria-x1"));
        crate::common::ask(request.json(&json!({"seed": 7, "operations": BATCH, "tenant": tenant}))).await
    };
    batch(TENANTS[0]).await.data(200);
    batch(TENANTS[1]).await.refusal(400, "leaked");
}
