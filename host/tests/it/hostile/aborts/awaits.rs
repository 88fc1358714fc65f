//! Requests that end at each of their awaits, one after the other, as they do when the caller goes away just there.
//!
//! The host drops a request's future itself, after as many waits as the fault file says (`host/src/fault.rs`): the n-th
//! try ends when the future has waited n times, until one is answered. After each the same thing is asked
//! again and must work. Changes go on by themselves once they have begun, so of those there are few waits to end at.

use std::fs;
use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    BELOW, CONFIG, OUTSIDE, STREAM, a_transaction_works_at_once, descriptors, descriptors_are_at_most,
    every_place_of_the_pool_is_there, files, requests,
};
use crate::common::{Answer, Client, Host, Scratch, ask, eventually};
use crate::loader::component;
use crate::outbound::server::Outside;

/// The status of a request that was left.
const LEFT: u16 = 499;
/// What waits more often than this waits for ever.
const WAITS_MAX: usize = 20_000;
/// Up to here every wait is tried; of a computation that gives way at each tick, every sixteenth part after that.
const EACH: usize = 100;

struct World {
    host: Host,
    fault: PathBuf,
    outside: Outside,
}

impl World {
    async fn start() -> Self {
        let outside = Outside::start().await;
        let mut scratch = Scratch::with_plugins(&["probe", "prober", "hello", "crm"]);
        let address = outside.address;
        scratch.add_plugin_as("fetcher", "fetcher", &crate::outbound::world::manifest(&[address.port()]));
        // Whoever asks again finds the processors busy, and those that were left still writing.
        let patient = CONFIG.replace("cpu_budget_ms = 200", "cpu_budget_ms = 4000");
        let patient = patient.replace("busy_wait_ms = 300", "busy_wait_ms = 4000");
        let open = format!("outbound.allow_private_networks = [\"{address}\"]\n{patient}");
        let (config, fault) = (scratch.file("tenon.toml", &open), scratch.file("fault", ""));
        scratch.set_environment(&[("TENON_FAULT_FILE", "fault")]);
        let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
        Self { host, fault, outside }
    }

    /// Ends a request at each of its waits, until it has one of these answers. `before` makes the host as it was, and is
    /// not ended.
    async fn at_each_await(
        &self,
        (what, answers): (&str, &[u16]),
        before: impl AsyncFn(),
        request: impl AsyncFn(usize) -> Answer,
        after: impl AsyncFn(usize),
    ) -> usize {
        let (mut waits, mut tried) = (0, 0);
        loop {
            before().await;
            fs::write(&self.fault, format!("leave: {waits}")).unwrap();
            let answer = request(waits).await;
            fs::write(&self.fault, "").unwrap();
            after(waits).await;
            if answer.status != LEFT {
                assert!(answers.contains(&answer.status), "{what}, left after {waits} waits: {answer:?}");
                return tried;
            }
            assert!(waits < WAITS_MAX, "{what} waits without end");
            tried += usize::from(waits > 0);
            waits += if waits < EACH { 1 } else { waits / 16 };
        }
    }
}

async fn send(client: &Client, path: &str, body: &Value) -> Answer {
    if path == STREAM { client.get(path).await } else { client.post(path, body.clone()).await }
}

/// All files of the data directory but for machine code, which is kept for a while after its plugin has gone.
fn data(host: &Host) -> Vec<PathBuf> {
    let data = host.scratch().data();
    let compiled = data.join("compiled");
    files(&data).into_iter().filter(|file| !file.starts_with(&compiled)).collect()
}

#[tokio::test]
async fn a_request_that_ends_at_any_of_its_awaits_leaves_nothing_behind() {
    let world = World::start().await;
    let host = &world.host;
    let nothing = async || {};
    let mut tried = Vec::new();

    // A tenant's first request, which brings the plugin to it: a new tenant each time, which can use it afterwards.
    let contacts = "/plugins/crm/contacts";
    let tenant = |waits: usize| host.tenant(&format!("new-{waits}"));
    let served = async |waits: usize| assert_eq!(tenant(waits).get(contacts).await.total(), 0);
    let first = async |waits: usize| tenant(waits).get(contacts).await;
    tried.push((
        "a tenant's first request",
        world.at_each_await(("a tenant's first", &[200]), nothing, first, served).await,
    ));

    every_place_of_the_pool_is_there(host).await;
    a_transaction_works_at_once(host).await;
    let (known, quiet) = (data(host), descriptors(host.id()));
    let plugins = files(&host.scratch().plugins());

    let outbound = json!({ "url": format!("http://{}/plain", world.outside.address) });
    let requests = requests().into_iter().chain([("/plugins/fetcher/ask", outbound)]);
    for (path, mut body) in requests.filter(|(path, _)| *path != "/plugins/probe/spin") {
        for time in ["milliseconds", "amount"] {
            if body.get(time).is_some() {
                body[time] = json!(20);
            }
        }
        // One of them traps while it holds a transaction.
        let usual = send(host, path, &body).await.status;
        assert!([200, 502].contains(&usual), "{path}: {usual}");
        let again = async |_| {
            let answer = send(host, path, &body).await;
            assert_eq!(answer.status, usual, "{path}, asked again: {answer:?}");
        };
        let request = async |_| send(host, path, &body).await;
        tried.push((path, world.at_each_await((path, &[usual]), nothing, request, again).await));
    }

    let event = json!({ "type": "news.told", "data": { "n": 1 } });
    let publish = async |_| host.post("/api/v1/events", event.clone()).await;
    let again = async |_| {
        publish(0).await.data(202);
    };
    tried.push(("an event", world.at_each_await(("an event", &[202]), nothing, publish, again).await));

    let decide = async |what: &str| host.post(&format!("/api/v1/plugins/hello/{what}"), json!({})).await;
    // A change goes on without its caller, so one that was left may still come to its end after this.
    let activate = async || {
        eventually("the plugin to be active", async || {
            decide("activate").await.data(200);
            (host.get(STREAM).await.status == 200).then_some(())
        })
        .await;
    };
    let deactivate = async |_| decide("deactivate").await;
    let decided = async |_| {
        host.get("/api/v1/plugins/hello/decision").await.data(200);
    };
    tried.push(("a decision", world.at_each_await(("a decision", &[200]), activate, deactivate, decided).await));
    activate().await;

    // Another plugin each time, all of which are there in the end but for the one that nothing was read of.
    let late = |waits: usize| format!("late-{waits}");
    let install = async |waits: usize| {
        let manifest = json!({ "id": late(waits), "name": "Late", "version": "1.0.0" });
        let request = host.request(Method::POST, "/api/v1/plugins").header("Content-Type", "application/wasm");
        ask(request.body(component(&[("tenon:manifest", &manifest.to_string())]))).await
    };
    let installed = async |waits: usize| {
        if waits > 0 {
            let path = format!("/api/v1/plugins/{}", late(waits));
            eventually(&late(waits), async || (host.get(&path).await.status == 200).then_some(())).await;
            host.delete(&format!("{path}/versions/1.0.0")).await.data(200);
        }
    };
    tried.push(("an upload", world.at_each_await(("an upload", &[201]), nothing, install, installed).await));

    descriptors_are_at_most(host, quiet + 16).await;
    a_transaction_works_at_once(host).await;
    every_place_of_the_pool_is_there(host).await;
    eventually("no connection to be left outside", async || (world.outside.open() == 0).then_some(())).await;
    assert_eq!(files(&host.scratch().plugins()), plugins);
    assert_eq!(data(host), known);
    let all: usize = tried.iter().map(|(_, waits)| waits).sum();
    // A short one may be answered without a wait; most are not.
    assert!(all > tried.len(), "{tried:?}");
    println!("{all} requests were left, each at another await: {tried:?}; {OUTSIDE} and {BELOW} places are there");
}
